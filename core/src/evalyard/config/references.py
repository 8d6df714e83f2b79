"""Texts that name a further model server: `auxiliary_deployments.judge.chat_url`, with or without `${...}` around it.

Its address is known only when a job starts, so the text stays as it is until then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalyard.config.node import Keys, Node, Problems, did_you_mean, show, walk
from evalyard.specs import AuxiliarySpec

MODEL_ID = "model_id"
KINDS = ("chat", "completions", "embedding", "ranking")
FIELDS = (MODEL_ID, *(f"{kind}_url" for kind in KINDS))
"""What of a further server a text may name."""

_SECTION = "auxiliary_deployments"
_REFERENCE = re.compile(rf"\b{_SECTION}\.(?P<name>[A-Za-z0-9_-]+)\.(?P<field>\w+)")
_EXPRESSION = re.compile(rf"(?<!\\)\$\{{\s*({_SECTION}\.[A-Za-z0-9_-]+\.({'|'.join(FIELDS)}))\s*\}}")
_FILLED_IN = re.compile(
    r"evaluation(\.tasks\[\d+\])?\.(nemo_evaluator_config|env_vars|pre_cmd|post_cmd)\b"
    r"|evaluation\.tasks\[\d+\]\.harness\.command\b"
    r"|target\.api_endpoint\.adapter_config\b"
)
"""The key paths where references are replaced: what becomes of them is `evalyard.serving.auxiliary`'s."""


def without_expressions(text: str) -> str:
    """Return a text with `${auxiliary_deployments.NAME.chat_url}` as the plain form, which nobody evaluates."""
    return _EXPRESSION.sub(lambda match: match[1], text)


def is_reference(text: str) -> bool:
    """Whether a text is the name of a further server's address or model, and nothing else."""
    return _REFERENCE.fullmatch(text) is not None


def check_references(root: Node, servers: Sequence[AuxiliarySpec], problems: Problems) -> None:
    """Add every text that names what is not there, or that stands where nobody fills it in.

    Args:
        servers: the further servers that will be started.
    """
    by_name = {server.name: server for server in servers}
    for keys, node in walk(root):
        if not isinstance(node.value, str) or _SECTION not in node.value:
            continue
        for match in _REFERENCE.finditer(node.value):
            wrong = _wrong_place(keys, match[0]) or _wrong_name(match, by_name)
            if wrong:
                problems.add(node.place, show(keys), wrong)


def _wrong_place(keys: Keys, text: str) -> str:
    if _FILLED_IN.match(show(keys)):
        return ""
    where = "nemo_evaluator_config, env_vars, pre_cmd, post_cmd and harness.command, and the target's adapter_config"
    return f"{text} is known only while the run goes on; only evaluation can name it: {where}"


def _wrong_name(match: re.Match[str], servers: Mapping[str, AuxiliarySpec]) -> str:
    name, field = match["name"], match["field"]
    if name not in servers:
        meant = did_you_mean(name, servers)
        return f"no auxiliary deployment that starts (type none does not) is called '{name}'{meant}"
    if field not in FIELDS:
        return f"nothing is called '{field}' of it{did_you_mean(field, FIELDS)}"
    if field == "ranking_url" and not servers[name].server.endpoints.ranking:
        return f"'{name}' has no ranking_url unless {_SECTION}.{name}.endpoints.ranking says where it answers"
    return ""


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
