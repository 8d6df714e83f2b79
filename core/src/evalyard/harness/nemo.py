"""nemo-evaluator harnesses: the run configuration that they read, and how they are started.

Images and wheels carry `nemo-evaluator`, the older ones `eval-factory`; both take the same file.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import evalyard
from evalyard.errors import ConfigError
from evalyard.harness.interceptors import adapter_config, lasting_folders
from evalyard.harness.places import BESIDE, INSIDE, Places
from evalyard.harness.smoke.yaml_text import to_yaml
from evalyard.records.files import PlannedFile
from evalyard.records.programs import Harness
from evalyard.specs import EndpointSpec, TaskSpec

RUN_CONFIG = "run_config.yml"
_FILLED = ".run_config.yml"
"""Below the artifacts: it with the addresses that are known only when it starts."""
PROGRAM = "nemo-evaluator"
PARAMETERS = (
    "limit_samples",
    "max_new_tokens",
    "max_retries",
    "parallelism",
    "task",
    "temperature",
    "request_timeout",
    "top_p",
)
"""The parameters that nemo-evaluator knows; all others are the harness's own, `params.extra` there."""

_SCRIPT = """\
nemo=
for candidate in nemo-evaluator eval-factory; do
  if command -v "$candidate" >/dev/null 2>&1; then nemo=$candidate; break; fi
done
if [ -z "$nemo" ]; then
  echo 'neither nemo-evaluator nor eval-factory is on PATH: install what brings this harness, or run its container' |
    tee "$EVALYARD_OUTPUT_DIR/.reason" >&2
  exit 127
fi
# Its adapter looks for a free port from 3825 up. Two that start together find the same one free, and then one of them
# answers for both. No two processes have the same number.
ADAPTER_PORT=${ADAPTER_PORT:-$((10000 + $$ % 20000))}
# Its adapter often outlives the signal to end, and is then waited for: 30 s, which is longer than most leave a job.
NEMO_EVALUATOR_SHUTDOWN_TIMEOUT_SECONDS=${NEMO_EVALUATOR_SHUTDOWN_TIMEOUT_SECONDS:-6}
export ADAPTER_PORT NEMO_EVALUATOR_SHUTDOWN_TIMEOUT_SECONDS
@DATASET@@FILLED@"$nemo" run_eval --run_config @CONFIG@ --output_dir "$EVALYARD_OUTPUT_DIR"@URL@
code=$?
# It exits with 0 when it was stopped, and with 1 when the endpoint refused for good: its markers tell.
if [ -e "$EVALYARD_OUTPUT_DIR/.nemo_evaluator_interrupted" ]; then
  echo 'nemo-evaluator was interrupted' | tee "$EVALYARD_OUTPUT_DIR/.reason" >&2
  exit 143
fi
if [ -e "$EVALYARD_OUTPUT_DIR/.nemo_evaluator_server_error" ]; then
  printf 'the endpoint failed for good: %s\\n' "$(cat "$EVALYARD_OUTPUT_DIR/.nemo_evaluator_server_error")" |
    tee "$EVALYARD_OUTPUT_DIR/.reason" >&2
  if [ "$code" -eq 0 ]; then code=1; fi
fi
exit "$code"
"""


_URL = ' \\\n  --model_url "$EVALYARD_ENDPOINT_URL"'


def nemo_harness(
    task: TaskSpec,
    endpoint: EndpointSpec,
    *,
    benchmark: str,
    image: str | None,
    package: str,
    folder: str,
    places: Places = BESIDE,
    addresses: Sequence[str] = (),
) -> Harness:
    """Return the harness of a task that nemo-evaluator runs.

    Args:
        benchmark: what nemo-evaluator calls it: `task` or `framework.task`.
        image: where it is in a container.
        package: what pip installs to have it on this machine; empty = nothing is known.
        folder: the task's folder in the run directory.
        places: what the folders are called where it runs.
        addresses: variables with URLs that are known only there, and which the configuration may name, as `${NAME}`.

    Raises:
        ConfigError: the adapter's configuration, or a part that others are merged into, is not what it may be.
    """
    config = run_config(task, endpoint, benchmark, places)
    text = to_yaml(config)
    return Harness(
        name="nemo-evaluator",
        script=_script(task, places, [name for name in addresses if f"${{{name}}}" in text]),
        files=(PlannedFile(path=f"{folder}/{RUN_CONFIG}", text=text),),
        image=image,
        program=PROGRAM,
        package=package,
        lasting=lasting_folders(config["target"]["api_endpoint"].get("adapter_config", {}), places),
        keeps_entrypoint=True,
    )


def _script(task: TaskSpec, places: Places, named: Sequence[str]) -> str:
    """Return what starts it, when its configuration names these variables."""
    dataset = task.dataset_mount_path if places is INSIDE else task.dataset_dir
    exported = _export_dataset(dataset) if task.dataset_dir and dataset else ""
    # What is known only when it runs is passed on the command line: a served endpoint's URL, as the folder is. A URL
    # that the task gives to nemo-evaluator itself is its own affair.
    own_url = task.harness_config.get("target", {}).get("api_endpoint", {}).get("url")
    parts = {
        "@DATASET@": exported,
        "@FILLED@": _fill(named),
        "@CONFIG@": f'"$EVALYARD_OUTPUT_DIR/{_FILLED}"' if named else f'"$EVALYARD_JOB_DIR/{RUN_CONFIG}"',
        "@URL@": "" if own_url else _URL,
    }
    script = _SCRIPT
    for mark, part in parts.items():
        script = script.replace(mark, part)
    return script


def run_config(task: TaskSpec, endpoint: EndpointSpec, benchmark: str, places: Places = BESIDE) -> dict[str, Any]:
    """Return nemo-evaluator's run configuration of a task, without what is known only when it starts.

    Raises:
        ConfigError: the adapter's configuration, or a part that others are merged into, is not what it may be.
    """
    ours: dict[str, Any] = {
        "config": {"type": benchmark, "params": parameters(task)},
        "target": {"api_endpoint": _target(endpoint)},
        "metadata": _metadata(task),
    }
    merged = _merged(ours, task.harness_config, task.where)
    target = merged["target"]["api_endpoint"]
    if target.get("adapter_config"):
        target["adapter_config"] = adapter_config(target["adapter_config"], task.where, places)
    return merged


def parameters(task: TaskSpec) -> dict[str, Any]:
    """Return a task's parameters as nemo-evaluator takes them. Raises ConfigError when `extra` is no mapping."""
    given = {name: value for name, value in task.params.items() if value is not None}
    extra = given.pop("extra", {})
    if not isinstance(extra, Mapping):
        raise ConfigError([f"{task.where}: params.extra: must be a mapping"])
    known = {name: value for name, value in given.items() if name in PARAMETERS}
    others = {name: value for name, value in given.items() if name not in PARAMETERS} | dict(extra)
    return known | ({"extra": others} if others else {})


def _target(endpoint: EndpointSpec) -> dict[str, Any]:
    kind = endpoint.type or "chat"
    known = {"url": endpoint.url, "model_id": endpoint.model_id, "api_key_name": endpoint.api_key_name}
    target: dict[str, Any] = {"type": _TYPES.get(kind, kind)}
    target |= {name: value for name, value in known.items() if value}
    if endpoint.adapter_config:
        target["adapter_config"] = dict(endpoint.adapter_config)
    return target


_TYPES = {"vlm": "chat"}
"""Older names of kinds of endpoints."""


def _metadata(task: TaskSpec) -> dict[str, Any]:
    shell = {"pre_cmd": task.pre_cmd, "post_cmd": task.post_cmd}
    versions = {"versioning": {"evalyard": evalyard.__version__}}
    return versions | {name: text for name, text in shell.items() if text}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any], where: str, path: str = "") -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        below = f"{path}.{name}" if path else str(name)
        if isinstance(merged.get(name), Mapping):
            if not isinstance(value, Mapping):
                raise ConfigError([f"{where}: nemo_evaluator_config.{below}: must be a mapping"])
            merged[name] = _merged(merged[name], value, where, below)
        else:
            merged[name] = value
    return merged


def _fill(variables: Sequence[str]) -> str:
    """Return shell text that writes the run configuration with the values of these variables in it."""
    if not variables:
        return ""
    # In what sed puts in, these signs mean something.
    values = [f"s|\\${{{name}}}|$(printf %s \"${name}\" | sed 's/[|&\\]/\\\\&/g')|g" for name in variables]
    words = "".join(f' \\\n  -e "{value}"' for value in values)
    there, filled = f"$EVALYARD_JOB_DIR/{RUN_CONFIG}", f"$EVALYARD_OUTPUT_DIR/{_FILLED}"
    return f'# Where the other model servers answer is known only now.\nsed{words} \\\n  "{there}" >"{filled}"\n'


def _export_dataset(folder: str) -> str:
    return f"export NEMO_EVALUATOR_DATASET_DIR={shlex.quote(folder)}\n"
