"""Older spellings of the language: what they are called now, and how a tree is brought to the present.

    overrides: {config.params.x: 1}             nemo_evaluator_config: {config: {params: {x: 1}}}
    execution.env_vars: {evaluation: {A: ...}}  evaluation.env_vars: {A: ...}; so for deployment and export
    execution.auto_export: [mlflow]             execution.auto_export: {destinations: [mlflow]}
    $host:NAME, $lit:text, $runtime:NAME        without the `$`
    NAME as the value of a variable             host:NAME
    defaults: [execution: slurm]                defaults: [execution: slurm/default]

Where both spellings set the same value the newer one wins, unless the older one came by `-o`: that is the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from attrs import frozen

from evalyard.config.environment import current_spelling
from evalyard.config.node import Keys, Node, copy, merge, show
from evalyard.specs import ValueSource

OLDER_GROUPS = {"execution": ("slurm", "lepton")}
"""Options that are now called `<option>/default`."""

_PARAMETERS_NOW = "nemo_evaluator_config"
_MAX_SEGMENTS = 20
_SECTIONS_OF_VARIABLES = ("deployment", "evaluation", "export")


@frozen(kw_only=True)
class Edit:
    """One value that stands elsewhere, or is written otherwise, today."""

    old: Keys
    new: Keys | None
    """Where it belongs; None = nowhere, it means nothing."""
    text: str | None = None
    """What the value is written as now; None = as before."""
    by_override: bool = False
    """Whether the value came by `-o`."""
    words: str
    """`old -> new`, for a reader; never with the value of a variable."""


def present_file(root: Node, has_group: Callable[[str], bool]) -> tuple[Node, list[Edit]]:
    """Bring to the present what has to be before files are merged: there, a newer file wins over an older one.

    Args:
        root: the content of one file, at its place in the whole configuration.
        has_group: whether there is a file for a `group/option`.
    """
    return rewritten(root, [*older_overrides(root), *older_groups(root, has_group)])


def present_whole(root: Node) -> tuple[Node, list[Edit]]:
    """Bring a merged configuration to the present, overrides included."""
    done: list[Edit] = []
    for find in (older_overrides, older_places, older_values):
        root, edits = rewritten(root, find(root))
        done += edits
    return root, done


def older_overrides(root: Node) -> list[Edit]:
    """Find `overrides` of the evaluation and of tasks."""
    found: list[Edit] = []
    for keys in _levels_of_parameters(root):
        node = at(root, (*keys, "overrides"))
        if node is None or not (node.value is None or isinstance(node.value, dict)):
            continue
        old = (*keys, "overrides")
        if not node.value:
            new = (*keys, _PARAMETERS_NOW)
            found.append(Edit(old=old, new=None, words=f"{show(old)} -> {show(new)}"))
        for key, child in (node.value or {}).items():
            segments = key.split(".")
            if all(segments) and len(segments) <= _MAX_SEGMENTS:
                found.append(_move((*old, key), (*keys, _PARAMETERS_NOW, *segments), child))
    return found


def older_places(root: Node) -> list[Edit]:
    """Find values of `execution` that now belong elsewhere."""
    found: list[Edit] = []
    for section in _SECTIONS_OF_VARIABLES:
        old: Keys = ("execution", "env_vars", section)
        node = at(root, old)
        if node is None or not (node.value is None or isinstance(node.value, dict)):
            continue
        new: Keys = (section, "env_vars")
        if node.value and (section != "deployment" or _has_deployment(root)):
            found.append(_move(old, new, node))
        else:
            found.append(Edit(old=old, new=None, words=f"{show(old)} -> {show(new)}"))
    variables = at(root, ("execution", "env_vars"))
    if variables is not None and not variables.value:
        found.append(Edit(old=("execution", "env_vars"), new=None, words="execution.env_vars -> evaluation.env_vars"))
    exported = at(root, ("execution", "auto_export"))
    if exported is not None and isinstance(exported.value, list):
        old = ("execution", "auto_export")
        found.append(_move(old, (*old, "destinations"), exported))
    return found


def older_values(root: Node) -> list[Edit]:
    """Find values of environment variables in an older form."""
    found = []
    for keys in _places_of_variables(root):
        node = at(root, keys)
        for name, child in (node.value if node is not None and isinstance(node.value, dict) else {}).items():
            text = current_spelling(child.value) if isinstance(child.value, str) else None
            if text is None:
                continue
            kind = text.partition(":")[0]
            was = f"${kind}:" if str(child.value).startswith("$") else "a name alone"
            now = f"{kind}:NAME" if kind != ValueSource.LITERAL else f"{kind}:text"
            at_path = show((*keys, name))
            by_override = child.place.startswith("-o ")
            words = f"{at_path}: {was} -> {now}"
            found.append(Edit(old=(*keys, name), new=(*keys, name), text=text, by_override=by_override, words=words))
    return found


def older_groups(root: Node, has_group: Callable[[str], bool]) -> list[Edit]:
    """Find options of groups in `defaults:` that have another name now, and no file of the older one."""
    found = []
    node = at(root, ("defaults",))
    for index, item in enumerate(node.value if node is not None and isinstance(node.value, list) else ()):
        for key, child in (item.value if isinstance(item.value, dict) else {}).items():
            group = key.split()[-1] if key.split() else ""
            option = child.value
            if option in OLDER_GROUPS.get(group, ()) and not has_group(f"{group}/{option}"):
                keys: Keys = ("defaults", index, key)
                words = f"defaults: {group}: {option} -> {group}: {option}/default"
                found.append(Edit(old=keys, new=keys, text=f"{option}/default", words=words))
    return found


def rewritten(root: Node, edits: Sequence[Edit]) -> tuple[Node, list[Edit]]:
    """Return the tree with these edits made, and those that could be made; the given tree stays as it is."""
    if not edits:
        return root, []
    root = copy(root)
    return root, [edit for edit in edits if _make(root, edit)]


def at(root: Node, keys: Keys) -> Node | None:
    """Return the node at these keys, None where there is none."""
    node: Node | None = root
    for key in keys:
        if node is None:
            return None
        if isinstance(key, str):
            node = _entries(node).get(key)
        else:
            node = _items(node)[key] if key < len(_items(node)) else None
    return node


def _make(root: Node, edit: Edit) -> bool:
    """Make an edit in place; return whether that was possible."""
    node, parent = at(root, edit.old), at(root, edit.old[:-1])
    if node is None or parent is None or not isinstance(parent.value, dict):
        return False
    if edit.text is not None:
        node.value, node.raw = edit.text, None
        return True
    if edit.new is not None and not _can_take(root, edit):
        return False
    shared = _shared(edit)
    entries = {} if edit.new is None else _entries(at(root, shared))
    order = list(entries)
    del parent.value[str(edit.old[-1])]
    _prune(root, edit.old[:-1])
    if edit.new is None:
        return True
    home, place = root, node.place
    for key in edit.new[:-1]:
        below = _entries(home).get(str(key)) if isinstance(key, str) else _items(home)[key]
        if below is None or below.value is None:
            below = Node({}, place)
            _entries(home)[str(key)] = below
        home = below
    last = str(edit.new[-1])
    there = _entries(home).get(last)
    if there is None:
        _entries(home)[last] = node
    else:
        _entries(home)[last] = merge(there, node) if edit.by_override else merge(node, there)
    _restore_order(_entries(at(root, shared)), order, str(edit.old[len(shared)]), str(edit.new[len(shared)]))
    return True


def _can_take(root: Node, edit: Edit) -> bool:
    """Return whether nothing but mappings stands on the way to the new place."""
    new = edit.new or ()
    for depth in range(1, len(new)):
        node = at(root, new[:depth])
        if node is not None and new[:depth] == edit.old:
            return True
        if node is not None and node.value is not None and not isinstance(node.value, dict | list):
            return False
        if node is not None and isinstance(node.value, list) and isinstance(new[depth], str):
            return False
    return True


def _shared(edit: Edit) -> Keys:
    """Return the keys of the innermost mapping that both places are in."""
    new = edit.new or ()
    depth = 0
    while depth < min(len(edit.old), len(new)) - 1 and edit.old[depth] == new[depth]:
        depth += 1
    return edit.old[:depth]


def _restore_order(entries: dict[str, Node], order: list[str], old: str, new: str) -> None:
    """Let a key that is new here stand where the older one stood."""
    if new in order or new not in entries or old in entries:
        return
    for key in [new if key == old else key for key in order]:
        entries[key] = entries.pop(key)


def _prune(root: Node, keys: Keys) -> None:
    """Remove what an edit left empty, up to the section."""
    while len(keys) > 1 and isinstance(keys[-1], str):
        node, parent = at(root, keys), at(root, keys[:-1])
        if node is None or node.value or parent is None or not isinstance(parent.value, dict):
            return
        del parent.value[keys[-1]]
        keys = keys[:-1]


def _entries(node: Node | None) -> dict[str, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _items(node: Node) -> list[Node]:
    return node.value if isinstance(node.value, list) else []


def _move(old: Keys, new: Keys, node: Node) -> Edit:
    by_override = node.place.startswith("-o ")
    return Edit(old=old, new=new, by_override=by_override, words=f"{show(old)} -> {show(new)}")


def _has_deployment(root: Node) -> bool:
    """Return whether a server is asked for: a file alone may leave that to a group of its `defaults:`."""
    node, defaults = at(root, ("deployment",)), at(root, ("defaults",))
    if node is not None and node.value is not None:
        return isinstance(node.value, dict)
    entries = (_entries(item) for item in _items(defaults)) if defaults is not None else ()
    return any(key.split()[-1:] == ["deployment"] for item in entries for key in item)


def _tasks(root: Node) -> Iterator[Keys]:
    tasks = at(root, ("evaluation", "tasks"))
    yield from (("evaluation", "tasks", index) for index, _ in enumerate(_items(tasks) if tasks else ()))


def _levels_of_parameters(root: Node) -> Iterator[Keys]:
    yield ("evaluation",)
    yield from _tasks(root)


def _places_of_variables(root: Node) -> Iterator[Keys]:
    yield ("env_vars",)
    yield from ((section, "env_vars") for section in _SECTIONS_OF_VARIABLES)
    yield from ((*keys, "env_vars") for keys in _tasks(root))
    others = at(root, ("auxiliary_deployments",))
    yield from (("auxiliary_deployments", name, "env_vars") for name in _entries(others))
