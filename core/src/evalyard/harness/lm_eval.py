"""EleutherAI's lm-evaluation-harness, run by its own command against the endpoint."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from evalyard.errors import ConfigError
from evalyard.records.programs import Harness
from evalyard.specs import EndpointSpec, ResultFile, ResultFormat, TaskSpec

PROGRAM = "lm_eval"
RESULTS = ResultFile(file="results.json", format=ResultFormat.LM_EVAL)

MODEL_OPTIONS: Mapping[str, str] = {
    "parallelism": "num_concurrent",
    "max_retries": "max_retries",
    "request_timeout": "timeout",
    "tokenizer": "tokenizer",
}
"""Parameter -> `--model_args` of lm-eval."""
GENERATION_OPTIONS: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_new_tokens": "max_gen_toks",
}
"""Parameter -> `--gen_kwargs` of lm-eval."""
FLAGS: Mapping[str, str] = {
    "limit_samples": "--limit",
    "num_fewshot": "--num_fewshot",
    "include_path": "--include_path",
}
"""Parameter -> lm-eval's own flag."""
ARGUMENTS = "args"
"""The parameter whose words are added to lm-eval's command as they are."""

_MODELS: Mapping[str, str] = {
    "chat": "local-chat-completions",
    "completions": "local-completions",
    "completions_logprob": "local-completions",
}

_SCRIPT = """\
found="$EVALYARD_OUTPUT_DIR/lm-eval"
# lm-eval reads the key from this variable, whatever the user's own is called, and would send another one of theirs.
OPENAI_API_KEY=@KEY@
export OPENAI_API_KEY
lm_eval --model @MODEL@ --tasks @TASK@ --output_path "$found" --log_samples \\
  --model_args "model=$EVALYARD_MODEL_ID,base_url=$EVALYARD_ENDPOINT_URL"@MODEL_ARGS@@OPTIONS@ || exit
result=$(find "$found" -name 'results_*.json' | sort | tail -n 1)
if [ -z "$result" ]; then
  echo 'lm_eval left no results_*.json' | tee "$EVALYARD_OUTPUT_DIR/.reason" >&2
  exit 1
fi
cp "$result" "$EVALYARD_OUTPUT_DIR/results.json"
"""


def lm_eval_harness(task: TaskSpec, endpoint: EndpointSpec, *, benchmark: str, package: str) -> Harness:
    """Return the harness of a task that lm-eval runs.

    Args:
        benchmark: what lm-eval calls it: a task, a group or a tag; several with commas between.
        package: what pip installs to have it on this machine.

    Raises:
        ConfigError: lm-eval cannot use this kind of endpoint, or has no such parameter.
    """
    kind = endpoint.type or "chat"
    if kind not in _MODELS:
        raise ConfigError([f"{task.where}: lm-eval uses an endpoint of type {' or '.join(_MODELS)}, not {kind}"])
    given = _parameters(task)
    model = {option: given[name] for name, option in MODEL_OPTIONS.items() if name in given}
    if kind == "completions" and "tokenizer" not in model:
        # Text goes as text. Otherwise it would look for a tokenizer of the model's name on a hub.
        model |= {"tokenizer_backend": "none", "tokenized_requests": "False"}
    options: list[str] = [f"{flag}={given[name]}" for name, flag in FLAGS.items() if name in given]
    generation = [f"{option}={given[name]}" for name, option in GENERATION_OPTIONS.items() if name in given]
    if generation:
        options += ["--gen_kwargs", ",".join(generation)]
    if kind == "chat":
        options.append("--apply_chat_template")
    options += shlex.split(str(given.get(ARGUMENTS, "")))
    key = endpoint.api_key_name
    values = {
        "KEY": f'"${{{key}:-}}"' if key else "none",
        "MODEL": _MODELS[kind],
        "TASK": shlex.quote(benchmark),
        "MODEL_ARGS": "".join(f",{option}={shlex.quote(str(value))}" for option, value in model.items()),
        "OPTIONS": "".join(f" {shlex.quote(word)}" for word in options),
    }
    script = _SCRIPT
    for name, value in values.items():
        script = script.replace(f"@{name}@", value)
    return Harness(name="lm-eval", script=script, results=RESULTS, program=PROGRAM, package=package)


def _parameters(task: TaskSpec) -> dict[str, Any]:
    extra = task.params.get("extra") or {}
    if not isinstance(extra, Mapping):
        raise ConfigError([f"{task.where}: params.extra: must be a mapping"])
    together = {**task.params, **extra}
    given = {name: value for name, value in together.items() if value is not None and name != "extra"}
    known = [*MODEL_OPTIONS, *GENERATION_OPTIONS, *FLAGS, ARGUMENTS]
    problems = [f"{task.where}: {_unknown(name, known)}" for name in given if name not in known]
    folder = str(given.get("include_path", "/"))
    if not PurePosixPath(folder).is_absolute():
        problems.append(f"{task.where}: params.include_path: '{folder}' must be an absolute path")
    if problems:
        raise ConfigError(problems)
    return given


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean '{close[0]}'?" if close else f" (it takes {', '.join(known)})"
    return f"lm-eval has no parameter '{name}'{meant}"
