"""The scripts of a run directory: one job script for every backend and for a person, and its companions.

Pure text from records. What is particular to a task stands at the top of its `run.sh`; the machinery below it is
`job.sh`, the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from evalyard.records import Job, Server
from evalyard.secrets import SECRETS_FILE, quote
from evalyard.specs import EnvVars, ValueSource

SERVER_FOLDER = "deployment"
"""Where a deployment's scripts lie in the run directory."""

REVOKED_FOLDER = ".revoked"
"""Where in the run directory a file named like a mark keeps the script of that mark from beginning."""

DEFAULT_READY_TIMEOUT_S = 600

# A CDPATH of the caller's would lead `cd task` elsewhere.
_TO_OWN_FOLDER = 'CDPATH= cd -- "$(dirname -- "$0")" || exit 1'


def job_script(job: Job, *, program: str | None = None, ready_timeout_s: int = DEFAULT_READY_TIMEOUT_S) -> str:
    """Return `run.sh` of a task.

    Args:
        program: what to run in place of the harness's own text: an executor's `docker run ...`, `srun ...`.
        ready_timeout_s: how long to wait for a served endpoint.
    """
    task, server, endpoint = job.task, job.server, job.endpoint
    exports = {
        "EVALYARD_TASK": task.name,
        "EVALYARD_MODEL_ID": endpoint.model_id or "",
        "EVALYARD_ENDPOINT_TYPE": endpoint.type or "",
        "EVALYARD_API_KEY_NAME": endpoint.api_key_name or "",
    }
    if server is None:
        exports["EVALYARD_ENDPOINT_URL"] = endpoint.url or ""
    lines = [
        "#!/bin/sh",
        f"# {_comment(task.name)}, evalyard job {job.id}.",
        "# Run it again by hand, as often as you like, from any folder:  sh run.sh",
        *_settings(
            title=f"{task.name} ({job.id})",
            log="logs/stdout.log",
            results=job.harness.results.file if job.harness.results else "",
            server="" if server is None else f"../{SERVER_FOLDER}",
            health="" if server is None else server.health_path,
            ready_timeout_s=ready_timeout_s,
        ),
        *_prepare(exports, task.env),
    ]
    if server is not None:
        path = server.paths.get(endpoint.type or "chat", "")
        lines[-1:-1] = [f"  EVALYARD_ENDPOINT_URL=$EVALYARD_BASE_URL{quote(path)}", "  export EVALYARD_ENDPOINT_URL"]
    body = program if program is not None else job.harness.script
    lines += _text_function("program", "What is run.", _program(body, task.pre_cmd))
    lines += _text_function("epilogue", "What is run after it, however it ended.", task.post_cmd or ":")
    return "\n".join(lines) + "\n\n" + _machinery()


def server_script(server: Server, invocation: str, *, host: str = "127.0.0.1") -> str:
    """Return `deployment/run.sh`: the model server as a process, on `$PORT` of `host`."""
    literals = {"HOST": host, "EVALYARD_MODEL_ID": server.model_id, **server.literals}
    lines = [
        "#!/bin/sh",
        f"# The model server of evalyard run {invocation} (recipe {server.recipe}).",
        "# Serve by hand:  PORT=8000 sh run.sh      With a command beside it:  sh with_server.sh COMMAND",
        *_settings(title=f"model server ({invocation})", log="logs/server.log"),
        *_prepare(literals, {}, server.runtime),
    ]
    port = server.port or 8000
    lines[-1:-1] = [f"  PORT=${{PORT:-{port}}}", "  export PORT"]
    lines += _text_function("program", "What is run.", _program(server.script, None))
    lines += _text_function("epilogue", "What is run after it, however it ended.", ":")
    return "\n".join(lines) + "\n\n" + _machinery()


def with_server_script(server: Server) -> str:
    """Return `deployment/with_server.sh COMMAND...`: the server for as long as the command runs, without evalyard."""
    port = str(server.port) if server.port else "$((20000 + $$ % 10000))"
    return _resource("with_server.sh").replace("@PORT@", port)


def run_all_script(folders: Sequence[str], *, served: bool) -> str:
    """Return `run_all.sequential.sh`: every task by hand, one after the other, whatever becomes of each."""
    lines = [
        "#!/bin/sh",
        "# Every task of this run again, one after the other. Exits 1 when one of them failed.",
        _TO_OWN_FOLDER,
    ]
    if served:
        lines += [
            'if [ -z "${EVALYARD_BASE_URL:-}" ]; then',
            f'  exec sh {SERVER_FOLDER}/with_server.sh sh "$(pwd)/run_all.sequential.sh"',
            "fi",
        ]
    lines += ["failed=0", *(f"sh {quote(folder + '/run.sh')} || failed=1" for folder in folders), 'exit "$failed"']
    return "\n".join(lines) + "\n"


def _settings(
    *, title: str, log: str, results: str = "", server: str = "", health: str = "", ready_timeout_s: int = 0
) -> list[str]:
    return [
        "set -u",
        _TO_OWN_FOLDER,
        "",
        f"title={quote(title)}",
        f"log={quote(log)}",
        f"results={quote(results)}   # the file in artifacts/ without which success is none",
        f"server={quote(server)}   # the deployment that serves the model, if one does",
        f"health={quote(health)}",
        f"ready_timeout={ready_timeout_s}   # seconds",
        "",
    ]


def _prepare(literals: Mapping[str, str], env: EnvVars, runtime: Mapping[str, str] | None = None) -> list[str]:
    """Return the function that sets the environment; its last line is the closing brace."""
    values = dict(literals)
    taken_here = dict(runtime or {})
    for name, value in env.items():
        if value.source is ValueSource.LITERAL:
            values[name] = value.text
        elif value.source is ValueSource.RUNTIME:
            taken_here[name] = value.text
    fixed = {"PYTHONUNBUFFERED": "1", "NEMO_EVALUATOR_TELEMETRY_LEVEL": "0"}
    lines = [
        "# The environment; secrets are in .secrets.env and reach only the process that needs them.",
        "prepare() {",
    ]
    lines += [f"  export {name}={quote(value)}" for name, value in (fixed | values).items()]
    for name, source in taken_here.items():
        lines += [
            f'  if [ -z "${{{source}+set}}" ]; then',
            f"    reason='the variable {source} (for {name}) is not set where the job runs'",
            "    code=78",
            "    return 1",
            "  fi",
            f'  export {name}="${source}"',
        ]
    return [*lines, "}"]


def _program(body: str, pre_cmd: str | None) -> str:
    # The trap lets the harness finish flushing after SIGTERM and keeps the shell from going on to a next command.
    lines = ["trap 'exit 143' TERM", f"if [ -f {SECRETS_FILE} ]; then set -a; . ./{SECRETS_FILE}; set +a; fi"]
    if pre_cmd:
        lines += [pre_cmd.rstrip("\n")]
    return "\n".join([*lines, body.rstrip("\n")])


def _text_function(name: str, comment: str, text: str) -> list[str]:
    end = f"END_OF_{name.upper()}"
    while end in text:
        end += "_"
    return ["", f"# {comment}", f"{name}() {{", f"cat <<'{end}'", text, end, "}"]


def _comment(text: str) -> str:
    return " ".join(text.split())


@cache
def _resource(name: str) -> str:
    return files("evalyard.harness").joinpath(name).read_text(encoding="utf-8")


def _machinery() -> str:
    return _resource("job.sh")
