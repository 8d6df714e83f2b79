"""Texts that name a further model server: `auxiliary_deployments.judge.chat_url`, with or without `${...}` around it.

Its address is known only when a job starts, so the text stays as it is until then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalyard.config.node import Node, Problems, did_you_mean, show, walk

MODEL_ID = "model_id"
KINDS = ("chat", "completions", "embedding", "ranking")
FIELDS = (MODEL_ID, *(f"{kind}_url" for kind in KINDS))
"""What of a further server a text may name."""

_SECTION = "auxiliary_deployments"
_REFERENCE = re.compile(rf"\b{_SECTION}\.(?P<name>[A-Za-z0-9_-]+)\.(?P<field>\w+)")
_EXPRESSION = re.compile(rf"(?<!\\)\$\{{\s*({_SECTION}\.[A-Za-z0-9_-]+\.({'|'.join(FIELDS)}))\s*\}}")
_HOMES = ("evaluation", "target")


def without_expressions(text: str) -> str:
    """Return a text with `${auxiliary_deployments.NAME.chat_url}` as the plain form, which nobody evaluates."""
    return _EXPRESSION.sub(lambda match: match[1], text)


def is_reference(text: str) -> bool:
    """Whether a text is the name of a further server's address or model, and nothing else."""
    return _REFERENCE.fullmatch(text) is not None


def check_references(root: Node, names: Sequence[str], problems: Problems) -> None:
    """Add every text that names what is not there, or that stands where nobody fills it in.

    Args:
        names: the further servers that will be started.
    """
    for keys, node in walk(root):
        if not isinstance(node.value, str) or _SECTION not in node.value:
            continue
        for match in _REFERENCE.finditer(node.value):
            if keys[0] not in _HOMES:
                wrong = f"{match[0]} is known only while the run goes on; only evaluation can name it"
            elif match["name"] not in names:
                meant = did_you_mean(match["name"], names)
                wrong = f"no auxiliary deployment that starts (type none does not) is called '{match['name']}'{meant}"
            elif match["field"] not in FIELDS:
                wrong = f"nothing is called '{match['field']}' of it{did_you_mean(match['field'], FIELDS)}"
            else:
                continue
            problems.add(node.place, show(keys), wrong)


def filled_in(value: Any, texts: Mapping[str, str]) -> Any:
    """Return plain data with every reference replaced by its text; those that `texts` lacks stay."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: texts.get(match[0], match[0]), value)
    if isinstance(value, Mapping):
        return {key: filled_in(child, texts) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [filled_in(child, texts) for child in value]
    return value


def reference(name: str, field: str) -> str:
    """Return the text that names a field of a further server."""
    return f"{_SECTION}.{name}.{field}"
