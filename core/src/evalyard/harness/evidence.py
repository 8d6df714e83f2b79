"""What the job script leaves in a task's directory: who took an attempt, and how it ended.

The format is core's own: plugins hand the text, or the directory where the disk is shared, to these functions.
"""

from __future__ import annotations

import json
from pathlib import Path

from attrs import frozen

from evalyard.records import ExitRecord


@frozen(kw_only=True)
class StartRecord:
    """`attempts/<n>/started.json`: the process that has an attempt."""

    attempt: int
    mark: str
    by_hand: bool
    pid: int
    started_at: str


def parse_exit(text: str) -> ExitRecord | None:
    """Return what an `exit.json` says, or None when the text is no whole exit record."""
    try:
        data = json.loads(text)
        return ExitRecord(
            attempt=int(data["attempt"]),
            mark=str(data["mark"]),
            by_hand=bool(data["by_hand"]),
            exit_code=int(data["exit_code"]),
            signal=str(data["signal"]),
            reason=str(data["reason"]),
            results=bool(data["results"]),
            started_at=str(data["started_at"]),
            ended_at=str(data["ended_at"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def parse_start(text: str) -> StartRecord | None:
    """Return what a `started.json` says, or None when the text is no whole record."""
    try:
        data = json.loads(text)
        return StartRecord(
            attempt=int(data["attempt"]),
            mark=str(data["mark"]),
            by_hand=bool(data["by_hand"]),
            pid=int(data["pid"]),
            started_at=str(data["started_at"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def read_exit(directory: Path, attempt: int) -> ExitRecord | None:
    """Return how an attempt ended, or None when it has left no record (yet)."""
    text = _read(directory / "attempts" / str(attempt) / "exit.json")
    return parse_exit(text) if text else None


def read_start(directory: Path, attempt: int) -> StartRecord | None:
    """Return who took an attempt, or None when nobody has."""
    text = _read(directory / "attempts" / str(attempt) / "started.json")
    return parse_start(text) if text else None


def attempts_in(directory: Path) -> tuple[int, ...]:
    """Return the numbers of the attempts that were started in a task's directory, ascending."""
    try:
        names = [entry.name for entry in (directory / "attempts").iterdir()]
    except OSError:
        return ()
    numbers = sorted(int(name) for name in names if name.isdecimal())
    return tuple(number for number in numbers if (directory / "attempts" / str(number) / "started.json").exists())


def attempt_folder(directory: Path, attempt: int) -> Path:
    """Return where an attempt's `logs` and `artifacts` are: the task's directory, or `attempts/<n>` once it is past."""
    kept = directory / "attempts" / str(attempt)
    return kept if (kept / "logs").exists() else directory


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
