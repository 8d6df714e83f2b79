"""From a task to the harness that runs it: which program, with which arguments, leaving which result file."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from evalyard.catalogue.tasks import listed_tasks
from evalyard.errors import ConfigError
from evalyard.records import Harness, PlannedFile
from evalyard.specs import EndpointSpec, TaskSpec

HARNESS_FOLDER = "harness"
"""Where harnesses that travel with the run lie in the run directory."""

FIND_PYTHON = """\
python=
for candidate in "${EVALYARD_PYTHON:-}" python3 python; do
  if command -v "$candidate" >/dev/null 2>&1; then python=$candidate; break; fi
done
if [ -z "$python" ]; then echo 'no python3 on PATH' >&2; exit 127; fi"""
"""sh text that sets `$python` to an interpreter for the programs that travel with a run."""

_SMOKE_OPTIONS = {
    "limit_samples": "--limit",
    "parallelism": "--parallelism",
    "temperature": "--temperature",
    "top_p": "--top-p",
    "max_new_tokens": "--max-tokens",
    "max_retries": "--retries",
    "request_timeout": "--timeout",
}


def harness_for(task: TaskSpec, endpoint: EndpointSpec) -> Harness:
    """Return the harness of a task.

    Raises:
        ConfigError: the catalogue does not list the name and the task brings no command, or a parameter is unknown.
    """
    if task.harness is not None:
        return Harness(name="command", script=task.harness.command, results=task.harness.results)
    known = {entry.name: entry for entry in listed_tasks()}
    if task.name not in known:
        raise ConfigError([f"{_at(task)}: {_unknown(task.name, list(known))}"])
    return _smoke(task, endpoint)


def endpoint_type(task: TaskSpec, endpoint: EndpointSpec) -> str:
    """Return which kind of endpoint a task will use: its own wish, the endpoint's declaration, its URL, else chat."""
    for declared in (task.endpoint_type, endpoint.type):
        if declared:
            return declared
    path = (endpoint.url or "").rstrip("/")
    return "completions" if path.endswith("/completions") and not path.endswith("/chat/completions") else "chat"


def _smoke(task: TaskSpec, endpoint: EndpointSpec) -> Harness:
    arguments = ["--task", task.name]
    if task.params.get("stream"):
        arguments.append("--stream")
    for name, value in task.params.items():
        if name == "stream" or value is None:
            continue
        if name not in _SMOKE_OPTIONS:
            raise ConfigError([f"{_at(task)}: {_unknown_parameter(name)}"])
        arguments += [_SMOKE_OPTIONS[name], str(value)]
    if endpoint.api_key_name:
        arguments += ["--api-key-name", endpoint.api_key_name]
    script = "\n".join(
        [
            FIND_PYTHON,
            f'PYTHONPATH=../{HARNESS_FOLDER} "$python" -m smoke --url "$EVALYARD_ENDPOINT_URL" \\',
            '  --model "$EVALYARD_MODEL_ID" --type "$EVALYARD_ENDPOINT_TYPE" --output "$EVALYARD_OUTPUT_DIR" \\',
            f"  {shlex.join(arguments)}",
        ]
    )
    travelling = package_files("evalyard.harness", "smoke", f"{HARNESS_FOLDER}/smoke")
    return Harness(name="smoke", script=script, files=travelling)


def _at(task: TaskSpec) -> str:
    return task.where or f"task {task.name}"


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean '{close[0]}'?" if close else ""
    own = "a harness of your own: give the task `harness: {command: ...}`"
    return f"no task is called '{name}'{meant} ({own}; what there is: evalyard ls tasks)"


def _unknown_parameter(name: str) -> str:
    close = difflib.get_close_matches(name, [*_SMOKE_OPTIONS, "stream"], n=1)
    meant = f"; did you mean '{close[0]}'?" if close else f" (it takes {', '.join(_SMOKE_OPTIONS)}, stream)"
    return f"the smoke harness has no parameter '{name}'{meant}"


@cache
def package_files(package: str, folder: str, target: str) -> tuple[PlannedFile, ...]:
    """Return the text files of a packaged program as files of the run directory, below `target`."""
    found = _walk(files(package).joinpath(folder), target)
    return tuple(PlannedFile(path=path, text=text) for path, text in sorted(found.items()))


def _walk(folder: Traversable, target: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for item in folder.iterdir():
        if item.is_dir() and item.name != "__pycache__":
            found.update(_walk(item, f"{target}/{item.name}"))
        elif item.is_file() and not item.name.endswith(".pyc"):
            found[f"{target}/{item.name}"] = item.read_text(encoding="utf-8")
    return found
