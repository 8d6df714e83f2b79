"""How far jobs are while somebody waits: bars on a terminal, lines of changes in a pipe."""

import os
import pty
import subprocess

import pytest

from tests.cli.yard import Yard

LIMITED = {"nemo_evaluator_config": {"config": {"params": {"limit_samples": 100}}}}


class Screen:
    """A terminal on which a command runs."""

    def __init__(self, yard: Yard, *argv: str) -> None:
        self.said = ""
        self._ours, theirs = pty.openpty()
        self.process: subprocess.Popen[str] = yard.start(
            *argv, stdout=theirs, stderr=theirs, env={"TERM": "xterm", "COLUMNS": "160", "LINES": "40"}
        )
        os.close(theirs)

    def await_text(self, text: str) -> None:
        """Read until this has been on the screen."""
        while text not in self.said:
            assert self._read(), f"no {text!r} in {self.said}"

    def await_end(self) -> int:
        """Read until the command ends; return its exit code."""
        while self._read():
            pass
        os.close(self._ours)
        return self.process.wait()

    def _read(self) -> bool:
        try:
            part = os.read(self._ours, 65536)
        except OSError:  # how Linux says that nobody is at the other end any more
            return False
        self.said += part.decode(errors="replace")
        return bool(part)


def counting(yard: Yard, count: str) -> None:
    """Configure a task that says how far it is, and ends once its gate is open."""
    yard.config(yard.gated("one", f'echo {count} > "$EVALYARD_OUTPUT_DIR/progress"', **LIMITED))


@pytest.mark.parametrize("command", [("run", "-c", "run.yaml", "--wait"), ("status", "--watch")])
def test_on_a_terminal_a_bar_shows_how_far_a_job_is(yard: Yard, command: tuple[str, ...]) -> None:
    counting(yard, "40")
    if command[0] == "status":
        yard.run("run.yaml")
    screen = Screen(yard, "evalyard", *command)
    screen.await_text("40/~100")
    assert "[########............] 40%" in screen.said
    yard.open_gates("one")
    assert screen.await_end() == 0
    assert "SUCCEEDED" in screen.said


def test_a_bar_is_not_full_while_the_job_runs(yard: Yard) -> None:
    counting(yard, "100")
    screen = Screen(yard, "evalyard", "run", "-c", "run.yaml", "--wait")
    screen.await_text("100/~100")
    assert "99%" in screen.said
    yard.open_gates("one")
    assert screen.await_end() == 0
    assert "100%" not in screen.said


def test_in_a_pipe_there_are_no_bars(yard: Yard) -> None:
    counting(yard, "40")
    waiting = yard.start("evalyard", "run", "-c", "run.yaml", "--wait")
    yard.await_notes("start one")
    yard.open_gates("one")
    _, said = waiting.communicate()
    assert waiting.returncode == 0
    assert "%" not in said
    assert "\x1b" not in said
