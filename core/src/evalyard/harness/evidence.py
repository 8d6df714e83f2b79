"""What the job script leaves in a task's directory: who took an attempt, and how it ended.

The format is core's own: plugins hand the text, or the directory where the disk is shared, to these functions.
"""

from __future__ import annotations

import json
import os
import platform
from functools import cache
from pathlib import Path

from attrs import frozen

from evalyard.records.observations import ExitRecord


@frozen(kw_only=True)
class StartRecord:
    """`attempts/<n>/started.json`: the process that has an attempt."""

    attempt: int
    mark: str
    by_hand: bool
    pid: int
    started_at: str
    host: str = ""
    boot: str = ""
    """Which boot of the machine; empty where the system does not say."""
    processes: str = ""
    """Which table of processes its id belongs to (containers have their own); empty where there is only one."""

    @property
    def elsewhere(self) -> str:
        """Where it runs when that is out of our sight (`on host b7`); empty when its process id has meaning here."""
        if self.host and self.host != platform.node():
            return f"on host {self.host}"
        if self.processes and self.boot == boot_id() and self.processes != process_table():
            return "in another container of this machine"
        return ""

    @property
    def restarted(self) -> bool:
        """Whether this machine has been started anew since."""
        return bool(self.boot) and not self.elsewhere and self.boot != boot_id()


@cache
def boot_id() -> str:
    """Return what tells this boot of the machine from others; empty where the system does not say."""
    return _read(Path("/proc/sys/kernel/random/boot_id")).strip()


@cache
def process_table() -> str:
    """Return what tells our table of processes from a container's; empty where there is only one."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


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
            host=str(data.get("host", "")),
            boot=str(data.get("boot", "")),
            processes=str(data.get("processes", "")),
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
    folder = directory / "attempts"
    return tuple(number for number in numbers if there(folder / str(number) / "started.json"))


def attempt_folder(directory: Path, attempt: int) -> Path:
    """Return where an attempt's `logs` and `artifacts` are: the task's directory, or `attempts/<n>` once it is past."""
    kept = directory / "attempts" / str(attempt)
    return kept if there(kept / "logs") else directory


def there(path: Path) -> bool:
    """Whether something is there, as far as the file system says."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises where the file system gives no answer


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
