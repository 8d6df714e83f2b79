"""A plugin's own settings class out of a Section: typed, checked, every complaint with its place.

Written out rather than left to cattrs, whose errors name classes and not what the reader of a YAML file did wrong.
"""

from __future__ import annotations

import collections.abc
import keyword
import types
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from evalyard.config.node import Problems, did_you_mean, join_path, kind
from evalyard.specs import Section

T = TypeVar("T")

_SEQUENCES = (list, collections.abc.Sequence)
_MAPPINGS = (dict, collections.abc.Mapping)


class _WrongError(Exception):
    """The value does not fit; the complaint is noted already."""


def structure(section: Section, cls: type[T]) -> T:
    """Return an instance of an attrs class made of a section's data.

    Fields may be str, int, float, bool, Path, enums, Literal, Optional and other unions, tuples, lists, mappings, Any
    and attrs classes of such fields; a field `from_` is the key `from`. `"4"` is no integer and `true` no number; but a
    number given for a text is the text that it was written as, for nobody quotes an account that happens to be 0123.

    Raises:
        ConfigError: with every problem, each like `file:line:col: execution.outptu_dir: unknown key; did you mean
            'output_dir'?`. A ValueError or TypeError of a validator becomes one too.
    """
    problems = Problems()
    try:
        result = _Reader(section, problems).instance(dict(section.data), cls, "")
    except _WrongError:
        problems.raise_if_any()
        raise
    problems.raise_if_any()
    return result


def structured(section: Section, cls: type[T], problems: Problems) -> T | None:
    """Return what `structure` does, or None having added to `problems`."""
    try:
        return _Reader(section, problems).instance(dict(section.data), cls, "")
    except _WrongError:
        return None


def key_of(field: attrs.Attribute[Any]) -> str:
    """Return what a field is called in YAML: `from_` is `from`, which cannot be a name in Python."""
    name = field.alias or field.name
    return name[:-1] if name.endswith("_") and keyword.iskeyword(name[:-1]) else name


class _Reader:
    def __init__(self, section: Section, problems: Problems) -> None:
        self._section = section
        self._problems = problems

    def _wrong(self, key: str, text: str) -> _WrongError:
        path = join_path(self._section.path, key) if key else self._section.path
        self._problems.add(self._section.place(key), path, text)
        return _WrongError(text)

    def instance(self, data: dict[str, Any], cls: type[T], path: str) -> T:
        fields = {key_of(field): field for field in attrs.fields(cls) if field.init}  # type: ignore[arg-type]
        hints = get_type_hints(cls)
        failed = False
        for key in data.keys() - fields.keys():
            self._wrong(join_path(path, key), f"unknown key{did_you_mean(key, fields)}")
            failed = True
        arguments = {}
        for key, field in fields.items():
            child = join_path(path, key)
            if key not in data:
                if field.default is attrs.NOTHING:
                    full = join_path(self._section.path, child)
                    self._wrong(child, f"missing; set it in the file, or with -o {full}=...")
                    failed = True
                continue
            try:
                arguments[key] = self.value(data[key], hints.get(field.name, Any), child)
            except _WrongError:
                failed = True
        if failed:
            raise _WrongError
        try:
            return cls(**{fields[key].alias or fields[key].name: value for key, value in arguments.items()})
        except (ValueError, TypeError) as error:
            self._blame(error, cls, arguments, path)
            raise _WrongError from error

    def _blame(self, error: Exception, cls: type, arguments: dict[str, Any], path: str) -> None:
        """Find the keys whose validators refuse, for the exception alone does not tell its key."""
        probe: Any = object.__new__(cls)
        fields = attrs.fields(cls)
        for field in fields:
            key = key_of(field)
            if key in arguments:
                object.__setattr__(probe, field.name, arguments[key])
            elif not isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
                object.__setattr__(probe, field.name, field.default)
        blamed = False
        for field in fields:
            key = key_of(field)
            if key not in arguments or field.validator is None or field.converter is not None:
                continue
            try:
                field.validator(probe, field, arguments[key])
            except (ValueError, TypeError) as refusal:
                self._wrong(join_path(path, key), _words(refusal))
                blamed = True
        if not blamed:
            self._wrong(path, _words(error))

    def value(self, data: Any, hint: Any, path: str) -> Any:
        """Return `data` as the type `hint`, or raise _WrongError having said why."""
        origin, arguments = get_origin(hint), get_args(hint)
        if hint is Any or hint is object:
            return data
        if origin in (Union, types.UnionType):
            return self._union(data, arguments, path)
        if origin is Literal:
            return self._choice(data, {str(option): option for option in arguments}, path)
        base = origin or hint
        if not isinstance(base, type):
            raise TypeError(f"{path}: settings cannot be of type {hint!r}")
        if issubclass(base, Enum):
            return self._choice(data, {str(member.value): member for member in base}, path)
        if attrs.has(base):
            if isinstance(data, dict):
                return self.instance(data, base, path)
            raise self._wrong(path, f"{kind(data)} is not a mapping" if data is not None else "is empty")
        if base is tuple or base in _SEQUENCES:
            return self._sequence(data, base, arguments, path)
        if base in _MAPPINGS:
            return self._mapping(data, arguments, path)
        return self._scalar(data, base, path)

    def _scalar(self, data: Any, base: type, path: str) -> Any:
        if base is type(None) and data is None:
            return None
        if base is float and isinstance(data, int | float) and not isinstance(data, bool):
            return float(data)
        if base is str and isinstance(data, int | float) and not isinstance(data, bool):
            return self._section.texts.get(join_path(self._section.path, path), str(data))
        if base is Path and isinstance(data, str):
            return Path(data)
        if type(data) is base:
            return data
        raise self._wrong(path, _mismatch(data, base))

    def _choice(self, data: Any, options: dict[str, Any], path: str) -> Any:
        text = kind(data) if isinstance(data, bool) else str(data)
        if isinstance(data, str | int) and text in options:
            return options[text]
        raise self._wrong(path, f"{kind(data)} is none of {', '.join(options)}{did_you_mean(text, options)}")

    def _union(self, data: Any, members: tuple[Any, ...], path: str) -> Any:
        if data is None and type(None) in members:
            return None
        members = tuple(member for member in members if member is not type(None))
        if len(members) == 1:
            return self.value(data, members[0], path)
        # An exact match first, so that `int | float` keeps integers.
        for member in sorted(members, key=lambda member: member is not type(data)):
            trial = _Reader(self._section, Problems())
            try:
                return trial.value(data, member, path)
            except _WrongError:
                continue
        # A text that is none of the allowed words deserves the list of them, so the last complaint is made for real.
        names = " or ".join(_type_name(member) for member in members)
        raise self._wrong(path, f"{kind(data)} is not {names}")

    def _sequence(self, data: Any, base: type, arguments: tuple[Any, ...], path: str) -> Any:
        if not isinstance(data, list | tuple):
            raise self._wrong(path, f"{kind(data)} is not a list" if data is not None else "is empty")
        if base is tuple and arguments and arguments[-1] is not Ellipsis:
            if len(arguments) != len(data):
                raise self._wrong(path, f"must have {len(arguments)} items, not {len(data)}")
            hints = list(arguments)
        else:
            hints = [arguments[0] if arguments else Any] * len(data)
        items, failed = [], False
        for index, (item, hint) in enumerate(zip(data, hints, strict=True)):
            try:
                items.append(self.value(item, hint, f"{path}[{index}]"))
            except _WrongError:
                failed = True
        if failed:
            raise _WrongError
        return items if base is list else tuple(items)

    def _mapping(self, data: Any, arguments: tuple[Any, ...], path: str) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise self._wrong(path, f"{kind(data)} is not a mapping" if data is not None else "is empty")
        hint = arguments[1] if arguments else Any
        entries, failed = {}, False
        for key, child in data.items():
            try:
                entries[key] = self.value(child, hint, join_path(path, key))
            except _WrongError:
                failed = True
        if failed:
            raise _WrongError
        return entries


_TYPE_NAMES = {
    str: "a text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    type(None): "null",
}


def _type_name(hint: Any) -> str:
    base = get_origin(hint) or hint
    if base is Literal:
        return "one of " + ", ".join(str(option) for option in get_args(hint))
    if base in _TYPE_NAMES:
        return _TYPE_NAMES[base]
    if base is tuple or base in _SEQUENCES:
        return "a list"
    return "a mapping" if base in _MAPPINGS or attrs.has(base) else str(getattr(base, "__name__", base))


def _mismatch(data: Any, base: type) -> str:
    if data is None:
        return f"is empty; must be {_type_name(base)}"
    quotes = "; put it in quotes" if base in {str, Path} and isinstance(data, bool | int | float) else ""
    return f"{kind(data)} is not {_type_name(base)}{quotes}"


def _words(error: Exception) -> str:
    """Return an exception's message on one line; attrs' own validators put more than the message into `args`."""
    return " ".join(str(error.args[0] if error.args else error).split())
