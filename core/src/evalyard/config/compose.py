"""One configuration out of its file, the groups that its `defaults:` names, and the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import define, field, frozen

from evalyard.config import auxiliary, deployment
from evalyard.config.load import parse, read_text
from evalyard.config.node import Node, Problems, copy, merge
from evalyard.config.overrides import Override, apply, as_group, parse_override
from evalyard.config.spellings import Edit, present_file, present_whole

SECTIONS_WITH_TYPE = frozenset({"execution", "deployment"})
"""Groups whose options need no file: `execution: local` alone means `type: local`."""

_SUFFIXES = (".yaml", ".yml")
_ROOT_PACKAGE = re.compile(r"^\s*#\s*@package\s+_global_\s*$", re.MULTILINE)
_PACKAGE = re.compile(r"auxiliary_deployments\.[^.\s]+")
"""The sections that start from another section's group, as in `deployment/vllm@auxiliary_deployments.judge`."""
_MAX_DEPTH = 10
_SELF = "_self_"


@frozen(kw_only=True)
class Composed:
    """One configuration, merged and in the current spelling, not yet interpolated."""

    root: Node
    deprecations: tuple[str, ...]
    """Older spellings that its files hold, each as `old -> new`."""


@frozen(kw_only=True)
class _Default:
    """One entry of a `defaults:` list."""

    group: str
    """Empty for another file of the same folder."""
    option: str
    place: str
    optional: bool = False
    package: str = ""
    """The key path that its content goes to; empty = the group's own."""

    def chooses(self, group: str) -> bool:
        """Whether it is what a group's own section starts from."""
        return self.group == group and not self.package


@define
class _Search:
    """The folders that hold group files; those of plugins are looked up only when the others lack a group."""

    folder: Path | None
    _folders: list[Path] | None = field(default=None, init=False)

    def find(self, relative: str) -> Path | None:
        for folder in self._walk():
            for suffix in _SUFFIXES:
                path = folder / f"{relative}{suffix}"
                if path.is_file():
                    return path
        return None

    def options(self, group: str) -> list[str]:
        found: set[str] = set()
        for folder in self._walk():
            top = folder / group
            if top.is_dir():
                paths = (path for path in top.rglob("*") if path.suffix in _SUFFIXES)
                found.update(path.relative_to(top).with_suffix("").as_posix() for path in paths)
        return sorted(found)

    def _walk(self) -> Iterator[Path]:
        if self.folder is not None:
            yield self.folder
        yield Path(__file__).with_name("groups")
        if self._folders is None:
            self._folders = data_folders()
        yield from self._folders


def data_folders() -> list[Path]:
    """Return the folders that installed packages declare in the entry-point group `evalyard.data`.

    The value is `package.subfolder`. Only the package's place on disk is asked for: none of its code runs.
    """
    from importlib.machinery import PathFinder
    from importlib.metadata import entry_points

    folders = []
    for point in sorted(entry_points(group="evalyard.data"), key=lambda point: (point.name, point.value)):
        package, *rest = point.value.split(".")
        spec = PathFinder.find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            folder = Path(location).joinpath(*rest)
            if folder.is_dir():
                folders.append(folder)
    return folders


def compose(text: str, source: str, folder: Path | None, override_texts: Sequence[str]) -> Composed:
    """Return the merged configuration. Raises ConfigError with every problem found.

    Args:
        text: the configuration's YAML.
        source: what messages call it.
        folder: where its own groups are looked for.
        override_texts: what was given with `-o`, in order.
    """
    problems = Problems()
    parsed = [parse_override(override, problems) for override in override_texts]
    composer = _Composer(_Search(folder), problems)
    root = composer.primary(parse(text, source), [override for override in parsed if override is not None])
    problems.raise_if_any()
    words = dict.fromkeys(edit.words for edit in composer.edits if not edit.by_override)
    return Composed(root=root, deprecations=tuple(words))


class _Composer:
    def __init__(self, search: _Search, problems: Problems) -> None:
        self._search = search
        self._problems = problems
        self.edits: list[Edit] = []
        """How older spellings were read."""

    def primary(self, root: Node, overrides: Sequence[Override]) -> Node:
        root = self._present(root)
        entries = self._entries(root)
        groups = SECTIONS_WITH_TYPE | {entry.group for entry in entries if entry.group}
        chosen: dict[str, tuple[str | None, str]] = {}
        others: list[Override] = []
        for override in overrides:
            choice = as_group(override, override.path in groups or self._is_group(override))
            if choice is None or (choice[1] is None and not any(entry.chooses(choice[0]) for entry in entries)):
                others.append(override)
            else:
                chosen[choice[0]] = (choice[1], override.place)
        for group, (option, place) in chosen.items():
            entries = _choose(entries, group, option, place)
            if option is not None:
                root = self._make_room(root, group, option)
        # Aliases and merges share nodes; overrides change them in place.
        root = copy(self._compose(root, entries, "", 0))
        apply(root, others, self._problems)
        root, edits = present_whole(root)
        self.edits += edits
        return auxiliary.laid_on_defaults(deployment.laid_on_defaults(root))

    def _present(self, root: Node) -> Node:
        root, edits = present_file(root, lambda relative: self._search.find(relative) is not None)
        self.edits += edits
        return root

    def _is_group(self, override: Override) -> bool:
        return override.path.isidentifier() and bool(self._search.options(override.path))

    def _make_room(self, root: Node, group: str, option: str) -> Node:
        """Drop a section that the file wrote out for another type, save for where its results go."""
        section = root.value.get(group) if isinstance(root.value, dict) else None
        if section is None or not isinstance(root.value, dict):
            return root
        entries = section.value if isinstance(section.value, dict) else {}
        written = entries.get("type")
        if entries and option != "none" and (written is None or written.value == option.partition("/")[0]):
            return root
        kept = {key: node for key, node in entries.items() if group == "execution" and key == "output_dir"}
        return Node({**root.value, group: Node(kept, section.place)}, root.place)

    def _entries(self, root: Node) -> list[_Default]:
        """Return the entries of `defaults:`, with `_self_` among them."""
        node = root.value.get("defaults") if isinstance(root.value, dict) else None
        entries: list[_Default] = []
        if node is not None and node.value is not None:
            if not isinstance(node.value, list):
                self._problems.add(node.place, "defaults", "must be a list, such as `- execution: local`")
            else:
                for index, item in enumerate(node.value):
                    entries += self._entry(item, f"defaults[{index}]")
        if not any(entry.option == _SELF for entry in entries):
            entries.append(_Default(group="", option=_SELF, place=root.place))
        return entries

    def _entry(self, item: Node, path: str) -> list[_Default]:
        if isinstance(item.value, str):
            whole, at, package = item.value.partition("@")
            group, _, name = whole.rpartition("/") if at else ("", "", whole)
            if at and not (group and _PACKAGE.fullmatch(package)):
                say = f"{item.value!r}: write group/option@auxiliary_deployments.NAME"
                self._problems.add(item.place, path, say)
                return []
            return [_Default(group=group, option=name, place=item.place, package=package)]
        if not isinstance(item.value, dict) or len(item.value) != 1:
            self._problems.add(item.place, path, "must be one `group: option` or `_self_`")
            return []
        ((key, option),) = item.value.items()
        words = key.split()
        group, at, package = (words[-1] if words else "").partition("@")
        if not set(words[:-1]) <= {"override", "optional"} or not group or (at and not _PACKAGE.fullmatch(package)):
            self._problems.add(item.place, path, f"{key!r} is not the name of a group")
            return []
        if option.value is None:
            return []
        if not isinstance(option.value, str):
            self._problems.add(item.place, path, f"the option of {group} must be a name")
            return []
        optional = "optional" in words
        return [_Default(group=group, option=option.value, place=item.place, optional=optional, package=package)]

    def _compose(self, root: Node, entries: Sequence[_Default], folder: str, depth: int) -> Node:
        """Merge a file with what its `defaults:` names.

        Args:
            root: what the file holds.
            entries: its `defaults:`.
            folder: the group file's folder below the folder of groups; empty for a whole configuration.
            depth: how many files name one another on the way here.
        """
        own = dict(root.value) if isinstance(root.value, dict) else {}
        own.pop("defaults", None)
        merged = Node({}, root.place)
        for entry in entries:
            if entry.option == _SELF and not entry.group:
                merged = merge(merged, Node(own, root.place))
            elif depth >= _MAX_DEPTH:
                self._problems.add(entry.place, "", f"defaults nested more than {_MAX_DEPTH} deep; a circle?")
                break
            else:
                part = self._part(entry, folder, depth)
                merged = merge(merged, part) if part is not None else merged
        return merged

    def _part(self, entry: _Default, folder: str, depth: int) -> Node | None:
        """Return what one entry contributes to the file that names it."""
        if entry.group and folder:
            say = "the defaults of a group's file may only name files beside it, as in `- base`"
            self._problems.add(entry.place, "", say)
            return None
        group, option = entry.group.strip("/"), entry.option.strip("/")
        relative = "/".join(part for part in (folder, group, option) if part)
        if ".." in relative.split("/"):
            self._problems.add(entry.place, "", f"{relative!r} leads out of the folder of groups")
            return None
        path = self._search.find(relative)
        if path is None:
            return self._without_file(entry, group, option)
        text = read_text(path)
        loaded = parse(text, str(path))
        in_root = not group and not folder
        if in_root:
            loaded = self._present(loaded)
        own_folder = "" if in_root else relative.rpartition("/")[0]
        content = self._compose(loaded, self._entries(loaded), own_folder, depth + 1)
        if not group or _ROOT_PACKAGE.search(text[:2000]):
            return content
        return self._present(_below(entry, content))

    def _without_file(self, entry: _Default, group: str, option: str) -> Node | None:
        kind, _, rest = option.partition("/")
        options = self._search.options(group) if group else []
        alternatives = [known for known in options if known.startswith(f"{kind}/")]
        if group in SECTIONS_WITH_TYPE and rest in {"", "default"} and not alternatives:
            return _below(entry, Node({"type": Node(kind, entry.place)}, entry.place))
        if entry.optional:
            return None
        have = f"there are: {', '.join(options)}" if options else "no folder of groups has one"
        name = f"{group}: {option}" if group else option
        self._problems.add(entry.place, "", f"no file for `{name}` of defaults; {have}")
        return None


def _below(entry: _Default, content: Node) -> Node:
    """Return the content of a group's file at its place in the whole configuration."""
    keys = entry.package.split(".") if entry.package else entry.group.strip("/").split("/")
    for key in reversed(keys):
        content = Node({key: content}, content.place)
    return content


def _choose(entries: Sequence[_Default], group: str, option: str | None, place: str) -> list[_Default]:
    if option is None:
        return [entry for entry in entries if not entry.chooses(group)]
    new = _Default(group=group, option=option, place=place)
    if any(entry.chooses(group) for entry in entries):
        return [new if entry.chooses(group) else entry for entry in entries]
    return [new, *entries]
