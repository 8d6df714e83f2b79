"""YAML text to nodes. Strict where YAML is treacherous: no tags, no duplicate keys, no keys but texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalyard.config import scalars
from evalyard.config.node import Node, Problems, copy
from evalyard.errors import ConfigError

MAX_BYTES = 8 * 2**20
MAX_DEPTH = 60
MAX_NODES = 200_000
"""Of the tree with its aliases written out, so that a small file cannot swell to gigabytes."""

_MERGE_KEY = "<<"
_HARMLESS_TAGS = frozenset({"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file. Raises ConfigError when it cannot be read or is something else."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    if len(data) > MAX_BYTES:
        raise ConfigError([f"{path}: larger than {MAX_BYTES // 2**20} MiB; is this a configuration?"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start)
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1)
        raise ConfigError([f"{path}:{line + 1}:{column + 1}: not UTF-8 text"]) from error


def load(path: Path) -> Node:
    """Return the mapping in a YAML file. Raises ConfigError naming every problem's file, line and column."""
    return parse(read_text(path), str(path))


def parse(text: str, source: str) -> Node:
    """Return the mapping in a YAML text; `source` is what messages call it. Raises ConfigError."""
    composer = _Composer(_events(text, source), source)
    root = composer.document()
    composer.problems.raise_if_any()
    if root is None or (root.value is None and root.raw is None):
        raise ConfigError([f"{source}: empty"])
    if not isinstance(root.value, dict):
        raise ConfigError([f"{root.place}: not a mapping of keys such as `evaluation:` at the top level"])
    return root


def _events(text: str, source: str) -> Iterator[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise ConfigError([f"{where}: {_complaint(error, text)}"]) from error
    except Exception as error:
        # Any bytes meet a third party's parser here, which also fails with OverflowError and the like.
        where = source
        position = getattr(error, "position", None)
        if isinstance(position, int):
            line_start = text.rfind("\n", 0, position) + 1
            where = f"{source}:{text.count(chr(10), 0, position) + 1}:{position - line_start + 1}"
        reason = getattr(error, "reason", None) or "not readable as YAML"
        raise ConfigError([f"{where}: {reason}"]) from error


def _complaint(error: Any, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    if mark is not None:
        lines = text.splitlines()
        line = lines[mark.line] if mark.line < len(lines) else ""
        if "\t" in line[: len(line) - len(line.lstrip())] or line[mark.column : mark.column + 1] == "\t":
            return "a tab where YAML wants spaces"
    problem = str(error.problem or error.context or "not readable as YAML")
    if error.problem and error.context and error.context_mark is not None:
        return f"{problem} ({error.context} from line {error.context_mark.line + 1})"
    return problem


class _Composer:
    """Builds nodes from parser events."""

    def __init__(self, events: Iterator[Any], source: str) -> None:
        self.problems = Problems()
        self._events = events
        self._source = source
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._nodes = 0

    def document(self) -> Node | None:
        root = None
        for event in self._events:
            match type(event).__name__:
                case "StreamStartEvent" | "DocumentStartEvent" | "DocumentEndEvent" | "StreamEndEvent":
                    continue
            if root is not None:
                raise ConfigError([f"{self._place(event)}: a second document; one file holds one configuration"])
            root = self._node(event, 0)
        return root

    def _place(self, event: Any) -> str:
        mark = event.start_mark
        return f"{self._source}:{mark.line + 1}:{mark.column + 1}"

    def _count(self, event: Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise ConfigError([f"{self._place(event)}: more than {MAX_NODES} values when aliases are written out"])

    def _too_deep(self, event: Any) -> ConfigError:
        return ConfigError([f"{self._place(event)}: nested more than {MAX_DEPTH} levels deep"])

    def _node(self, event: Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._too_deep(event)
        name = type(event).__name__
        if name == "AliasEvent":
            return self._alias(event, depth)
        before = self._nodes
        self._count(event, 1)
        if event.ctag is not None and str(event.ctag) not in _HARMLESS_TAGS:
            self.problems.add(self._place(event), "", f"the tag {_short_tag(event.ctag)} is not supported")
        match name:
            case "ScalarEvent":
                node = self._scalar(event)
            case "SequenceStartEvent":
                node = self._sequence(event, depth)
            case _:
                node = self._mapping(event, depth)
        if event.anchor is not None:
            # Only now: an alias inside its own anchor is an unknown one, so there are no cycles.
            self._anchors[event.anchor] = (node, self._nodes - before)
        return node

    def _alias(self, event: Any, depth: int) -> Node:
        if event.anchor not in self._anchors:
            raise ConfigError([f"{self._place(event)}: the alias *{event.anchor} has no anchor before it"])
        node, nodes = self._anchors[event.anchor]
        self._count(event, nodes)
        if depth + _height(node) > MAX_DEPTH:
            raise self._too_deep(event)
        return copy(node)

    def _scalar(self, event: Any) -> Node:
        place = self._place(event)
        if not is_writable(event.value):
            self.problems.add(place, "", "holds a character that no text file or command can hold")
        if event.style or event.ctag is not None:
            return Node(event.value, place)
        if event.value in {"", "~"}:
            return Node(None, place, event.value or None)
        value = scalars.resolve(event.value)
        return Node(value, place, None if isinstance(value, str) else event.value)

    def _sequence(self, event: Any, depth: int) -> Node:
        items: list[Node] = []
        node = Node(items, self._place(event))
        for item in self._events:
            if type(item).__name__ == "SequenceEndEvent":
                break
            items.append(self._node(item, depth + 1))
            items[-1].place = self._place(item)
        return node

    def _mapping(self, event: Any, depth: int) -> Node:
        entries: dict[str, Node] = {}
        inherited: list[dict[str, Node]] = []
        for key_event in self._events:
            if type(key_event).__name__ == "MappingEndEvent":
                break
            place = self._place(key_event)
            key = self._key(key_event, depth)
            value = self._node(next(self._events), depth + 1)
            if key == _MERGE_KEY and not key_event.style:
                inherited += self._merged(value, place)
            elif key is not None and key in entries:
                self.problems.add(place, "", f"the key {key!r} is here twice; first at {entries[key].place}")
            elif key is not None:
                value.place = place
                entries[key] = value
        for source in inherited:
            for key, value in source.items():
                entries.setdefault(key, value)
        return Node(entries, self._place(event))

    def _key(self, event: Any, depth: int) -> str | None:
        node = self._node(event, depth + 1)
        if isinstance(node.value, str):
            return node.value
        what = "a list or mapping" if isinstance(node.value, list | dict) else (node.raw or "nothing")
        hint = "" if isinstance(node.value, list | dict) else "; put it in quotes"
        self.problems.add(self._place(event), "", f"a key must be a text, not {what}{hint}")
        return None

    def _merged(self, value: Node, place: str) -> list[dict[str, Node]]:
        sources = value.value if isinstance(value.value, list) else [value]
        mappings = [source.value for source in sources if isinstance(source.value, dict)]
        if len(mappings) < len(sources):
            self.problems.add(place, "", "`<<` takes a mapping or a list of mappings")
        return mappings


def is_writable(text: str) -> bool:
    """Return whether a text can be written as UTF-8 and given to a command: no NUL, no half of a surrogate pair."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text))


def _height(node: Node) -> int:
    if isinstance(node.value, dict):
        return 1 + max((_height(child) for child in node.value.values()), default=0)
    if isinstance(node.value, list):
        return 1 + max((_height(child) for child in node.value), default=0)
    return 0


def _short_tag(tag: Any) -> str:
    return str(tag).replace("tag:yaml.org,2002:", "!!")
