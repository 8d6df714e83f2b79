"""What plugins may rely on, as lines of text: hooks, their arguments, the fields of records, public names.

    python -m tests.core.plugins.api_snapshot

writes them to `api.txt` beside this file. Within one API a line never goes away, and what is added can be left out.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from operator import attrgetter
from pathlib import Path
from typing import Any

import attrs
import pluggy

import evalyard
from evalyard.config import compose
from evalyard.plugins import discovery, hookspecs
from evalyard.plugins.markers import PROJECT
from evalyard.plugins.session import Session
from evalyard.records.connections import Connection
from evalyard.testing import Conformance, Sweep, contract

STORED = Path(__file__).with_name("api.txt")
PROGRAMS = {"run", "status", "RunStatus", "JobStatus"}
"""What `evalyard` has for programs that use it, not for plugins."""
SAID = {
    "auxiliary_servers": (True, attrgetter("starts_auxiliaries")),
    "runs_here": (False, attrgetter("runs_here")),
    "server_key": ("KEY", attrgetter("server_key")),
}
"""What an executor's class may say of itself: a value that is not the default, and where a session has it."""
KIT = {"Conformance": Conformance, "Sweep": Sweep}
_REPLACED = {
    name
    for name in re.findall(r"`(\w+)`", contract.__doc__ or "")
    if inspect.isroutine(getattr(Conformance, name, None))
}
"""Methods of the kit that its authors say to replace."""
_DEMANDS = re.compile(r"(function|method|error|replaced) [\w.]+\(.*\)|(record|attribute) \w+\..*")


def facts() -> list[str]:
    """Return one line for everything that a plugin may rely on."""
    return [
        f"API {evalyard.API}",
        *_entry_points(),
        *_hooks(),
        *_said(),
        *(line for name in evalyard.__all__ for line in _facts_of(name)),
        *(line for name, kit in KIT.items() for line in _kit(name, kit)),
    ]


def stored() -> list[str]:
    """Return the lines as they were written down."""
    return STORED.read_text(encoding="utf-8").splitlines()


def missing(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """Return what plugins relied on and is gone or different; the number of the API itself aside.

    What had to be given and can be left out now is no difference.
    """
    after = {*now}
    return sorted(
        {line for line in before if not line.startswith("API ")} - after - {_without_default(line) for line in after}
    )


def demands(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """Return what was added to something that was there before and that a plugin of before would have to know."""
    old = {*before}
    known = {_owner(line) for line in old}
    added = {line for line in {*now} - old if _without_default(line) not in old}
    return sorted(
        line for line in added if _is_demand(line) and (_owner(line) in known or line.endswith("is required"))
    )


def _without_default(line: str) -> str:
    head, default, _ = line.partition(" = ")
    return head + ")" * (head.count("(") - head.count(")")) if default else line


def _owner(line: str) -> str:
    """Return what a line is about: `record Plan`, `function job_script`, `method Cluster.ask`."""
    kind, name, *_ = re.split(r"[ (:]", line, maxsplit=2)
    return f"{kind} {name.partition('.')[0] if kind in ('record', 'attribute') else name}"


def _is_demand(line: str) -> bool:
    if line.startswith("hook "):
        return line.endswith("is required")  # arguments that an implementation does not name are not handed to it
    # A method that plugins replace does not take what was added, even if it could be left out.
    return bool(_DEMANDS.fullmatch(line)) and (" = " not in line or line.startswith("replaced "))


def _entry_points() -> Iterator[str]:
    told = re.findall(r'entry_points\(group="([\w.]+)"\)', inspect.getsource(compose))
    for group in sorted({*told, discovery.EXECUTORS, discovery.EXPORTERS, discovery.EXTENSIONS}):
        yield f"entry points {group}"


def _hooks() -> Iterator[str]:
    for name, hook in vars(hookspecs).items():
        if not hasattr(hook, "evalyard_spec"):
            continue
        signature = inspect.signature(hook)
        yield from (f"hook {name}({_parameter(one)})" for one in signature.parameters.values())
        yield f"hook {name}() -> {signature.return_annotation}"
        if name in hookspecs.REQUIRED:
            yield f"hook {name} is required"


def _said() -> Iterator[str]:
    for name in ("api", "Settings"):
        if f'"{name}"' in inspect.getsource(discovery):
            yield f"executor {name}"
    for name, (value, ask) in SAID.items():
        default, said = (ask(_session(attributes)) for attributes in ({}, {name: value}))
        if said == value:
            yield f"executor {name} = {default}"


def _session(attributes: Mapping[str, Any]) -> Session:
    return Session(type("Said", (), {**attributes}), Connection(executor="said", address={}))


def _facts_of(name: str) -> Iterator[str]:
    value = getattr(evalyard, name)
    if name in PROGRAMS:
        return
    if isinstance(value, type) and issubclass(value, Enum):
        yield from (f"enum {name}.{member.name} = {member.value}" for member in value)
        yield from _methods(name, value)
    elif isinstance(value, type) and issubclass(value, Exception):
        yield from _error(name, value)
    elif isinstance(value, type):
        yield from _class(name, value)
    elif inspect.isroutine(inspect.unwrap(value)):
        yield from _signature(f"function {name}", inspect.signature(value))
    else:
        yield from _constant(name, value)


def _constant(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, pluggy.HookimplMarker):
        yield f"marker {name} of {value.project_name}"
    elif hasattr(value, "__origin__"):
        yield f"alias {name} = {re.sub(r'[a-z_.]+[.]', '', str(value))}"
    elif callable(value):
        yield from _signature(f"function {name}", inspect.signature(value))
        yield from _methods(name, type(value))
    elif attrs.has(type(value)):
        yield from (f"constant {name}.{key} = {_shown(part)}" for key, part in attrs.asdict(value).items())
    else:
        yield f"constant {name}" if name == "API" else f"constant {name} = {_shown(value)}"


def _error(name: str, cls: type[Exception]) -> Iterator[str]:
    yield f"error {name}"
    yield from (f"error {name} is {base.__name__}" for base in cls.__mro__[1:] if base.__name__ in evalyard.__all__)
    yield from _signature(f"error {name}", inspect.signature(cls))
    yield from (f"error {name}.{key}" for key in vars(cls("")) if not key.startswith("_"))
    told = {key: value for base in reversed(_ours(cls)) for key, value in vars(base).items()}
    for key in inspect.get_annotations(evalyard.EvalyardError):
        yield f"error {name}.{key} = {_shown(told[key])}"


def _class(name: str, cls: type[Any]) -> Iterator[str]:
    # As they are written: `field.type` may have been resolved by somebody.
    kinds = {key: kind for base in reversed(_ours(cls)) for key, kind in inspect.get_annotations(base).items()}
    if attrs.has(cls):
        yield f"record {name}:"
        fields = [field for field in attrs.fields(cls) if field.init and not field.name.startswith("_")]
        for number, field in enumerate(fields, start=1):
            place = "" if field.kw_only else f" (argument {number})"
            yield f"record {name}.{field.name}{place}: {_spelt(kinds[field.name])}{_default(field)}"
    else:
        yield f"class {name}"
    for key, kind in kinds.items():
        if not key.startswith("_") and (_of_the_class(kind) or not attrs.has(cls)):
            yield f"attribute {name}.{key}: {_spelt(kind)}{_value(cls, key, kind)}"
    yield from _methods(name, cls)


def _kit(name: str, cls: type[Any]) -> Iterator[str]:
    yield f"class {name}"
    for base in reversed(_ours(cls)):
        for key, kind in inspect.get_annotations(base).items():
            yield f"attribute {name}.{key}: {_spelt(kind)}" + (" = (its own)" if hasattr(cls, key) else "")
    for key in sorted(_REPLACED):
        if hasattr(cls, key):
            yield from _signature(f"replaced {name}.{key}", _of_method(getattr(cls, key)))


def _methods(name: str, cls: type[Any]) -> Iterator[str]:
    for key in dict.fromkeys(key for base in _ours(cls) for key in vars(base)):
        value = inspect.getattr_static(cls, key)
        if key.startswith("_"):
            continue
        if isinstance(value, property):
            yield f"property {name}.{key}: {inspect.signature(value.fget).return_annotation}"  # type: ignore[arg-type]
        elif isinstance(value, classmethod | staticmethod):
            yield from _signature(f"method {name}.{key}", inspect.signature(getattr(cls, key)))
        elif inspect.isfunction(value):
            # Hooks are called by the names of their arguments; what else an executor inherits, by their number.
            replaced = name == "BatchExecutor" and not hasattr(value, f"{PROJECT}_impl")
            yield from _signature(f"{'replaced' if replaced else 'method'} {name}.{key}", _of_method(value))


def _of_method(method: Any) -> inspect.Signature:
    signature = inspect.signature(method)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _ours(cls: type[Any]) -> list[type[Any]]:
    return [base for base in cls.__mro__ if base.__module__.partition(".")[0] == PROJECT]


def _signature(what: str, signature: inspect.Signature) -> Iterator[str]:
    for number, one in enumerate(signature.parameters.values(), start=1):
        place = "*, " if one.kind is one.KEYWORD_ONLY else "" if one.kind is one.VAR_POSITIONAL else f"{number} "
        yield f"{what}({place}{_parameter(one)})"
    if not what.startswith("error "):
        yield f"{what}() -> {signature.return_annotation}"


def _parameter(parameter: inspect.Parameter) -> str:
    default = "" if parameter.default is parameter.empty else f" = {_shown(parameter.default)}"
    if parameter.kind is parameter.VAR_POSITIONAL:
        return f"*{parameter.name}: {_spelt(parameter.annotation)} = ()"
    return f"{parameter.name}: {_spelt(parameter.annotation)}{default}"


def _shown(default: object) -> str:
    return "(a function)" if inspect.isfunction(default) else repr(default)


def _spelt(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _of_the_class(kind: Any) -> bool:
    return _spelt(kind).startswith("ClassVar")


def _value(cls: type[Any], key: str, kind: Any) -> str:
    if not _of_the_class(kind):
        return " = (made)"
    return f" = {_shown(getattr(cls, key))}" if hasattr(cls, key) else ""


def _default(field: attrs.Attribute[Any]) -> str:
    if field.default is attrs.NOTHING:
        return ""
    if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]  # a class at run time
        return " = (made anew)"
    return f" = {_shown(field.default)}"


if __name__ == "__main__":
    STORED.write_text("".join(f"{line}\n" for line in facts()), encoding="utf-8")
