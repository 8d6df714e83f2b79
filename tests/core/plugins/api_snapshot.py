"""What plugins may rely on, as lines of text: hooks, their arguments, the fields of records, public names.

    python -m tests.core.plugins.api_snapshot

writes them to `api.txt` beside this file. Within one API a line never goes away, and what is added can be left out.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

import evalyard
from evalyard.plugins import hookspecs

STORED = Path(__file__).with_name("api.txt")
OWN_MEMBERS = (property, type(lambda: None))
PROGRAMS = {"run", "results", "scores", "status", "RunStatus", "JobStatus"}
"""What `evalyard` has for programs that use it, not for plugins."""


def facts() -> list[str]:
    """Return one line for everything that a plugin may rely on."""
    return [f"API {evalyard.API}", *_hooks(), *(line for name in evalyard.__all__ for line in _facts_of(name))]


def stored() -> list[str]:
    """Return the lines as they were written down."""
    return STORED.read_text(encoding="utf-8").splitlines()


def missing(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """Return what plugins relied on and is gone or different; the number of the API itself aside."""
    return sorted({line for line in before if not line.startswith("API ")} - {*now})


def demands(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """Return what was added to something that was there before and that a plugin of before would have to know."""
    known = {_owner(line) for line in before}
    added = {*now} - {*before}
    return sorted(
        line for line in added if _is_demand(line) and (_owner(line) in known or line.endswith("is required"))
    )


def _owner(line: str) -> str:
    """Return what a line is about: `record Plan`, `function job_script`."""
    kind, name, *_ = line.split(" ")
    return f"{kind} {name.split('(')[0].split('.')[0].rstrip(':')}"


def _is_demand(line: str) -> bool:
    if line.startswith("hook "):
        return line.endswith("is required")  # arguments that an implementation does not name are not handed to it
    return line.startswith(("record ", "function ")) and " = " not in line and ") -> " not in line


def _hooks() -> Iterator[str]:
    for name, hook in vars(hookspecs).items():
        if not hasattr(hook, "evalyard_spec"):
            continue
        signature = inspect.signature(hook)
        yield from (f"hook {name}({_parameter(one)})" for one in signature.parameters.values())
        yield f"hook {name}() -> {signature.return_annotation}"
        if name in hookspecs.REQUIRED:
            yield f"hook {name} is required"


def _facts_of(name: str) -> Iterator[str]:
    value = getattr(evalyard, name)
    if name in PROGRAMS:
        return
    if isinstance(value, type) and issubclass(value, Enum):
        yield from (f"enum {name}.{member.name} = {member.value}" for member in value)
    elif isinstance(value, type) and issubclass(value, Exception):
        yield f"error {name}({', '.join(base.__name__ for base in value.__bases__)})"
    elif isinstance(value, type):
        yield from _class(name, value)
    elif inspect.isfunction(inspect.unwrap(value)):
        signature = inspect.signature(value)
        yield from (f"function {name}({_parameter(one)})" for one in signature.parameters.values())
        yield f"function {name}() -> {signature.return_annotation}"
    else:
        yield f"constant {name}"


def _class(name: str, cls: type[Any]) -> Iterator[str]:
    if attrs.has(cls):
        yield f"record {name}:"
        # As they are written: `field.type` may have been resolved by somebody.
        kinds = {key: kind for base in reversed(cls.__mro__) for key, kind in inspect.get_annotations(base).items()}
        for field in attrs.fields(cls):
            if field.init and not field.name.startswith("_"):
                yield f"record {name}.{field.name}: {_spelt(kinds[field.name])}{_default(field)}"
    else:
        yield f"class {name}"
    own = {key: value for key, value in vars(cls).items() if not key.startswith("_") and isinstance(value, OWN_MEMBERS)}
    for key, value in own.items():
        if isinstance(value, property):
            yield f"method {name}.{key}: {inspect.signature(value.fget).return_annotation}"  # type: ignore[arg-type]
        else:
            signature = inspect.signature(value)
            shown = ", ".join(_parameter(one) for one in list(signature.parameters.values())[1:])
            yield f"method {name}.{key}({shown}) -> {signature.return_annotation}"


def _parameter(parameter: inspect.Parameter) -> str:
    named = "*, " if parameter.kind is parameter.KEYWORD_ONLY else ""
    default = "" if parameter.default is parameter.empty else f" = {_shown(parameter.default)}"
    return f"{named}{parameter.name}: {_spelt(parameter.annotation)}{default}"


def _shown(default: object) -> str:
    return "(a function)" if inspect.isfunction(default) else repr(default)


def _spelt(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _default(field: attrs.Attribute[Any]) -> str:
    if field.default is attrs.NOTHING:
        return ""
    if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]  # a class at run time
        return " = (made anew)"
    return f" = {_shown(field.default)}"


if __name__ == "__main__":
    STORED.write_text("".join(f"{line}\n" for line in facts()), encoding="utf-8")
