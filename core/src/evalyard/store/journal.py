"""The journal of an invocation: what happened, one JSON line each, only ever appended.

A line is written whole with one `write` and flushed to disk. A process that dies in between leaves at most one torn
line, which costs that line: the next writer starts a new one, and readers name it and go on. Nobody rewrites a line,
so any number of launchers may append at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import cattrs
from attrs import evolve, frozen

from evalyard.errors import StoreError
from evalyard.records.handles import Handle
from evalyard.records.plans import NeedKind
from evalyard.secrets import redact
from evalyard.states import JobState


class Event(StrEnum):
    """What a journal line says."""

    PLANNED = "planned"
    """An attempt of a job, or of a need, is intended; nothing was sent."""
    SENDING = "sending"
    """It is about to be handed to the backend: from here on the backend may hold it."""
    HELD = "held"
    """The backend has it, under this handle (a later one is fresher)."""
    STATE = "state"
    """A new state, or a new reason for the same one."""
    SILENT = "silent"
    """The backend answered and did not mention it: the grace clock counts these."""
    SEEN = "seen"
    """The backend mentions it again: the grace clock starts afresh."""
    CANCEL = "cancel"
    """Somebody asked for its end; a reason makes that end a failure, none a cancellation."""
    COLLECTED = "collected"
    """Its artifacts and logs are home."""
    EXPORTED = "exported"
    """Its results are at a destination."""
    NOT_EXPORTED = "not exported"
    """They could not be sent there, for this reason."""
    TOLD = "told"
    """The extensions know of its end; with a reason, they could not be told."""
    RELEASED = "released"
    """The backend confirmed that nothing is left of it."""


@frozen(kw_only=True)
class Entry:
    """One line: an event of one attempt of a job (`job` > 0) or of a need (`need`)."""

    event: Event
    at: float
    """Seconds since the epoch."""
    job: int = 0
    need: str = ""
    attempt: int = 1
    mark: str = ""
    kind: NeedKind | None = None
    """What a need is."""
    handle: Handle | None = None
    state: JobState | None = None
    reason: str = ""
    exit_code: int | None = None
    by_hand: bool = False
    started_at: str = ""
    ended_at: str = ""
    destination: str = ""
    """Of an export."""
    where: str = ""
    """The page or file that the results are in at the destination."""
    given_up: bool = False
    """Whether nobody will try again unless asked to."""


@frozen(kw_only=True)
class Damage:
    """A record that could not be read, and where it is."""

    path: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.problem}" if self.line else f"{self.path}: {self.problem}"


converter = cattrs.Converter(omit_if_default=True, detailed_validation=False)
"""Records to JSON types and back: unknown fields are ignored and absent ones get their defaults, so that older and
newer versions read each other."""


_structure = converter.get_structure_hook(Entry)


def _structure_entry(data: object) -> Entry:
    entry: Entry = _structure(data, Entry)
    return entry


def append(path: Path, entries: Iterable[Entry]) -> None:
    """Append entries with one write and flush it to disk.

    Raises:
        StoreError: when the disk is full or read-only; what of the entries is on record is then not known, so
            nothing that they announce may be done.
    """
    lines = [json.dumps(converter.unstructure(_clean(entry)), ensure_ascii=False) for entry in entries]
    if not lines:
        return
    # A lone surrogate (of a file name that is not UTF-8) becomes its JSON escape.
    data = ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Appending is atomic on a local disk; a network file system needs the lock. Closing the file frees it.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _torn(descriptor):
                data = b"\n" + data
            written = os.write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"cannot record in {path}: {error.strerror}", hint=_remedy(path)) from error
    if written != len(data):
        raise StoreError(f"cannot record in {path}: {written} of {len(data)} bytes written", hint=_remedy(path))


def length(path: Path) -> int:
    """Return the length of a journal in bytes; 0 = there is none that can be read."""
    try:
        # Opened, not just looked up: a network file system then asks whether another machine has written.
        with path.open("rb") as stream:
            return os.fstat(stream.fileno()).st_size
    except OSError:
        return 0


def read(path: Path) -> tuple[tuple[Entry, ...], tuple[Damage, ...]]:
    """Read a journal: the entries that are whole, and what is damaged. An absent journal is empty."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return (), ()
    except OSError as error:
        return (), (Damage(path=str(path), line=0, problem=str(error.strerror)),)
    lines = data.split(b"\n")
    try:
        # The whole journal at once is several times faster than line by line, and nearly every journal is whole.
        return tuple(map(_structure_entry, json.loads(b"[" + b",".join(filter(None, lines)) + b"]"))), ()
    except Exception:  # noqa: BLE001 - a damaged line may hold anything; cattrs raises groups
        return _read_line_by_line(path, lines)


def _read_line_by_line(path: Path, lines: list[bytes]) -> tuple[tuple[Entry, ...], tuple[Damage, ...]]:
    entries: list[Entry] = []
    damage: list[Damage] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entries.append(_structure_entry(json.loads(line)))
        except Exception as error:  # noqa: BLE001 - as above
            damage.append(Damage(path=str(path), line=number, problem=f"not a journal entry ({type(error).__name__})"))
    return tuple(entries), tuple(damage)


def _clean(entry: Entry) -> Entry:
    # These are free text that may quote a log, a backend or an address; the other fields are names of ours.
    if not (entry.reason or entry.where):
        return entry
    return evolve(entry, reason=redact(entry.reason), where=redact(entry.where))


def _torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _remedy(path: Path) -> str:
    return f"make room or permissions for {path.parent}, or set EVALYARD_HOME to another folder"
