"""Which tasks of a configuration `-t` keeps."""

from __future__ import annotations

from collections.abc import Sequence

from evalyard.config.node import Node
from evalyard.config.overrides import task_name
from evalyard.errors import UsageError


def select_tasks(root: Node, wanted: Sequence[str]) -> Node:
    """Return the configuration with only the tasks that `-t` names: NAME, or NAME.0 for the first one of that name.

    Raises UsageError for a name that is not there.
    """
    evaluation = root.value.get("evaluation") if isinstance(root.value, dict) else None
    tasks = evaluation.value.get("tasks") if evaluation is not None and isinstance(evaluation.value, dict) else None
    if not wanted or evaluation is None or tasks is None or not isinstance(tasks.value, list):
        return root
    labels: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    for task in tasks.value:
        name = task_name(task) or ""
        labels.append((name, f"{name}.{seen.get(name, 0)}"))
        seen[name] = seen.get(name, 0) + 1
    names = {name for name, _ in labels}
    unknown = [text for text in wanted if text not in names and text not in {label for _, label in labels}]
    if unknown:
        known = [label if seen[name] > 1 else name for name, label in labels if name]
        listed = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
        raise UsageError(
            f"no task is called {', '.join(repr(text) for text in unknown)}", hint=f"the tasks are: {listed}"
        )
    kept = [
        task
        for task, (name, label) in zip(tasks.value, labels, strict=True)
        if name in wanted or (label in wanted and label not in names)
    ]
    kept_tasks = Node({**_entries(evaluation), "tasks": Node(list(kept), tasks.place)}, evaluation.place)
    return Node({**_entries(root), "evaluation": kept_tasks}, root.place)


def _entries(node: Node) -> dict[str, Node]:
    return node.value if isinstance(node.value, dict) else {}
