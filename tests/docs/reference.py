"""docs/executors/reference.md, rendered from the docstrings of all public names that hooks.md does not have.

    python -m tests.docs.reference

writes the page; a test compares it with what would be written.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

import evalyard
from evalyard import secrets
from tests.docs.hooks import fields, joined, members, paragraphs, records_of_hooks, told_in

PAGE = Path(__file__).parents[2] / "docs" / "executors" / "reference.md"
INTRODUCTION = """\
# Public names

All that a plugin may import from `evalyard`, beside what hooks get and return, which is in
[Hooks and records](hooks.md). This page is rendered from the docstrings.
"""
ELSEWHERE = {"run", "results", "scores", "status", "RunStatus", "JobStatus", "Context", "JobState"}
"""Names that other pages have: what is for programs, and what hooks get."""


def page() -> str:
    """Return the text of the page."""
    known = ELSEWHERE | {cls.__name__ for cls in records_of_hooks()}
    names = {name: getattr(evalyard, name) for name in evalyard.__all__ if name not in known}
    classes = {name: value for name, value in names.items() if isinstance(value, type)}
    errors = {name: cls for name, cls in classes.items() if issubclass(cls, Exception)}
    functions = {name: value for name, value in names.items() if name not in classes and _is_function(value)}
    parts = [INTRODUCTION, "## Errors\n"]
    for name, error in errors.items():
        bases = [base.__name__ for base in error.__mro__[1:] if base.__name__ in errors]
        kinds = f"Also caught as {', '.join(f'`{base}`' for base in bases)}.\n" if bases else ""
        parts += [*_head(name, error), paragraphs(error), kinds]
    parts += ["## Classes\n", "Records are built by keyword. Fields without a default must be given.\n"]
    for name, cls in classes.items():
        if name not in errors:
            parts += [f"### {name}\n", paragraphs(cls), *_fields(cls), "\n", *members(cls)]
    parts += ["## Functions\n"]
    for name, function in functions.items():
        parts += [*_head(name, function), paragraphs(function)]
    rest = {name: value for name, value in names.items() if name not in classes and name not in functions}
    return joined([*parts, "## Constants\n", *_constants(rest)])


def _is_function(value: Any) -> bool:
    return inspect.isfunction(inspect.unwrap(value)) or (callable(value) and type(value).__module__ == secrets.__name__)


def _head(name: str, function: Any) -> Iterator[str]:
    arguments: list[str] = []
    marked = False
    for one in inspect.signature(function).parameters.values():
        if one.kind is one.KEYWORD_ONLY and not marked:
            arguments, marked = [*arguments, "*"], True
        default = "a function" if inspect.isfunction(one.default) else repr(one.default)
        arguments.append(f"{one.name}: {one.annotation}" + ("" if one.default is one.empty else f" = {default}"))
    answer = "" if isinstance(function, type) else f" -> {inspect.signature(function).return_annotation}"
    yield f"### {name}\n"
    yield f"```text\n{name}({', '.join(arguments)}){answer}\n```\n"


def _fields(cls: type[Any]) -> Iterator[str]:
    if attrs.has(cls) or issubclass(cls, Enum):
        yield from fields(cls)


def _constants(constants: dict[str, Any]) -> Iterator[str]:
    rows = ["| name | value | means |", "|---|---|---|"]
    for name, value in constants.items():
        told = told_in(importlib.import_module(evalyard._HOME_OF[name]))[name]
        rows.append(f"| `{name}` | {_value(value)} | {told} |")
    yield "\n".join(rows)


def _value(value: Any) -> str:
    if isinstance(value, str | int) or attrs.has(type(value)):
        return f"`{value!r}`"
    return ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
