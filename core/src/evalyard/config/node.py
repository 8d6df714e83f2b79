"""Configuration data that remembers where each piece of it was written.

Loading, merging, overriding and interpolating all work on `Node` trees, so that a complaint about the final value can
still name the file, line and column, or the `-o`, that it came from.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator

from attrs import define, evolve

from evalyard.errors import ConfigError

Scalar = str | int | float | bool | None
Plain = Scalar | dict[str, "Plain"] | list["Plain"]

Keys = tuple[str | int, ...]
"""From the root to a node: keys of mappings, indices of lists."""

MISSING = "???"
"""A value that somebody has yet to set."""

MAX_PROBLEMS = 20
"""How many problems one error lists; more would scroll the first, which usually explains the rest, off the screen."""


@define
class Node:
    """A value and the place that wrote it: `file:line:column`, or `-o key=value`."""

    value: Scalar | dict[str, Node] | list[Node]
    place: str
    raw: str | None = None
    """The text of a number, boolean or null as it was written (`007`, `1e3`); None for everything else."""


class Problems:
    """Collects what is wrong, so that a reader sees all of it at once."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}
        self._settled: list[str] = []

    def add(self, place: str, path: str, text: str) -> None:
        """Note one problem, unless one at, above or below the same key path was noted with `settle`."""
        if not any(_related(path, settled) for settled in self._settled):
            self._lines[": ".join(part for part in (place, path, text) if part)] = None

    def settle(self, place: str, path: str, text: str) -> None:
        """Note a problem that makes every later complaint about the same value pointless."""
        self.add(place, path, text)
        self._settled.append(path)

    def __bool__(self) -> bool:
        return bool(self._lines)

    def raise_if_any(self) -> None:
        """Raise ConfigError with everything noted so far, if anything was."""
        if not self._lines:
            return
        lines = list(self._lines)
        if len(lines) > MAX_PROBLEMS:
            lines = [*lines[: MAX_PROBLEMS - 1], f"... and {len(lines) - MAX_PROBLEMS + 1} more problems"]
        raise ConfigError(lines)


def _related(one: str, other: str) -> bool:
    return one == other or one.startswith((f"{other}.", f"{other}[")) or other.startswith((f"{one}.", f"{one}["))


def show(keys: Keys) -> str:
    """Return keys as a path for a reader: `evaluation.tasks[0].name`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def join_path(path: str, key: str) -> str:
    """Return the key path of `key` below `path`."""
    return f"{path}.{key}" if path else key


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def kind(value: object) -> str:
    """Return what a reader would call this value: `a mapping`, `a list`, `nothing`, or the value itself."""
    match value:
        case Node():
            return kind(value.value)
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case str() if len(value) > 60:
            return repr(value[:57] + "...")
        case _:
            return repr(value)


def plain(node: Node) -> Plain:
    """Return the data without its places."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [plain(child) for child in value]
    return value


def with_place(data: Plain, place: str) -> Node:
    """Return plain data as nodes that all have the same place."""
    if isinstance(data, dict):
        return Node({key: with_place(child, place) for key, child in data.items()}, place)
    if isinstance(data, list):
        return Node([with_place(child, place) for child in data], place)
    return Node(data, place)


def copy(node: Node) -> Node:
    """Return a tree that shares nothing changeable with this one."""
    value = node.value
    if isinstance(value, dict):
        value = {key: copy(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [copy(child) for child in value]
    return evolve(node, value=value)


def merge(base: Node, over: Node) -> Node:
    """Lay `over` on `base`: mappings merge key by key, all else is replaced, and `???` never replaces a value."""
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        merged = dict(base.value)
        for key, child in over.value.items():
            merged[key] = merge(merged[key], child) if key in merged else child
        return Node(merged, over.place)
    return base if over.value == MISSING and base.value != MISSING else over


def walk(node: Node, keys: Keys = ()) -> Iterator[tuple[Keys, Node]]:
    """Yield every node with its keys, parents first."""
    yield keys, node
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from walk(child, (*keys, key))
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield from walk(child, (*keys, index))


def transform(node: Node, change: Callable[[Keys, Node], Node], keys: Keys = ()) -> Node:
    """Return the tree with every scalar replaced by `change(keys, scalar)`."""
    if isinstance(node.value, dict):
        entries = {key: transform(child, change, (*keys, key)) for key, child in node.value.items()}
        return Node(entries, node.place)
    if isinstance(node.value, list):
        items = [transform(child, change, (*keys, index)) for index, child in enumerate(node.value)]
        return Node(items, node.place)
    return change(keys, node)
