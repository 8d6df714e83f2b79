"""Shell text that all scripts of a run directory have: the functions that print what is run, and the machinery."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from evalyard.secrets import SECRETS_FILE


def program_functions(body: str, pre_cmd: str | None = None, post_cmd: str | None = None) -> list[str]:
    """Return the functions that print what is run, and what is run after it."""
    secrets = f'"$EVALYARD_JOB_DIR/{SECRETS_FILE}"'
    # The trap lets the harness finish flushing after SIGTERM and keeps the shell from going on to a next command.
    lines = ["trap 'exit 143' TERM", f"if [ -f {secrets} ]; then set -a; . {secrets}; set +a; fi"]
    if pre_cmd:
        lines += [pre_cmd.rstrip("\n")]
    return text_functions("\n".join([*lines, body.rstrip("\n")]), post_cmd or ":")


def text_functions(program: str, epilogue: str) -> list[str]:
    """Return the same functions with texts that stay as they are."""
    return [
        *_text_function("program", "What is run.", program),
        *_text_function("epilogue", "What is run after it, however it ended.", epilogue),
    ]


def _text_function(name: str, comment: str, text: str) -> list[str]:
    end = f"END_OF_{name.upper()}"
    while end in text:
        end += "_"
    return ["", f"# {comment}", f"{name}() {{", f"cat <<'{end}'", text, end, "}"]


@cache
def resource(name: str) -> str:
    """Return a shell file that lies beside this module."""
    return files("evalyard.harness").joinpath(name).read_text(encoding="utf-8")


def machinery(part: str) -> str:
    """Return the text below what is particular to a script: `job.sh`, or `inside.sh` for a container."""
    return resource("processes.sh") + resource(part)
