"""evalyard.cli.notices: what plugins say and show, on a terminal and in a pipe."""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Iterator

import pytest

from evalyard.cli.notices import Shown
from evalyard.cli.render import show_notices
from evalyard.plugins.context import NOTICES, PROGRESS, Context
from evalyard.records.connections import Connection
from evalyard.secrets import redact


class Terminal(io.StringIO):
    """A stream that claims to be a terminal, and plays what is written to it."""

    def isatty(self) -> bool:
        """Return True."""
        return True

    def screen(self) -> list[str]:
        """Return the lines that would be seen."""
        lines = [""]
        for part in re.split(r"(\x1b\[\d*[FJ]|\n)", self.getvalue()):
            if part == "\n":
                lines.append("")
            elif part.endswith("F") and part.startswith("\x1b"):
                row = len(lines) - 1 - int(part[2:-1])
                assert row >= 0, "moved above the first line"
                lines[row:] = [""]  # what is below is erased at once, as `J` follows
            elif part != "\x1b[J":
                lines[-1] += part
        return lines[:-1]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in (NOTICES, PROGRESS)]
    yield
    for logger, level in before:
        logger.handlers = []
        logger.setLevel(level)


@pytest.fixture
def ctx() -> Context:
    return Context(connection=Connection(executor="any"))


def show_to(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    show_notices()


def test_a_terminal_sees_the_latest_state_in_place_of_the_one_before(
    terminal: Terminal, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_to(terminal, monkeypatch)
    ctx.say("pulling x")
    ctx.show(["x", "  a  1 of 3", "  b  waiting"])
    ctx.show(["x", "  b  2 of 3"])
    assert terminal.screen() == ["pulling x", "x", "  b  2 of 3"]
    ctx.show([])
    assert terminal.screen() == ["pulling x"]


def test_what_is_said_meanwhile_stays_above_what_is_shown(
    terminal: Terminal, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_to(terminal, monkeypatch)
    ctx.show(["x  1 of 3"])
    ctx.say("100% said, twice\nover")
    assert terminal.screen() == ["100% said, twice", "over", "x  1 of 3"]
    ctx.show([])
    assert terminal.screen() == ["100% said, twice", "over"]


@pytest.mark.parametrize("dumb", [False, True], ids=["pipe", "dumb terminal"])
def test_what_cannot_be_taken_back_is_not_shown(ctx: Context, monkeypatch: pytest.MonkeyPatch, dumb: bool) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal() if dumb else io.StringIO()
    show_to(stream, monkeypatch)
    ctx.say("pulling x")
    ctx.show(["x  1 of 3"])
    ctx.show([])
    ctx.say("pulled x")
    assert stream.getvalue() == "pulling x\npulled x\n"


def test_lines_are_cut_to_what_a_terminal_shows_without_scrolling(
    terminal: Terminal, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shown, "_size", lambda _: os.terminal_size((20, 5)))
    show_to(terminal, monkeypatch)
    ctx.show([f"{number} {'x' * 40}" for number in range(9)])
    assert terminal.screen() == [*(f"{number} {'x' * 17}" for number in range(3)), "... and 6 more"]


def test_no_known_secret_is_said_or_shown(terminal: Terminal, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    redact.add(["canary-in-a-notice"])
    show_to(terminal, monkeypatch)
    ctx.show(["it is canary-in-a-notice"])
    ctx.say("it is canary-in-a-notice")
    assert "canary" not in terminal.getvalue()


def test_nothing_is_written_where_nothing_was_shown(
    terminal: Terminal, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_to(terminal, monkeypatch)
    ctx.show([])
    assert terminal.getvalue() == ""


def test_a_plugin_may_show_where_nobody_looks(ctx: Context, capsys: pytest.CaptureFixture[str]) -> None:
    ctx.say("pulling x")
    ctx.show(["x"])
    assert capsys.readouterr() == ("", "")
