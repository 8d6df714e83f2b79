"""Values of environment variables as configurations write them, and `.env` files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from evalyard.config.load import read_text
from evalyard.config.node import Node, Problems, join_path, kind
from evalyard.config.references import is_reference
from evalyard.errors import ConfigError
from evalyard.specs import EnvValue, EnvVars, ValueSource

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENV_LINE = re.compile(r"(?:export[ \t]+)?(?P<name>[^\s=]*)[ \t]*=[ \t]*(?P<value>.*)")
_DOUBLE_QUOTED = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE_QUOTED = re.compile(r"'(?P<text>[^']*)'\s*(?:#.*)?")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def read_env_vars(node: Node | None, path: str, problems: Problems) -> dict[str, EnvValue]:
    """Return an `env_vars` mapping; what is wrong with it is added to `problems`, never with a value in the message."""
    if node is None or node.value is None:
        return {}
    if not isinstance(node.value, dict):
        problems.add(node.place, path, "must be a mapping of variable names to values")
        return {}
    found = {}
    for name, child in node.value.items():
        key = join_path(path, name)
        if not _NAME.fullmatch(name):
            problems.add(child.place, key, f"{name!r} is not a name of a variable")
            continue
        value = _read_value(child, key, problems)
        if value is not None:
            found[name] = value
    return found


def current_spelling(text: str) -> str | None:
    """Return how an older form of a variable's value is written now: `$host:NAME` and a bare `NAME` are `host:NAME`.

    None = this is no older form.
    """
    if text.startswith("$") and text[1:].partition(":")[0] in set(ValueSource) and ":" in text:
        return text[1:]
    return f"{ValueSource.HOST}:{text}" if _NAME.fullmatch(text) else None


def _read_value(node: Node, path: str, problems: Problems) -> EnvValue | None:
    where = line_of(node.place)
    value = node.value
    if isinstance(value, bool | int | float):
        text = node.raw if node.raw is not None else kind(value)
        return EnvValue(source=ValueSource.LITERAL, text=text, where=where)
    if not isinstance(value, str):
        problems.add(node.place, path, f"is {kind(node)}; write host:NAME, runtime:NAME or lit:text")
        return None
    # Older forms may still come out of an expression.
    prefix, colon, text = (current_spelling(value) or value).partition(":")
    if is_reference(value):
        return EnvValue(source=ValueSource.LITERAL, text=value, where=where)
    if not colon or prefix not in set(ValueSource):
        say = "is neither a name of a variable nor begins with host:, runtime: or lit: (for a text that stands here)"
        problems.add(node.place, path, say)
        return None
    if prefix != ValueSource.LITERAL and not _NAME.fullmatch(text):
        problems.add(node.place, path, f"what follows {prefix}: is not a name of a variable")
        return None
    return EnvValue(source=ValueSource(prefix), text=text, where=where)


def line_of(place: str) -> str:
    """Return `file:line` of a `file:line:column`; the place of an override stays as it is."""
    file, _, column = place.rpartition(":")
    return file if column.isdigit() and not place.startswith("-o ") else place


def host_variable(name: str, node: Node, path: str, problems: Problems) -> EnvVars:
    """Return what `api_key_name: NAME` declares."""
    if not _NAME.fullmatch(name):
        problems.add(node.place, path, "must be the NAME of an environment variable, not its value")
        return {}
    return {name: EnvValue(source=ValueSource.HOST, text=name, where=line_of(node.place))}


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of a `.env` file: `NAME=value` lines, `export` before them, quotes, `#` comments.

    A value in double quotes may hold `\\n`, `\\t`, `\\"` and go over several lines; in single quotes all stands as it
    is. Nothing is expanded. Raises ConfigError naming the line, never the value.
    """
    lines = read_text(path).splitlines()
    found: dict[str, str] = {}
    problems: list[str] = []
    index = 0
    while index < len(lines):
        number, line = index + 1, lines[index].strip()
        index += 1
        if not line or line.startswith("#"):
            continue
        match = _ENV_LINE.fullmatch(line)
        if match is None or not _NAME.fullmatch(match["name"]):
            problems.append(f"{path}:{number}: not of the form NAME=value")
            continue
        value = match["value"]
        if value[:1] not in {'"', "'"}:
            found[match["name"]] = re.split(r"(?:^|\s)#", value, maxsplit=1)[0].rstrip()
            continue
        text = _unquote(value)
        while text is None and index < len(lines):
            value = f"{value}\n{lines[index]}"
            index += 1
            text = _unquote(value)
        if text is None:
            problems.append(f"{path}:{number}: the quote of {match['name']} has no end")
            break
        found[match["name"]] = text
    if problems:
        raise ConfigError(problems)
    return found


def _unquote(value: str) -> str | None:
    if value.startswith("'"):
        match = _SINGLE_QUOTED.fullmatch(value)
        return match["text"] if match else None
    match = _DOUBLE_QUOTED.fullmatch(value)
    if match is None:
        return None
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match["text"], flags=re.DOTALL)


def overlay(*layers: Mapping[str, EnvValue]) -> dict[str, EnvValue]:
    """Return the layers merged, later ones winning."""
    merged: dict[str, EnvValue] = {}
    for layer in layers:
        merged.update(layer)
    return merged
