"""evalyard.cli.hints: what we suggest can be pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from evalyard.cli import hints
from evalyard.cli.app import app


@pytest.mark.parametrize("hint", [hints.status, hints.watch, hints.logs, hints.results, hints.resume])
def test_a_hint_is_a_command_that_parses_as_it_stands(hint: object) -> None:
    assert callable(hint)
    program, *arguments = shlex.split(hint("a1b2c3d4"))
    assert program == "evalyard"
    command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    assert command.__name__ == arguments[0]
    assert "a1b2c3d4" in str(bound.arguments)


def test_the_path_of_a_log_survives_the_shell() -> None:
    log = Path("/data/it's here/$HOME/stdout.log")
    assert shlex.split(hints.tail(log)) == ["tail", "-f", str(log)]
