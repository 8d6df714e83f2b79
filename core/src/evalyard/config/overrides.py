"""`-o a.b=c`: changes that a command line makes to a configuration.

    a.b=c   +a.b=c   ++a.b=c        set (mappings are merged, lists replaced); the three mean the same
    ~a.b    ~a.b=c                  remove; with a value, only that value
    group=option                    another option of a `defaults:` group, such as deployment=none
    evaluation.tasks[0].name=c      or evaluation.tasks.0.name=c, or by name: evaluation.tasks.<name>.endpoint_type=c
    config.params.x=c               a parameter for every task

Values: null, true, false, numbers, 'quoted' or "quoted" texts, [a, b], {k: v}; anything else is a text as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from evalyard.config.flow import parse_value
from evalyard.config.load import MAX_DEPTH, is_writable
from evalyard.config.node import Node, Plain, Problems, did_you_mean, kind, merge, plain, with_place

TASKS = ("evaluation", "tasks")
_EVERY_TASK = ("config", "params")
_PARAMS_HOME = "nemo_evaluator_config"
_SEGMENT = re.compile(
    r"""\.?(?:\[(?P<index>\d+)\]|\[?(?P<quote>["'])(?P<quoted>.*?)(?P=quote)\]?|(?P<bare>[^.\[\]"']+))"""
)
_OPTION = re.compile(r"[\w-]+(/[\w-]+)*")


@frozen(kw_only=True)
class Override:
    """One `-o`, taken apart."""

    text: str
    keys: tuple[str, ...]
    """List indices are keys of digits."""
    remove: bool = False
    value: Plain = None
    raw: str | None = None
    """The value as it was typed; None without `=`."""

    @property
    def path(self) -> str:
        """The key path, for messages."""
        return ".".join(self.keys)

    @property
    def place(self) -> str:
        """What messages say instead of a file and line. An environment value may be a secret and is left out."""
        return f"-o {self.path}" if "env_vars" in self.keys else f"-o {self.text}"


def parse_override(text: str, problems: Problems) -> Override | None:
    """Take one `-o` apart; what cannot be understood is added to `problems` and returned as None."""
    key, equals, raw = text.partition("=")
    key = key.strip()
    remove = key.startswith("~")
    key = key[1:] if remove else key.removeprefix("++").removeprefix("+")
    keys = _split(key)
    if not keys or len(keys) > MAX_DEPTH:
        problems.add("", f"-o {key}", "not of the form key.path=value")
        return None
    if not is_writable(text):
        problems.add("", f"-o {'.'.join(keys)}", "holds a character that no text file or command can hold")
        return None
    if not equals and not remove:
        problems.add("", f"-o {text}", f"no value; write {text}=VALUE")
        return None
    if not equals:
        return Override(text=text, keys=keys, remove=True)
    return Override(text=text, keys=keys, remove=remove, value=parse_value(raw), raw=raw)


def as_group(override: Override, is_group: bool) -> tuple[str, str | None] | None:
    """Return (group, option) if this chooses the option of a group; the option None removes the group."""
    if len(override.keys) != 1 or not is_group:
        return None
    if override.remove:
        return override.keys[0], None
    option = "none" if override.value is None else override.value
    if isinstance(option, str) and _OPTION.fullmatch(option):
        return override.keys[0], option
    return None


def apply(root: Node, overrides: Sequence[Override], problems: Problems) -> None:
    """Change `root` in place, in order; what cannot be done is added to `problems`."""
    for override in overrides:
        if override.keys[:2] == _EVERY_TASK:
            _set_for_every_task(root, override, problems)
            continue
        for keys in _targets(root, override, problems):
            if override.remove:
                _remove(root, keys, override, problems)
            else:
                _set(root, keys, override, problems)


def _split(key: str) -> tuple[str, ...]:
    keys: list[str] = []
    position = 0
    while position < len(key):
        match = _SEGMENT.match(key, position)
        if match is None or (match.start() == 0 and key.startswith((".", "["))):
            return ()
        keys.append(match["index"] or match["quoted"] or match["bare"] or "")
        position = match.end()
    return tuple(part.strip() for part in keys) if all(part.strip() for part in keys) else ()


def _targets(root: Node, override: Override, problems: Problems) -> list[tuple[str, ...]]:
    """Return the key paths that an override means: `evaluation.tasks.<name>` may be several tasks."""
    keys = override.keys
    if keys[:2] != TASKS or len(keys) == 2 or keys[2].isdigit():
        return [keys]
    tasks = _items(root)
    names = [task_name(task) for task in tasks]
    # A task name may hold dots (harness.task): the longest run of keys that names a task is the name.
    for end in range(len(keys), 2, -1):
        name = ".".join(keys[2:end])
        found = [(*TASKS, str(index), *keys[end:]) for index, known in enumerate(names) if known == name]
        if found:
            return found
    known = ", ".join(dict.fromkeys(name for name in names if name)) or "none"
    problems.add("", override.place, f"no task is called {keys[2]!r}; the tasks are: {known}")
    return []


def _items(root: Node) -> list[Node]:
    node: Node | None = root
    for key in TASKS:
        node = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
    return node.value if node is not None and isinstance(node.value, list) else []


def task_name(task: Node) -> str | None:
    """Return the name of an entry of `evaluation.tasks`, which is a text or a mapping with a `name`."""
    value = task.value
    if isinstance(value, dict):
        value = value["name"].value if "name" in value else None
    return value if isinstance(value, str) else None


def _set_for_every_task(root: Node, override: Override, problems: Problems) -> None:
    home = (_PARAMS_HOME, *override.keys)
    change = _remove if override.remove else _set
    for index, task in enumerate(_items(root)):
        # A task's own value would win over the evaluation-wide one, and the command line is to win over both.
        if _find(task, home) is not None:
            change(root, (*TASKS, str(index), *home), override, problems)
    if not override.remove or _find(root, ("evaluation", *home)) is not None:
        change(root, ("evaluation", *home), override, problems)


def _find(node: Node | None, keys: Sequence[str]) -> Node | None:
    for key in keys:
        if node is None:
            return None
        if isinstance(node.value, dict):
            node = node.value.get(key)
        elif isinstance(node.value, list) and key.isdigit() and int(key) < len(node.value):
            node = node.value[int(key)]
        else:
            return None
    return node


def _set(root: Node, keys: Sequence[str], override: Override, problems: Problems) -> None:
    parent = root
    for depth, key in enumerate(keys):
        here = ".".join(keys[:depth])
        last = depth == len(keys) - 1
        _open(parent, is_task=tuple(keys[: depth - 1]) == TASKS and depth == len(TASKS) + 1)
        if isinstance(parent.value, list):
            child = _item(parent, key, here, override, problems)
            if child is None:
                return
            if last:
                parent.value[int(key)] = merge(child, _value_node(override))
            parent = child
        elif isinstance(parent.value, dict):
            if last:
                new = _value_node(override)
                parent.value[key] = merge(parent.value[key], new) if key in parent.value else new
                return
            parent = parent.value.setdefault(key, Node({}, override.place))
        else:
            problems.add("", override.place, f"{here} is {kind(parent)} and has no keys")
            return


def _open(node: Node, *, is_task: bool) -> None:
    """Make a mapping of what stands for one: nothing, or a task that is only its name."""
    if node.value is None:
        node.value, node.raw = {}, None
    elif is_task and isinstance(node.value, str):
        node.value = {"name": Node(node.value, node.place)}


def _item(parent: Node, key: str, here: str, override: Override, problems: Problems) -> Node | None:
    items = parent.value if isinstance(parent.value, list) else []
    if key.isdigit() and int(key) < len(items):
        return items[int(key)]
    has = f"items 0 to {len(items) - 1}" if items else "no items"
    problems.add("", override.place, f"{here} is a list and has {has}, not {key!r}")
    return None


def _remove(root: Node, keys: Sequence[str], override: Override, problems: Problems) -> None:
    parent, node = _find(root, keys[:-1]), _find(root, keys)
    if parent is None or node is None:
        known = parent.value if parent is not None and isinstance(parent.value, dict) else ()
        problems.add("", override.place, f"nothing to remove{did_you_mean(keys[-1], known)}")
    elif override.raw is not None and plain(node) != override.value:
        problems.add("", override.place, f"not removed: its value is {kind(node)}")
    elif isinstance(parent.value, dict):
        del parent.value[keys[-1]]
    elif isinstance(parent.value, list):
        del parent.value[int(keys[-1])]


def _value_node(override: Override) -> Node:
    node = with_place(override.value, override.place)
    if override.value is None or isinstance(override.value, bool | int | float):
        node.raw = override.raw
    return node
