"""A configuration file in the current spelling: comments, order and quotes stay, all else stays as well.

ruamel.yaml's round trip keeps the file's looks; `spellings` says what to change. The result is proven before it is
returned: it means what the old text means, holds no older spelling, and has lost no comment.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from evalyard.config.load import parse
from evalyard.config.node import Keys, Node, Plain, plain
from evalyard.config.spellings import (
    Edit,
    older_groups,
    older_overrides,
    older_places,
    older_values,
    rewritten,
)
from evalyard.errors import ConfigError

_SECTION = re.compile(r"[\w\"'-]+:")
_COMMENT = re.compile(r"(?:^|\s)#.*$", re.MULTILINE)


@frozen(kw_only=True)
class Migration:
    """A text in the current spelling."""

    text: str
    changes: tuple[str, ...]
    """What was changed, each as `old -> new`; empty = the text is as it was."""


def migrate(text: str, source: str, folder: Path) -> Migration:
    """Rewrite a configuration's older spellings.

    Args:
        text: the YAML.
        source: what messages call it.
        folder: where it lies: groups beside it may have names that look older.

    Raises:
        ConfigError: it is no YAML that evalyard reads, or cannot be rewritten without loss.
    """

    def has_group(name: str) -> bool:
        return any((folder / f"{name}{suffix}").is_file() for suffix in (".yaml", ".yml"))

    finders: Sequence[Callable[[Node], list[Edit]]] = (
        lambda root: older_groups(root, has_group),
        older_overrides,
        older_places,
        older_values,
    )
    wanted = parse(text, source)
    new, changes = text, []
    for find in finders:
        wanted, edits = rewritten(wanted, find(wanted))
        if edits:
            new = _rewrite(new, edits)
            changes += [edit.words for edit in edits]
    if changes:
        new = _with_lost_comments(text, new)
        _prove(text, new, wanted, source, finders)
    return Migration(text=new, changes=tuple(changes))


def _rewrite(text: str, edits: Sequence[Edit]) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.util import load_yaml_guess_indent

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 2**20
    _, indent, offset = load_yaml_guess_indent(text)
    yaml.indent(mapping=_step(text), sequence=indent or 2, offset=offset or 0)
    root = yaml.load(text)
    for edit in edits:
        _make(root, edit)
    written = io.StringIO()
    yaml.dump(root, written)
    return written.getvalue()


def _step(text: str) -> int:
    """Return by how much the first indented key is indented."""
    match = re.search(r"^[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n(?:[ \t]*(?:#[^\n]*)?\n)*( +)[^\s#-]", text, re.MULTILINE)
    return len(match[1]) if match else 2


def _make(root: Any, edit: Edit) -> None:
    parent = _at(root, edit.old[:-1])
    key = edit.old[-1]
    if parent is None or key not in parent:
        return  # an alias of what another edit has changed already
    if edit.text is not None:
        parent[key] = _like(parent[key], edit.text)
        return
    index = list(parent).index(key)
    comment = parent.ca.items.pop(key, None)
    value = parent.pop(key)
    if edit.new is None:
        _drop_if_empty(root, edit.old[:-1])
        return
    home, last = _room(root, edit, parent, index)
    if last in home:
        home[last] = _merged(home[last], value)
    else:
        home[last] = value
    if comment is not None:
        home.ca.items.setdefault(last, comment)
    _drop_if_empty(root, edit.old[:-1])


def _room(root: Any, edit: Edit, parent: Any, index: int) -> tuple[Any, Any]:
    """Return the mapping that takes the value, making those on the way where the older key stood."""
    from ruamel.yaml.comments import CommentedMap

    new = edit.new or ()
    home = root
    for depth, key in enumerate(new[:-1]):
        if isinstance(key, str) and home.get(key) is None:
            made = CommentedMap()
            at = _position(home, parent, edit.old, new[:depth], index)
            if key in home:
                home[key] = made
            else:
                home.insert(at, key, made)
        home = home[key]
    return home, new[-1]


def _position(home: Any, parent: Any, old: Keys, at: Keys, index: int) -> int:
    """Return where a new key goes: to the older one's place, if that is or was in the same mapping; else to the end."""
    if home is parent:
        return index
    if old[: len(at)] == at and len(old) > len(at) and old[len(at)] in home:
        return list(home).index(old[len(at)])
    return len(home)


def _merged(there: Any, value: Any) -> Any:
    """Return `there` with what only `value` has."""
    if isinstance(there, dict) and isinstance(value, dict):
        for key, child in value.items():
            there[key] = _merged(there[key], child) if key in there else child
    return there if there is not None else value


def _drop_if_empty(root: Any, keys: Keys) -> None:
    while len(keys) > 1 and isinstance(keys[-1], str):
        parent = _at(root, keys[:-1])
        if parent is None or parent.get(keys[-1]):
            return
        parent.pop(keys[-1], None)
        keys = keys[:-1]


def _at(root: Any, keys: Keys) -> Any:
    for key in keys:
        try:
            root = root[key]
        except (KeyError, IndexError, TypeError):
            return None
    return root


def _like(old: Any, text: str) -> Any:
    """Return a text in the quotes of the one that it replaces."""
    return type(old)(text) if isinstance(old, str) and type(old) is not str and not hasattr(old, "fold_pos") else text


def _with_lost_comments(old: str, new: str) -> str:
    """Return the new text with the comments of lines that are gone, above the section in which they stood."""
    lost = _comments(old) - _comments(new)
    section, homes = "", []
    for line in old.splitlines():
        match = _SECTION.match(line)
        section = match[0] if match else section
        found = _COMMENT.search(line)
        comment = found[0].strip() if found else ""
        if lost[comment] > 0:
            lost[comment] -= 1
            homes.append((section, comment))
    lines = new.splitlines(keepends=True)
    for section, comment in reversed(homes):
        at = next((index for index, line in enumerate(lines) if section and line.startswith(section)), 0)
        lines.insert(at, f"{comment}\n")
    return "".join(lines)


def _prove(old: str, new: str, wanted: Node, source: str, finders: Sequence[Callable[[Node], list[Edit]]]) -> None:
    try:
        root = parse(new, source)
    except ConfigError as error:
        raise _cannot(source, "the result would be no YAML") from error
    if _normal(plain(root)) != _normal(plain(wanted)):
        raise _cannot(source, "the result would mean something else")
    if any(rewritten(root, find(root))[1] for find in finders):
        raise _cannot(source, "the result would still hold older spellings")
    lost = _comments(old) - _comments(new)
    if lost:
        raise _cannot(source, f"the comment {next(iter(lost))!r} would be lost")


def _cannot(source: str, why: str) -> ConfigError:
    return ConfigError([f"{source}: cannot be rewritten: {why}"], hint="it still runs as it is; nothing was written")


def _comments(text: str) -> Counter[str]:
    return Counter(match.strip() for match in _COMMENT.findall(text))


def _normal(data: Plain) -> Plain:
    """Return data in which a section without entries and no section are the same."""
    if isinstance(data, dict):
        return {key: _normal(child) for key, child in data.items()}
    return [_normal(child) for child in data] if isinstance(data, list) else data
