"""Our ends of stdout and stderr, whatever the caller made of them: closed, full, a pipe without a reader."""

from __future__ import annotations

import io
import os
import sys
from typing import IO

from evalyard.errors import EvalyardError


def prepare_streams() -> None:
    """Make stdout and stderr usable: closed ones lead nowhere, and any text can be written in any locale.

    Must come before anything is opened: a file of ours must not get the number of a closed stream.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    # Python has no stream object for what was closed when it started.
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def deliver(text: str, to: IO[str], *, end: str = "\n") -> None:
    """Write a text and its end at once. When the reader of a pipe has left, what we do goes on unheard.

    Raises:
        EvalyardError: the disk is full, or the device is broken.
    """
    try:
        print(text, file=to, end=end, flush=True)
    except BrokenPipeError:
        leave(to)
    except OSError as error:
        leave(to)
        raise EvalyardError(f"cannot write what there is to say: {error.strerror}") from error


def leave(stream: IO[str]) -> None:
    """Let a stream lead nowhere from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
