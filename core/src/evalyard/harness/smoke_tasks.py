"""Tasks of the bundled smoke harness, which travels with the run."""

from __future__ import annotations

import difflib
import shlex

from evalyard.errors import ConfigError
from evalyard.harness.travelling import FIND_PYTHON, HARNESS_FOLDER, package_files
from evalyard.records.programs import Harness
from evalyard.specs import EndpointSpec, TaskSpec

_OPTIONS = {
    "limit_samples": "--limit",
    "parallelism": "--parallelism",
    "temperature": "--temperature",
    "top_p": "--top-p",
    "max_new_tokens": "--max-tokens",
    "max_retries": "--retries",
    "request_timeout": "--timeout",
}


def smoke_harness(task: TaskSpec, endpoint: EndpointSpec) -> Harness:
    """Return how a task of the smoke harness is run.

    Raises:
        ConfigError: it has no such parameter.
    """
    arguments = ["--task", task.name]
    if task.params.get("stream"):
        arguments.append("--stream")
    for name, value in task.params.items():
        if name == "stream" or value is None:
            continue
        if name not in _OPTIONS:
            raise ConfigError([f"{task.where}: {_unknown_parameter(name)}"])
        arguments += [_OPTIONS[name], str(value)]
    if endpoint.api_key_name:
        arguments += ["--api-key-name", endpoint.api_key_name]
    script = "\n".join(
        [
            FIND_PYTHON,
            f'PYTHONPATH="$EVALYARD_JOB_DIR/../{HARNESS_FOLDER}" "$python" -m smoke --url "$EVALYARD_ENDPOINT_URL" \\',
            '  --model "$EVALYARD_MODEL_ID" --type "$EVALYARD_ENDPOINT_TYPE" --output "$EVALYARD_OUTPUT_DIR" \\',
            f"  {shlex.join(arguments)}",
        ]
    )
    travelling = package_files("evalyard.harness", "smoke", f"{HARNESS_FOLDER}/smoke")
    return Harness(name="smoke", script=script, files=travelling, image=task.container)


def _unknown_parameter(name: str) -> str:
    close = difflib.get_close_matches(name, [*_OPTIONS, "stream"], n=1)
    meant = f"; did you mean '{close[0]}'?" if close else f" (it takes {', '.join(_OPTIONS)}, stream)"
    return f"the smoke harness has no parameter '{name}'{meant}"
