"""The scripts of a run directory: one job script for every backend and for a person, and its companions.

Pure text from records. What is particular to a task stands at the top of its `run.sh`; the machinery below it is
`job.sh`, the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from evalyard.harness.shell import machinery, program_functions, resource, text_functions
from evalyard.records.jobs import Job
from evalyard.records.programs import Server
from evalyard.secrets import quote
from evalyard.specs import EnvVars, ValueSource

REVOKED_FOLDER = ".revoked"
"""Where in the run directory a file named like a mark keeps the script of that mark from beginning."""

DEFAULT_READY_TIMEOUT_S = 600
"""How long a job waits for each of its model servers, in seconds."""

_FIXED: Mapping[str, str] = {"PYTHONUNBUFFERED": "1", "NEMO_EVALUATOR_TELEMETRY_LEVEL": "0"}
"""What every harness and server sees, unless the configuration says otherwise."""

# A CDPATH of the caller's would lead `cd task` elsewhere.
_TO_OWN_FOLDER = 'CDPATH= cd -- "$(dirname -- "$0")" || exit 1'


def job_script(
    job: Job,
    *,
    program: str | None = None,
    start: str | None = None,
    asks: Callable[[Server], str] = lambda _: "",
    ready_timeout_s: int = DEFAULT_READY_TIMEOUT_S,
) -> str:
    """Return `run.sh` of a task.

    Args:
        program: what to run in place of the harness's own text, with the same secrets, pre_cmd and post_cmd around it.
        start: what starts the harness somewhere else, such as `docker run ...`: secrets, pre_cmd and post_cmd are then
            that place's business (see `inside_script`).
        asks: gives the command that runs another one where a model server can be asked for its health (`docker exec
            "$SERVER"`); empty = here.
        ready_timeout_s: how long to wait for a served endpoint.
    """
    task, server, endpoint = job.task, job.server, job.endpoint
    harness = job.harness if start is None else job.contained
    lines = [
        "#!/bin/sh",
        f"# {_comment(task.name)}, evalyard job {job.id}.",
        "# Run it again by hand, as often as you like, from any folder:  sh run.sh",
        *_settings(
            title=f"{task.name} ({job.id})",
            log="logs/stdout.log",
            results=harness.results.file if harness.results else "",
            servers=[_server_line(one, asks(one)) for one in job.servers],
            ready_timeout_s=ready_timeout_s,
        ),
        *_prepare({**_exports(job), **_models(job.auxiliary)}, task.env, urls=_urls(job.auxiliary)),
    ]
    if server is not None:
        path = server.paths.get(endpoint.type or "chat", "")
        lines[-1:-1] = [f"  EVALYARD_ENDPOINT_URL=$EVALYARD_BASE_URL{quote(path)}", "  export EVALYARD_ENDPOINT_URL"]
    if start is None:
        lines += program_functions(program if program is not None else harness.script, task.pre_cmd, task.post_cmd)
    else:
        lines += text_functions(start, ":")
    return "\n".join(lines) + "\n\n" + machinery("job.sh")


def job_variables(job: Job) -> tuple[str, ...]:
    """Return the names of the variables that `run.sh` sets for the harness, sorted; secrets are not among them."""
    given = [name for name, value in job.task.env.items() if value.source is not ValueSource.HOST]
    of_others = {*_urls(job.auxiliary), *_models(job.auxiliary)}
    return tuple(sorted({*_FIXED, *_exports(job), "EVALYARD_ENDPOINT_URL", *of_others, *given}))


def server_variables(server: Server) -> tuple[str, ...]:
    """Return the names of the variables that the server's `run.sh` sets for it, sorted; no secrets."""
    return tuple(sorted({*_FIXED, *_server_exports(server, ""), "PORT", *server.runtime}))


def server_script(server: Server, invocation: str, *, host: str = "127.0.0.1", start: str | None = None) -> str:
    """Return `run.sh` of a model server's folder: it serves on `$PORT` of `host`.

    Args:
        start: what starts it somewhere else, as for `job_script`.
    """
    literals = _server_exports(server, host, elsewhere=start is not None)
    lines = [
        "#!/bin/sh",
        f"# {_described(server, invocation)}.",
        "# Serve by hand:  PORT=8000 sh run.sh      With a command beside it:  sh with_server.sh COMMAND",
        *_settings(title=f"{server.title.removeprefix('the ')} ({invocation})", log="logs/server.log"),
        *_prepare(literals, {}, server.runtime),
    ]
    port = server.port or 8000
    lines[-1:-1] = [f"  PORT=${{PORT:-{port}}}", "  export PORT"]
    lines += text_functions(start, ":") if start is not None else program_functions(server.script)
    return "\n".join(lines) + "\n\n" + machinery("job.sh")


def server_step_script(server: Server, invocation: str, *, host: str, start: str | None = None) -> str:
    """Return `deployment/serve.sh`: the model server and no record of it, on `$PORT` of `host`.

    For a backend that starts it inside of its own jobs, on one machine or several, and that watches and ends it there.
    Whoever starts it sets PORT and EVALYARD_OUTPUT_DIR.

    Args:
        start: what starts it somewhere else, as for `job_script`.
    """
    lines = [
        "#!/bin/sh",
        f"# The model server of evalyard run {invocation} (recipe {server.recipe}), for as long as this runs.",
        "set -u",
        _TO_OWN_FOLDER,
        "",
        *_prepare(_server_exports(server, host, elsewhere=start is not None), {}, server.runtime),
        *(text_functions(start, ":") if start is not None else program_functions(server.script)),
        "",
        "EVALYARD_JOB_DIR=$(pwd)",
        "export EVALYARD_JOB_DIR",
        "reason='' code=1",
        'if ! prepare; then echo "$reason"; exit "$code"; fi',
        'exec sh -c "$(program)"',
    ]
    return "\n".join(lines) + "\n"


def with_server_script(server: Server, *, host: str = "127.0.0.1", before: str = "", after: str = "") -> str:
    """Return `deployment/with_server.sh COMMAND...`: the server for as long as the command runs, without evalyard.

    Args:
        host: by what name the command reaches the server.
        before: shell text that goes first, such as what makes a network; whole lines.
        after: shell text that goes last.
    """
    port = str(server.port) if server.port else "$((20000 + $$ % 10000))"
    text = resource("with_server.sh").replace("@VARIABLE@", server.variables)
    text = text.replace("@PORT@", port).replace("@HOST@", host)
    return text.replace("@BEFORE@", before).replace("@AFTER@", after)


def run_all_script(folders: Sequence[str], servers: Sequence[Server] = ()) -> str:
    """Return `run_all.sequential.sh`: every task by hand, one after the other, whatever becomes of each.

    Args:
        folders: those of the tasks.
        servers: the model servers that they use; all tasks ask the same ones.
    """
    lines = [
        "#!/bin/sh",
        "# Every task of this run again, one after the other. Exits 1 when one of them failed.",
        _TO_OWN_FOLDER,
    ]
    for server in servers:
        lines += [
            f'if [ -z "${{{server.variable("BASE_URL")}:-}}" ]; then',
            f'  exec sh {server.folder}/with_server.sh sh "$(pwd)/run_all.sequential.sh"',
            "fi",
        ]
    lines += ["failed=0", *(f"sh {quote(folder + '/run.sh')} || failed=1" for folder in folders), 'exit "$failed"']
    return "\n".join(lines) + "\n"


def _settings(
    *,
    title: str,
    log: str,
    results: str = "",
    servers: Sequence[str] = (),
    ready_timeout_s: int = 0,
) -> list[str]:
    return [
        "set -u",
        _TO_OWN_FOLDER,
        "",
        f"title={quote(title)}",
        f"log={quote(log)}",
        f"results={quote(results)}   # the file in artifacts/ without which success is none",
        "# Each model server that it uses: what its variables begin with, folder, health, name, what asks there.",
        f"servers={quote(chr(10).join(servers))}",
        f"ready_timeout={ready_timeout_s}   # seconds",
        "",
    ]


def _server_line(server: Server, asks: str) -> str:
    return f"{server.variables} ../{server.folder} {server.health_path} {server.name or '-'} {asks}".rstrip()


def _described(server: Server, invocation: str) -> str:
    return f"{server.title.capitalize()} of evalyard run {invocation} (recipe {server.recipe})"


def _models(servers: Iterable[Server]) -> dict[str, str]:
    return {f"{server.env_prefix}_MODEL_ID": server.model_id for server in servers}


def _urls(servers: Iterable[Server]) -> dict[str, str]:
    """Return the variables with the URLs of further servers -> shell text of their values."""
    return {
        name: f"${server.variable('BASE_URL')}{quote(path)}"
        for server in servers
        for name, path in server.url_variables.items()
    }


def _exports(job: Job) -> dict[str, str]:
    endpoint = job.endpoint
    exports = {
        "EVALYARD_TASK": job.task.name,
        "EVALYARD_MODEL_ID": endpoint.model_id or "",
        "EVALYARD_ENDPOINT_TYPE": endpoint.type or "",
        "EVALYARD_API_KEY_NAME": endpoint.api_key_name or "",
    }
    return exports if job.server else {**exports, "EVALYARD_ENDPOINT_URL": endpoint.url or ""}


def _server_exports(server: Server, host: str, *, elsewhere: bool = False) -> dict[str, str]:
    mounts = [mount for mount in server.mounts if mount.variable]
    folders = {mount.variable: mount.target if elsewhere else mount.source for mount in mounts}
    return {"HOST": host, "EVALYARD_MODEL_ID": server.model_id, **folders, **server.literals}


def _prepare(
    literals: Mapping[str, str],
    env: EnvVars,
    runtime: Mapping[str, str] | None = None,
    urls: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the function that sets the environment; its last line is the closing brace.

    Args:
        runtime: variables that are taken from the environment where this runs.
        urls: what is known only there, as shell text; the values of others may name it, as `${NAME}`.
    """
    urls = urls or {}
    values = dict(literals)
    taken_here = dict(runtime or {})
    for name, value in env.items():
        if value.source is ValueSource.LITERAL:
            values[name] = value.text
        elif value.source is ValueSource.RUNTIME:
            taken_here[name] = value.text
    lines = [
        "# The environment; secrets are in .secrets.env and reach only the process that needs them.",
        "prepare() {",
    ]
    for name, url in urls.items():
        lines += [f"  {name}={url}", f"  export {name}"]
    lines += [f"  export {name}={_quoted_around(urls, value)}" for name, value in {**_FIXED, **values}.items()]
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


def _quoted_around(variables: Iterable[str], text: str) -> str:
    """Return a text for sh that is taken literally, save for `${NAME}` of these variables."""
    names = "|".join(map(re.escape, variables))
    if not names or not text:
        return quote(text)
    parts = re.split(rf"\$\{{({names})\}}", text)
    return "".join(f'"${{{part}}}"' if number % 2 else quote(part) for number, part in enumerate(parts) if part)


def _comment(text: str) -> str:
    return " ".join(text.split())
