"""Nodes to specs: the part of the configuration whose shape core declares. Every complaint carries place and path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalyard.config.auxiliary import read_auxiliary
from evalyard.config.deployment import is_served, read_deployment
from evalyard.config.environment import overlay, read_env_vars
from evalyard.config.fields import Fields
from evalyard.config.node import Node, Problems
from evalyard.config.references import check_references
from evalyard.config.sections import read_execution, read_exports, read_sections
from evalyard.config.target import read_endpoint
from evalyard.config.tasks import read_tasks
from evalyard.specs import RunSpec

_KEYS = (
    *("env_vars", "target", "execution", "deployment", "auxiliary_deployments", "evaluation", "export", "extensions"),
    *("catalogue", "user_config_path"),
)


def to_spec(root: Node, source: str, resolved: str, deprecations: Sequence[str], problems: Problems) -> RunSpec:
    """Return the typed form of a resolved configuration. Raises ConfigError with everything in `problems`."""
    top = Fields(root, "", problems, known=_KEYS)
    env = read_env_vars(top.node("env_vars"), "env_vars", problems)
    deployment = read_deployment(top, env, problems)
    endpoint, key_env = read_endpoint(top, problems, served=is_served(top))
    tasks = read_tasks(top, overlay(key_env, env), problems)
    execution, auto_export = read_execution(top, problems)
    exports, export_env = read_exports(top, problems)
    extensions = read_sections(top, "extensions", problems)
    auxiliary = read_auxiliary(top, env, problems)
    check_references(root, auxiliary, problems)
    catalogue = _folders(top, problems)
    problems.raise_if_any()
    return RunSpec(
        source=source,
        tasks=tasks,
        endpoint=endpoint,
        deployment=deployment,
        auxiliary_deployments=auxiliary,
        execution=execution,
        exports=exports,
        export_env=export_env,
        auto_export=auto_export,
        extensions=extensions,
        deprecations=tuple(deprecations),
        catalogue=catalogue,
        resolved=resolved,
    )


def _folders(top: Fields, problems: Problems) -> tuple[str, ...]:
    """Return the folders of `catalogue:`, complaining of each that is none."""
    node = top.node("catalogue")
    folders = node.value if node is not None and isinstance(node.value, list) else []
    found = []
    for index, folder in enumerate(folders):
        if isinstance(folder.value, str) and Path(folder.value).is_dir():
            found.append(folder.value)
        else:
            problems.add(folder.place, f"catalogue[{index}]", "is not a folder with tables tasks.csv and harnesses.csv")
    return tuple(found)
