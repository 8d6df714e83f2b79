"""Settings with one thing changed: every field of an executor's Settings in turn, with a value that it accepts."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from evalyard.config.typed import key_of


def paths(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the type of every setting, those of nested classes one by one."""
    hints = get_type_hints(cls)
    for field in (field for field in attrs.fields(cls) if field.init):
        hint = hints[field.name]
        if isinstance(hint, type) and attrs.has(hint):
            yield from ((f"{key_of(field)}.{path}", inner) for path, inner in paths(hint))
        else:
            yield key_of(field), hint


def candidates(hint: Any) -> Iterator[Any]:
    """Yield plain values that a field of this type may accept."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        for argument in arguments:
            yield from candidates(argument)
    elif origin is Literal:
        yield from arguments
    elif hint is bool:
        yield from (True, False)
    elif hint is int:
        yield from (7, 3, 1000, 20000, 0)
    elif hint is float:
        yield from (7.5, 3.0)
    elif hint in (str, Any, object):
        yield from ("kit", "3g", "00:07:00", "/kit", "3")
    elif isinstance(origin or hint, type):
        yield from _composed(origin or hint, arguments)


def _composed(base: type[Any], arguments: Sequence[Any]) -> Iterator[Any]:
    if issubclass(base, Enum):
        yield from (member.value for member in base)
    elif attrs.has(base):
        yield from _instances(base)
    elif issubclass(base, Mapping):
        yield from ({name: value} for value in candidates(arguments[1]) for name in ("kit", "/kit"))
    elif issubclass(base, Sequence):
        yield from ([value] for value in candidates(arguments[0]))


def _instances(cls: type[Any]) -> Iterator[dict[str, Any]]:
    hints = get_type_hints(cls)
    fields = [field for field in attrs.fields(cls) if field.init]
    needed = [field for field in fields if field.default is attrs.NOTHING]
    for field in fields:
        values = {key_of(one): list(candidates(hints[one.name])) for one in {*needed, field}}
        for turn in range(max(map(len, values.values()), default=0)):
            yield {name: options[turn % len(options)] for name, options in values.items() if options}


def replaced(data: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return plain data with the value at a dotted path replaced."""
    name, _, rest = path.partition(".")
    inner = data.get(name)
    return {**data, name: replaced(inner if isinstance(inner, Mapping) else {}, rest, value) if rest else value}
