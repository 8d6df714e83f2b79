"""evalyard.cli.app: every outcome of a command becomes an exit code and at most one message."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from cyclopts import CycloptsError

from evalyard.cli import app as module
from evalyard.cli.app import EXIT_BUG, call
from evalyard.errors import BackendError, ConfigError, EvalyardError, PluginError, Transient, UsageError
from evalyard.secrets import redact

Outcome = Callable[[object], None]


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Make every command end like this: an exception is raised, anything else returned."""

    def set_outcome(result: object) -> None:
        def command(*_: object, **__: object) -> object:
            if isinstance(result, BaseException):
                raise result
            return result

        monkeypatch.setattr(module, "app", command)

    return set_outcome


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (1, 1), (3, 3), ("text", 0)])
def test_a_commands_own_code_is_the_exit_code(
    result: object, code: int, outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome(result)
    assert call([]) == code
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EvalyardError("it broke", hint="mend it"), 1),
        (UsageError("it broke", hint="mend it"), 2),
        (ConfigError(["it broke"], hint="mend it"), 2),
        (PluginError("it broke", hint="mend it"), 2),
        (BackendError("it broke", hint="mend it"), 3),
        (Transient("it broke", hint="mend it"), 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_is_one_message_with_its_hint_on_stderr(
    error: EvalyardError, code: int, outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome(error)
    assert call([]) == code
    assert capsys.readouterr() == ("", "error: it broke\n  mend it\n")


def test_an_interrupt_exits_with_130(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    outcome(KeyboardInterrupt())
    assert call([]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_bug_is_called_one_and_its_trace_is_shown_on_request(
    outcome: Outcome, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome(ZeroDivisionError("division by zero"))
    assert call([]) == EXIT_BUG
    assert capsys.readouterr().err.startswith("error: a bug in evalyard: ZeroDivisionError: division by zero\n")
    monkeypatch.setenv("EVALYARD_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        call([])


@pytest.mark.parametrize("kind", [UsageError, RuntimeError, CycloptsError])
def test_no_message_shows_a_known_secret(
    kind: Callable[[str], Exception], outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    redact.add(["canary-in-a-message"])
    error = CycloptsError(msg="got canary-in-a-message") if kind is CycloptsError else kind("got canary-in-a-message")
    outcome(error)
    assert call([]) in (2, EXIT_BUG)
    message = capsys.readouterr().err
    assert "got ***" in message
    assert "canary" not in message


@pytest.mark.parametrize(
    "arguments",
    [["frobnicate"], ["status", "--frobnicate"], ["ls", "frobnicate"]],
    ids=["command", "option", "subcommand"],
)
def test_a_command_line_that_makes_no_sense_exits_with_2_and_points_at_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.rstrip().endswith("--help")


def test_help_imports_no_plugin_and_no_heavy_library() -> None:
    code = """
import sys
from evalyard.cli.app import call
assert call(["--help"]) == 0
heavy = {"evalyard_local", "ruamel", "omegaconf", "pluggy", "psutil", "cattrs", "docker"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for command in module._COMMANDS:
        assert command in done.stdout


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = """
import sys
from evalyard.cli import app as module
module.app = lambda *_, **__: [print("x" * 1000) for _ in range(1000)] and None
sys.exit(module.call([]))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), errors) == (0, "")
