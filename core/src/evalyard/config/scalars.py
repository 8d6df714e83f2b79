"""How unquoted text becomes a value: the core schema of YAML 1.2, in files and on the command line alike."""

from __future__ import annotations

import re

from evalyard.config.node import Scalar

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMBER = re.compile(
    r"""(?P<int>[-+]?[0-9]+) | 0o(?P<oct>[0-7]+) | 0x(?P<hex>[0-9a-fA-F]+)
      | (?P<float>[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)""",
    re.VERBOSE,
)
_MAX_DIGITS = 400
"""Python refuses to convert very long numbers, and no setting is one: such a text stays a text."""


def resolve(text: str) -> Scalar:
    """Return the value of unquoted text. `yes`, `no`, `on`, `off` and `01:00:00` are texts; so is the empty text."""
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.fullmatch(text) if len(text) <= _MAX_DIGITS else None
    if match is None:
        return text
    if match["int"]:
        return int(text)
    if match["oct"]:
        return int(match["oct"], 8)
    if match["hex"]:
        return int(match["hex"], 16)
    return float(text)
