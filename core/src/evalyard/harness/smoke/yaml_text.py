"""Nested data as YAML text, without a YAML library: every reader of YAML 1.1 or 1.2 reads the same values back."""

from __future__ import annotations

import math
import re
from typing import Any, Iterator, Mapping

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# Words that one version of YAML or the other takes for something else than text.
_RESERVED = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def to_yaml(mapping: Mapping[str, Any]) -> str:
    """Block-style YAML. Values are mappings, lists, text, numbers, booleans and None; others raise TypeError."""
    return "".join(f"{line}\n" for line in _lines(mapping, "")) or "{}\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    """The lines of a mapping or list that is not empty."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _entry(f"{indent}{_scalar(key)}:", inner, indent + "  ")
        return
    for item in value:
        if isinstance(item, (Mapping, list, tuple)) and item:
            # The first line of the item stands beside its dash.
            lines = _lines(item, indent + "  ")
            yield f"{indent}- {next(lines)[len(indent) + 2 :]}"
            yield from lines
        else:
            yield f"{indent}- {_scalar(item)}"


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, (Mapping, list, tuple)) and value:
        yield head
        yield from _lines(value, indent)
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, (list, tuple)):
        return "[]"
    raise TypeError(f"no YAML for a {type(value).__name__}")


def _float(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    mantissa, e, exponent = repr(value).partition("e")
    # YAML 1.1 takes 1e-05 for text.
    return (mantissa if "." in mantissa else mantissa + ".0") + e + exponent


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if " " <= character <= "~":
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
