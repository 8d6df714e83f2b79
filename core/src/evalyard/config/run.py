"""From a file or a text to a RunSpec: compose, interpolate, check, convert."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from evalyard.config.compose import compose
from evalyard.config.convert import to_spec
from evalyard.config.emit import emit
from evalyard.config.fields import Fields
from evalyard.config.interpolate import check_missing, interpolate
from evalyard.config.load import read_text
from evalyard.config.node import Node, Problems
from evalyard.config.sections import read_exports
from evalyard.config.selection import select_tasks
from evalyard.config.spellings import present_whole
from evalyard.errors import ConfigError
from evalyard.specs import EnvVars, RunSpec, Section


def load_run(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    only_tasks: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> RunSpec:
    """Read a configuration file.

    Args:
        path: the YAML file; groups that its `defaults:` names are looked for beside it first.
        overrides: what was given with `-o`, in order.
        only_tasks: keep only these tasks: NAME, or NAME.0 for the first one of that name.
        environ: what `${oc.env:...}` sees; the process environment by default.

    Raises:
        ConfigError: with every problem that was found, each naming its file, line and column.
        UsageError: for a name in `only_tasks` that is not there.
    """
    return load_text(read_text(path), str(path), overrides, only_tasks=only_tasks, environ=environ, folder=path.parent)


def load_text(
    text: str,
    source: str,
    overrides: Sequence[str] = (),
    *,
    only_tasks: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> RunSpec:
    """Read a configuration from memory, such as a stored `RunSpec.resolved`; the rest is as in `load_run`.

    Args:
        text: the YAML.
        source: what messages call it, and the `source` of the result.
        overrides: see `load_run`.
        only_tasks: see `load_run`.
        environ: see `load_run`.
        folder: where groups are looked for first; nowhere by default.
    """
    problems = Problems()
    try:
        composed = compose(text, source, folder, overrides)
        root = select_tasks(composed.root, only_tasks)
        check_missing(root, problems)
        root = interpolate(root, os.environ if environ is None else environ, problems)
        root = _finish(present_whole(root)[0])  # an expression may yield an older spelling
        return to_spec(root, source, "" if problems else emit(root), composed.deprecations, problems)
    except RecursionError as error:
        raise ConfigError([f"{source}: nested too deeply"]) from error


def load_exports(text: str, source: str, overrides: Sequence[str] = ()) -> tuple[tuple[Section, ...], EnvVars]:
    """Read what a configuration says of exports (sections and variables), whatever the rest of it is.

    Raises:
        ConfigError: that part is wrong, or an override cannot be done.
    """
    problems = Problems()
    root = interpolate(compose(text, source, None, overrides).root, os.environ, problems)
    entries = _finish(root).value
    exports = entries.get("export") if isinstance(entries, dict) else None
    top = Fields(Node({"export": exports} if exports else {}, root.place), "", problems, known=("export",))
    check_missing(Node(top.mapping("export"), root.place), problems)
    found = read_exports(top, problems)
    problems.raise_if_any()
    return found


def _finish(root: Node) -> Node:
    """Drop what has done its duty, and make folders independent of the current one."""
    entries = dict(root.value) if isinstance(root.value, dict) else {}
    entries.pop("user_config_path", None)
    execution = entries.get("execution")
    if execution is not None and isinstance(execution.value, dict):
        output = execution.value.get("output_dir")
        if output is not None and isinstance(output.value, int) and not isinstance(output.value, bool):
            output = Node(output.raw or str(output.value), output.place)  # a folder called 2026
        if output is not None:
            entries["execution"] = Node({**execution.value, "output_dir": _absolute(output)}, execution.place)
    exports = entries.get("export")
    if exports is not None and isinstance(exports.value, dict):
        entries["export"] = Node({name: _from_here(node) for name, node in exports.value.items()}, exports.place)
    evaluation = entries.get("evaluation")
    tasks = evaluation.value.get("tasks") if evaluation and isinstance(evaluation.value, dict) else None
    if evaluation is not None and isinstance(evaluation.value, dict) and tasks and isinstance(tasks.value, list):
        settled = Node([_with_data_folder(task) for task in tasks.value], tasks.place)
        entries["evaluation"] = Node({**evaluation.value, "tasks": settled}, evaluation.place)
    catalogue = entries.get("catalogue")
    if catalogue is not None:
        folders = catalogue.value if isinstance(catalogue.value, list) else [catalogue]
        entries["catalogue"] = Node([_absolute(folder) for folder in folders], catalogue.place)
    return Node(entries, root.place)


def _from_here(export: Node) -> Node:
    """Return an exporter's section with its folders absolute: results are exported later, from anywhere."""
    if not isinstance(export.value, dict):
        return export
    entries = dict(export.value)
    if "output_dir" in entries:
        entries["output_dir"] = _absolute(entries["output_dir"])
    folders = entries.get("job_dirs")
    if folders is not None and isinstance(folders.value, list):
        entries["job_dirs"] = Node([_absolute(folder) for folder in folders.value], folders.place)
    return Node(entries, export.place)


def _with_data_folder(task: Node) -> Node:
    if not isinstance(task.value, dict) or "dataset_dir" not in task.value:
        return task
    return Node({**task.value, "dataset_dir": _absolute(task.value["dataset_dir"])}, task.place)


def _absolute(node: Node) -> Node:
    """Return a path made absolute from the current folder; anything that is no path stays for others to complain of."""
    if not isinstance(node.value, str) or not Path(node.value).parts:
        return node
    path = Path(node.value)
    path = path.expanduser() if path.parts[0] == "~" else path
    return Node(str(path.absolute()), node.place)
