"""`evalyard ls tasks` and `evalyard ls task NAME`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from cyclopts import Parameter

from evalyard.catalogue.tasks import ListedTask, catalogue
from evalyard.cli.options import AsJson
from evalyard.cli.render import put, put_json, say, show_table
from evalyard.errors import UsageError

SNIPPET = """\
target:
  api_endpoint:
    url: http://localhost:8000/v1/{path}
    model_id: my-model
evaluation:
  tasks:
    - name: {name}"""
PATHS = {"completions": "completions", "embedding": "embeddings"}


def tasks(
    text: str = "",
    /,
    *,
    harness: Annotated[str, Parameter(help="Only of this harness.", show_default=False)] = "",
    endpoint: Annotated[str, Parameter(help="Only for this type of endpoint: chat, completions, ...")] = "",
    json: AsJson = False,
) -> None:
    """List the benchmarks that a configuration may name.

    Args:
        text: Only those whose name or description holds this.
    """
    listed = catalogue().search(text, harness=harness, endpoint_type=endpoint)
    if json:
        put_json([_json(task) for task in listed])
        return
    rows = [(task.name, task.harness.name, ", ".join(task.endpoint_types), task.description) for task in listed]
    show_table(("task", "harness", "endpoint", "what it is"), rows, {}, to=sys.stdout)
    if not listed:
        say("no task is like that")


def task(name: str, /, *, json: AsJson = False) -> None:
    """Show one benchmark: its harness, image and endpoint types, and YAML to begin with.

    Args:
        name: The name as in a configuration: `ifeval`, or `harness.task`.
    """
    known = catalogue()
    found = known.find(name)
    if found is None:
        raise UsageError(f"no task is called '{name}'{known.closest(name)}", hint="evalyard ls tasks")
    others = [other.full_name for other in known.named(name) if other != found]
    if json:
        put_json(_json(found) | {"also": others})
        return
    harness = found.harness
    for label, value in (
        ("task", found.full_name),
        ("harness", harness.name),
        ("endpoint", ", ".join(found.endpoint_types)),
        ("image", harness.image),
        ("digest", harness.digest),
        ("platforms", harness.architectures),
        ("package", harness.package),
        ("also", ", ".join(others)),
        ("what it is", found.description),
    ):
        if value:
            put(f"{label:<11} {value}")
    put("")
    put(SNIPPET.format(path=PATHS.get(found.endpoint_types[0], "chat/completions"), name=_shortest(found)))


def _shortest(found: ListedTask) -> str:
    """Return the bare name where it means this benchmark, else `harness.task`."""
    return found.name if catalogue().find(found.name) == found else found.full_name


def _json(task: ListedTask) -> dict[str, Any]:
    harness = task.harness
    return {
        "task": task.name,
        "full_name": task.full_name,
        "harness": harness.name,
        "endpoint_types": list(task.endpoint_types),
        "description": task.description,
        "image": harness.image,
        "digest": harness.digest,
        "architectures": harness.architectures,
        "package": harness.package,
    }
