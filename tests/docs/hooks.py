"""docs/executors/hooks.md, rendered from the docstrings of hooks, context and records.

    python -m tests.docs.hooks

writes the page; a test compares it with what would be written.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

import evalyard
from evalyard.plugins import hookspecs
from evalyard.plugins.context import Context
from evalyard.plugins.markers import PROJECT
from evalyard.records import connections, files, findings, handles, jobs, observations, plans, programs
from evalyard.states import JobState
from evalyard.testing import Conformance, Sweep

PAGE = Path(__file__).parents[2] / "docs" / "executors" / "hooks.md"
INTRODUCTION = """\
# Hooks and records

What evalyard calls, and what it hands over. [Write an executor](custom.md) and [Write an extension](../extensions.md)
say what to do with it. [All other public names](reference.md) have a page of their own. Both pages are rendered
from docstrings.
"""
RECORDS = (files, programs, jobs, connections, plans, handles, observations, findings)
"""The modules of what hooks get and return, in the order of the page."""
_SECTION = re.compile(r"(Args|Attributes|Raises|Returns):")
_ENTRY = re.compile(r"(?P<name>[\w, ]+): (?P<text>.+)")


def page() -> str:
    """Return the text of the page."""
    parts = [INTRODUCTION, paragraphs(hookspecs), "## The hooks\n", *_table(), "\n"]
    for name, hook in _hooks().items():
        parts += [f"### {name}\n", f"```text\n{signature_of(name, hook)}\n```\n", paragraphs(hook)]
    parts += ["## The context\n", paragraphs(Context)]
    parts += members(Context, "ctx")
    parts += ["## The records\n", "Plugins build them by keyword. Fields without a default must be given.\n"]
    shown: list[type[Any]] = [*records_of_hooks(), JobState]
    for cls in shown:
        parts += [f"### {cls.__name__}\n", paragraphs(cls), *fields(cls), "\n", *members(cls)]
    parts += [
        "## The kit\n",
        "Classes of `evalyard.testing`, to subclass as `Test...`.\n",
        *_kit(Conformance),
        *_kit(Sweep),
    ]
    return joined(parts)


def joined(parts: Iterable[str]) -> str:
    """Return the text of a page from its parts, an empty line between two."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(part.rstrip("\n") + "\n" for part in parts if part)).strip() + "\n"


def members(cls: type[Any], what: str = "") -> Iterator[str]:
    """Yield a paragraph for each public property and method of a class; hooks are told elsewhere."""
    for name in dict.fromkeys(name for base in ours(cls) for name in vars(base)):
        member = inspect.getattr_static(cls, name)
        if name.startswith("_") or hasattr(member, f"{PROJECT}_impl"):
            continue
        if isinstance(member, property):
            yield f"`{what or cls.__name__}.{name}`: {paragraphs(member)}"
        elif inspect.isfunction(member):
            arguments = ", ".join([*inspect.signature(member).parameters][1:])
            yield f"`{what or cls.__name__}.{name}({arguments})`: {paragraphs(member)}"


def ours(cls: type[Any]) -> list[type[Any]]:
    """Return a class and those that it inherits from, as far as they are evalyard's own."""
    return [base for base in cls.__mro__ if base.__module__.partition(".")[0] == PROJECT]


def _hooks() -> dict[str, Any]:
    return {name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, "evalyard_spec")}


def records_of_hooks() -> list[type[Any]]:
    """Return what hooks get and return."""
    found = [(module, one) for module in RECORDS for name, one in vars(module).items() if name in evalyard.__all__]
    return [one for module, one in found if isinstance(one, type) and one.__module__ == module.__name__]


def _table() -> Iterator[str]:
    rows = ["| hook | required | does |", "|---|---|---|"]
    for name, hook in _hooks().items():
        arguments = ", ".join(inspect.signature(hook).parameters)
        required = "for extensions" if name in hookspecs.OBSERVED else "yes" if name in hookspecs.REQUIRED else "no"
        first = re.split(r"(?<=[.:;])\s", " ".join((inspect.getdoc(hook) or "").split()), maxsplit=1)[0]
        rows.append(f"| `{name}({arguments})` | {required} | {first.rstrip('.:;')} |")
    yield "\n".join(rows)


def _kit(kit: type[Any]) -> Iterator[str]:
    yield f"### {kit.__name__}\n"
    attributes = (inspect.getdoc(kit) or "").partition("Attributes:\n")[2]
    yield re.sub(r"^ {4}(\w+): ", r"* `\1`: ", re.sub(r"\n {8}", " ", attributes), flags=re.MULTILINE) + "\n"
    yield "What it claims:\n"
    claims = [claim for name, claim in inspect.getmembers(kit) if name.startswith("test_")]
    claims.sort(key=lambda claim: (claim.__module__, claim.__code__.co_firstlineno))
    yield "\n".join(_claim(claim.__name__, inspect.getdoc(claim) or "") for claim in claims)


def _claim(name: str, doc: str) -> str:
    sentence = name.removeprefix("test_").replace("_", " ")
    return f"* {sentence[0].upper()}{sentence[1:]}. {' '.join(doc.split())}".rstrip()


def signature_of(name: str, hook: Any) -> str:
    """Return a function's head, as a caller sees it."""
    signature = inspect.signature(hook)
    arguments = ", ".join(f"{one.name}: {one.annotation}" for one in signature.parameters.values())
    return f"{name}({arguments}) -> {signature.return_annotation}"


def paragraphs(thing: Any) -> str:
    """Return a docstring as Markdown: its sections become lists."""
    lines: list[str] = []
    listed = False
    for line in (inspect.getdoc(thing) or "").splitlines():
        text = line.strip()
        if _SECTION.fullmatch(text):
            listed = True
            lines += [f"{text}", ""]
        elif listed and line.startswith("    ") and not line.startswith("     ") and (entry := _ENTRY.fullmatch(text)):
            lines.append(f"* `{entry['name']}`: {entry['text']}")
        elif listed and text:
            lines.append(f"  {text}")
        else:
            lines.append(text)
    return "\n".join(lines) + "\n"


def fields(cls: type[Any]) -> Iterator[str]:
    """Yield the table of a record's fields, or of an enum's values."""
    told = {name: text for base in reversed(ours(cls)) for name, text in told_in(base).items()}
    if issubclass(cls, Enum):
        rows = ["| value | means |", "|---|---|"]
        rows += [f"| `{member.value}` | {told.get(member.name, '')} |" for member in cls]
    else:
        rows = ["| field | type | default | means |", "|---|---|---|---|"]
        # As they are written: `field.type` may have been resolved by somebody.
        kinds = {name: kind for base in reversed(ours(cls)) for name, kind in inspect.get_annotations(base).items()}
        for field in attrs.fields(cls):
            if field.name.startswith("_"):
                continue
            kind = str(kinds[field.name]).replace("|", "\\|")
            rows.append(f"| `{field.name}` | `{kind}` | {_default(field)} | {told.get(field.name, '')} |")
    yield "\n".join(rows)


def _default(field: attrs.Attribute[Any]) -> str:
    if field.default is attrs.NOTHING:
        return ""
    if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]  # a class at run time
        factory = field.default.factory  # type: ignore[union-attr]
        return "empty" if factory in (dict, list, tuple) else "made"
    if isinstance(field.default, type):
        return f"`{field.default.__name__}`"
    if inspect.isfunction(field.default):
        return "a function"
    if isinstance(field.default, Enum):
        return f"`{field.default.value}`"
    if field.name == "mode":
        return f"`{field.default:#o}`"
    return f"`{field.default!r}`" if field.default not in ("", ()) else "empty"


def told_in(thing: Any) -> dict[str, str]:
    """Return what a class says of its fields, or a module of its names: the text that stands below each."""
    tree: ast.AST = ast.parse(inspect.getsource(thing))
    if isinstance(tree, ast.Module) and isinstance(thing, type):
        tree = tree.body[0]
    assert isinstance(tree, ast.ClassDef | ast.Module)
    told: dict[str, str] = {}
    name = ""
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                continue
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                told[name] = " ".join(text.split()).replace("|", "\\|")
        name = ""
    return told


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
