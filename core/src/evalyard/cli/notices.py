"""What plugins say and show while a step takes long, as lines and, on a terminal, as a block redrawn in place."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import IO

from evalyard.cli.streams import deliver
from evalyard.plugins.context import PROGRESS
from evalyard.secrets import redact

ERASE_BELOW = "\x1b[J"
UP = "\x1b[{}F"
"""To the start of the line so many lines above."""
_SMALLEST = os.terminal_size((80, 24))
"""Assumed where a terminal does not tell its size."""


class Shown(logging.Handler):
    """Writes notices as lines, and keeps the latest progress below them."""

    def __init__(self, to: IO[str]) -> None:
        super().__init__()
        self._to = to
        self._drawn: Sequence[str] = ()

    @property
    def in_place(self) -> bool:
        """Whether lines can be taken back."""
        return self._to.isatty() and os.environ.get("TERM") != "dumb"

    def emit(self, record: logging.LogRecord) -> None:
        """Take a notice or a state of progress."""
        text = redact(record.getMessage())
        if record.name != PROGRESS:
            deliver(f"{self._erased()}{text}", self._to)
            self._draw(self._drawn)
            return
        lines = _fitting(text.splitlines(), self._size())
        if lines or self._drawn:
            deliver(self._erased(), self._to, end="")
            self._draw(lines)

    def _erased(self) -> str:
        return f"{UP.format(len(self._drawn))}{ERASE_BELOW}" if self._drawn else ""

    def _draw(self, lines: Sequence[str]) -> None:
        self._drawn = lines
        if lines:
            deliver("\n".join(lines), self._to)

    def _size(self) -> os.terminal_size:
        try:
            size = os.get_terminal_size(self._to.fileno())
        except (OSError, ValueError):
            return _SMALLEST
        return size if size.columns and size.lines else _SMALLEST


def _fitting(lines: Sequence[str], size: os.terminal_size) -> list[str]:
    """Cut lines to what a terminal shows without wrapping or scrolling: neither could be taken back."""
    room = max(1, size.lines - 1)
    kept = lines if len(lines) <= room else [*lines[: room - 1], f"... and {len(lines) - room + 1} more"]
    return [line[: size.columns - 1] for line in kept]
