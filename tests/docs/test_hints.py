"""Every command that a message suggests can be typed as it stands where the message appeared."""

from __future__ import annotations

import ast
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from attrs import define, field

from evalyard.cli import hints
from evalyard.cli.app import app
from evalyard.errors import EXIT_USAGE
from tests.docs.blocks import REPOSITORY
from tests.docs.play import end_all_runs

EVALYARD = str(Path(sys.executable).parent / "evalyard")
QUICKSTART = str(REPOSITORY / "examples" / "quickstart.yaml")
COMMAND_TIMEOUT_S = 60
_WORD = r"(?:[0-9a-f]{8}(?:\.\d+)?|--?[a-z][a-z-]*|[a-z]+|[A-Z]+)(?![\w-])"
_HINT = re.compile(rf"\bevalyard(?P<words>(?: {_WORD})+)")
_COMMANDS = (
    "doctor",
    "info",
    "init",
    "migrate",
    "kill",
    "logs",
    "ls",
    "results",
    "resume",
    "run",
    "status",
    "validate",
    "--help",
)
_NOTHING_AT_PORT = "-o", "deployment=none", "-o", "target.api_endpoint.url=http://127.0.0.1:9/v1/chat/completions"
_SLOW = """
execution: {type: local, use_docker: false, output_dir: runs, mode: sequential}
deployment: {type: demo}
evaluation:
  tasks:
    - {name: long, harness: {command: sleep 600, results: null}}
    - {name: short, harness: {command: "true", results: null}}
"""


def commands_in(text: str) -> list[str]:
    """Return the commands that a text suggests, each once; comments of scripts and usage lines suggest none."""
    lines = (line for line in text.splitlines() if not line.startswith(("#", "Usage:")))
    found = (match["words"].split() for line in lines for match in _HINT.finditer(line))
    return list(dict.fromkeys(shlex.join(words) for words in found if words[0] in _COMMANDS))


@define
class Terminal:
    """Types commands in a folder of its own, and then whatever they suggest."""

    folder: Path
    codes: dict[str, int] = field(factory=dict)

    def type(self, *words: str) -> str:
        """Run evalyard and return all that it prints."""
        done = subprocess.run(
            [EVALYARD, *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        self.codes[shlex.join(words)] = done.returncode
        return done.stdout

    def follow(self, text: str) -> list[str]:
        """Type every command that a text suggests; none may be a usage error. Returns them."""
        commands = commands_in(text)
        for command in commands:
            words = [QUICKSTART if word == "FILE" else word for word in command.split()]
            output = self.type(*words)
            assert self.codes[shlex.join(words)] != EXIT_USAGE, f"{command}\n{output}"
        return commands


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal; nothing that was started in it outlives the test."""
    yield Terminal(tmp_path)
    end_all_runs()


def keeper_of(run: str) -> psutil.Process:
    """Return the keeper process of a run."""
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[-2:] == ["evalyard.orchestrator.keeper", run]:
            return process
    raise LookupError(run)


def after_a_run(terminal: Terminal) -> str:
    return terminal.type("run", "--config", QUICKSTART, "--wait")


def after_starting_one(terminal: Terminal) -> str:
    return terminal.type("run", "--config", QUICKSTART)


def after_a_failure(terminal: Terminal) -> str:
    return terminal.type(
        "run", "--config", QUICKSTART, "--wait", *_NOTHING_AT_PORT, "-o", "target.api_endpoint.model_id=m",
        "-o", "config.params.max_retries=0",
    )  # fmt: skip


def without_runs(terminal: Terminal) -> str:
    return terminal.type("status") + terminal.type("results")


def with_a_wrong_id(terminal: Terminal) -> str:
    return terminal.type("status", "zz") + terminal.type("status", "00ff00ff")


def with_a_wrong_task(terminal: Terminal) -> str:
    return terminal.type("run", "--config", QUICKSTART, "-o", "evaluation.tasks=[smok]")


def with_nothing_to_run(terminal: Terminal) -> str:
    return terminal.type("run") + terminal.type("kill") + terminal.type("stauts")


def of_the_help(terminal: Terminal) -> str:
    return terminal.type("--help") + terminal.type("run", "--help")


def after_the_keepers_death(terminal: Terminal) -> str:
    (terminal.folder / "slow.yaml").write_text(_SLOW, encoding="utf-8")
    run = terminal.type("run", "--config", "slow.yaml").split()[0]
    keeper_of(run).send_signal(signal.SIGKILL)
    waiting = terminal.type("status", run)
    assert f"resume {run}" in waiting
    return waiting


SCENARIOS: dict[Callable[[Terminal], str], set[str]] = {
    after_a_run: {"results ID", "logs -f ID", "status ID"},
    after_starting_one: {"logs -f ID", "status ID"},
    after_a_failure: {"resume ID"},
    without_runs: {"run --config FILE"},
    with_a_wrong_id: {"ls runs"},
    with_a_wrong_task: {"ls tasks"},
    with_nothing_to_run: {"run --config FILE", "status", "--help"},
    of_the_help: {"run --config FILE --wait"},
}
"""What is done, and what it must suggest at least."""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_what_a_command_suggests_can_be_typed(scenario: Callable[[Terminal], str], terminal: Terminal) -> None:
    commands = terminal.follow(scenario(terminal))
    shapes = {re.sub(r"\b[0-9a-f]{8}\b", "ID", command) for command in commands}
    assert SCENARIOS[scenario] <= shapes


def test_what_status_suggests_after_the_keepers_death_can_be_typed_and_helps(terminal: Terminal) -> None:
    text = after_the_keepers_death(terminal)
    terminal.follow(text)
    run = text.split("resume ")[1].split()[0]
    assert "resume" not in terminal.type("status", run)


def test_the_suggested_tail_names_a_log_that_is_there(terminal: Terminal) -> None:
    output = after_a_run(terminal)
    (line,) = [line for line in output.splitlines() if "tail -f" in line]
    log = shlex.split(line)[-1]
    assert hints.tail(Path(log)) in line
    assert Path(log).is_file()


def test_a_refused_configuration_suggests_an_option_that_mends_it(terminal: Terminal) -> None:
    refused = terminal.type("run", "--config", QUICKSTART, "--dry-run", "-o", "execution.use_docker=true")
    assert "--no-docker" in refused
    terminal.type("run", "--config", QUICKSTART, "--dry-run", "-o", "execution.use_docker=true", "--no-docker")
    assert list(terminal.codes.values()) == [EXIT_USAGE, 0]


def suggested_in(source: str) -> set[str]:
    """Return the commands that a module's texts suggest, what is filled in later as ID."""
    tree = ast.parse(source)
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in statements | parts:
            continue  # a docstring, or a piece of what is looked at as a whole
        if isinstance(node, ast.JoinedStr):
            pieces = (part.value if isinstance(part, ast.Constant) else "ID" for part in node.values)
            found.update(commands_in("".join(map(str, pieces))))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(commands_in(node.value))
    return found


def sources() -> list[Path]:
    return [path for folder in ("core/src", "plugins") for path in sorted((REPOSITORY / folder).rglob("*.py"))]


def test_commands_are_found_in_plain_and_in_composed_texts() -> None:
    source = '"""evalyard status"""\nx = "try: evalyard stop"\ny = f"evalyard resume {run}; evalyard ls runs"\n'
    assert suggested_in(source) == {"resume ID", "ls runs"}


def test_every_command_that_a_text_of_ours_suggests_is_one_that_exists() -> None:
    found = {command for path in sources() for command in suggested_in(path.read_text(encoding="utf-8"))}
    assert {"resume ID", "kill ID", "ls runs", "run --config FILE"} <= found
    for command in found:
        app.parse_args(command.split(), exit_on_error=False, print_error=False)
