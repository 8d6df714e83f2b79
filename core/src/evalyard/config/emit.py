"""Nodes to YAML text that `load` reads back to the same values.

Ours rather than ruamel's: writing a thousand tasks with that one takes as long as everything else together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from evalyard.config import scalars
from evalyard.config.interpolate import escape
from evalyard.config.node import Node, Scalar

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@+-]*(?:[ :=,][A-Za-z0-9_./@+-]+)*")
_UNPRINTABLE = re.compile(r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_SHORT_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
_STEP = "  "


def emit(root: Node) -> str:
    """Return a configuration as YAML text. Texts that look like interpolations are escaped: what is here is final."""
    return "".join(f"{line}\n" for line in _block(root, ""))


def _block(node: Node, indent: str) -> Iterator[str]:
    """Yield the lines of a mapping or list that is not empty."""
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _entry(f"{indent}{_text(key)}:", child, indent)
    elif isinstance(node.value, list):
        for child in node.value:
            if isinstance(child.value, dict | list) and child.value:
                # The first line of the item stands beside its dash.
                lines = _block(child, indent + _STEP)
                yield f"{indent}- {next(lines).removeprefix(indent + _STEP)}"
                yield from lines
            else:
                yield from _entry(f"{indent}-", child, indent)


def _entry(head: str, node: Node, indent: str) -> Iterator[str]:
    value = node.value
    if isinstance(value, dict | list):
        if value:
            yield head
            yield from _block(node, indent + _STEP)
        else:
            yield f"{head} {'{}' if isinstance(value, dict) else '[]'}"
    elif isinstance(value, str):
        yield from _text_lines(head, escape(value), indent + _STEP)
    else:
        yield f"{head} {node.raw if node.raw is not None else _number(value)}"


def _text_lines(head: str, text: str, indent: str) -> Iterator[str]:
    body = text.removesuffix("\n")
    lines = body.split("\n")
    if (
        len(lines) > 1
        and not _UNPRINTABLE.search(text)
        and lines[0].strip()
        and lines[-1].strip()
        and lines[0][0] > " "
    ):
        yield f"{head} {'|' if text.endswith(chr(10)) else '|-'}"
        yield from (indent + line if line else "" for line in lines)
    else:
        yield f"{head} {_text(text)}"


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and isinstance(scalars.resolve(text), str) and not text.endswith(":"):
        return text
    quoted = "".join(_SHORT_ESCAPES.get(char, char) for char in text)
    return '"' + _UNPRINTABLE.sub(_escape_code, quoted) + '"'


def _escape_code(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _number(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    return "null" if value is None else repr(value)
