"""The backend of the fake executor: a book in memory, and what can go wrong with it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from attrs import define, field

from evalyard.errors import InvalidJob, Transient
from evalyard.harness.evidence import read_exit, read_start
from evalyard.records.connections import Connection
from evalyard.records.handles import Handle
from evalyard.records.observations import LogChunk, Observation
from evalyard.records.plans import Need
from evalyard.states import JobState

HOST = "127.0.0.1"
_PATIENCE_S = 20.0


@define(kw_only=True)
class Faults:
    """What goes wrong at a backend, until a test says otherwise. Names are backend names (`ey-...`)."""

    unreachable: str = ""
    """Why no call is answered; empty = calls are."""
    query_fails: str = ""
    """Why `status` is not answered; empty = it is."""
    omitted: set[str] = field(factory=set)
    """What `status` does not mention."""
    lost_replies: int = 0
    """How many of the next launches take effect and answer nothing."""
    refused: dict[str, str] = field(factory=dict)
    """Jobs that `launch` refuses, with the reason."""
    stuck: set[str] = field(factory=set)
    """What `teardown` cannot remove."""
    queue: bool = False
    """Whether launched jobs wait; they start with the first status query after this is False again."""
    slow_s: float = 0.0
    """How long every call takes at least."""
    hanging: bool = False
    """Whether no call is answered before the caller gives up."""


@define(kw_only=True)
class Booked:
    """One job or need of the book."""

    handle: Handle
    directory: Path
    attempt: int
    owner: str = ""
    """The launcher that it belongs to."""
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(factory=dict)
    process: subprocess.Popen[bytes] | None = None
    cancelled: bool = False
    """Whether its end was asked for before it had started."""

    def start(self) -> None:
        """Start its script, and wait until that has taken the attempt."""
        mark = {"EVALYARD_LAUNCH": self.handle.mark, "EVALYARD_ATTEMPT": str(self.attempt)}
        try:
            self.process = subprocess.Popen(
                self.argv,
                cwd=self.directory,
                env={**os.environ, **self.environment, **mark},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise InvalidJob(f"cannot start in {self.directory}: {error.strerror}") from error
        give_up = time.monotonic() + _PATIENCE_S
        while read_start(self.directory, self.attempt) is None:
            if self.process.poll() is not None and read_start(self.directory, self.attempt) is None:
                raise InvalidJob(f"the job script ended with code {self.process.returncode} before it began")
            if time.monotonic() > give_up:
                raise Transient(f"the job script did not begin within {_PATIENCE_S:.0f} s")
            time.sleep(0.005)

    @property
    def running(self) -> bool:
        """Whether its script is at work."""
        return self.process is not None and self.process.poll() is None

    def end(self) -> None:
        """Kill whatever is left of it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@define(kw_only=True)
class FakeBackend:
    """A backend: its book, its faults, and which calls it got."""

    name: str = "fake"
    book: dict[str, Booked] = field(factory=dict)
    faults: Faults = field(factory=Faults)
    calls: list[str] = field(factory=list)
    """The hooks that were called, in order."""
    lock: threading.RLock = field(factory=threading.RLock, repr=False)
    """Held by whoever looks whether something is booked, until it is."""

    _known: ClassVar[dict[str, FakeBackend]] = {}

    @classmethod
    def at(cls, connection: Connection) -> FakeBackend:
        """Return the backend of a connection, made at its first use."""
        name = connection.address["backend"]
        return cls._known.setdefault(name, cls(name=name))

    def call(self, hook: str, deadline: float) -> None:
        """Take note of a call, or fail to answer it.

        Args:
            deadline: when the caller gives up, on the clock of `time.monotonic()`.

        Raises:
            Transient: the test wants no call to be answered.
        """
        sys.audit("evalyard.request", hook)
        self.calls.append(hook)
        while self.faults.hanging:
            if time.monotonic() > deadline:
                raise Transient("no answer in time")
            time.sleep(0.01)
        time.sleep(self.faults.slow_s)
        if self.faults.unreachable:
            raise Transient(self.faults.unreachable)

    def booked(self, name: str, mark: str) -> Booked | None:
        """Return what is under a name and mark of ours.

        Raises:
            InvalidJob: the name is somebody else's.
        """
        entry = self.book.get(name)
        if entry is not None and entry.handle.mark != mark:
            raise InvalidJob(f"{name} exists and is not ours")
        return entry

    def close(self) -> None:
        """End every process and forget the book."""
        for entry in self.book.values():
            entry.end()
        self.book.clear()
        self._known.pop(self.name, None)


def booked_server(need: Need, owner: str) -> Booked:
    """Start a server on a free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    directory = Path(need.directory)
    outputs = {
        "base_url": f"http://{HOST}:{port}",
        "exit_file": str(directory / "attempts" / str(need.attempt) / "exit.json"),
    }
    handle = entry_handle(need.name, need.mark, directory, need.attempt, kind=need.kind, outputs=outputs)
    environment = {**need.environment, "PORT": str(port)}
    entry = Booked(
        handle=handle,
        directory=directory,
        attempt=need.attempt,
        owner=owner,
        argv=need.argv,
        environment=environment,
    )
    entry.start()
    return entry


def entry_handle(
    name: str, mark: str, directory: Path, attempt: int, kind: str = "job", outputs: Mapping[str, str] | None = None
) -> Handle:
    """Return the handle of an entry."""
    data = {"directory": str(directory), "attempt": str(attempt)}
    return Handle(name=name, mark=mark, kind=kind, id=f"booked-{name}", outputs=outputs or {}, data=data)


def booked_files(need: Need, owner: str) -> Booked:
    """Return the entry of a run directory."""
    directory = Path(need.directory)
    handle = entry_handle(need.name, need.mark, directory, need.attempt, kind=need.kind)
    return Booked(handle=handle, directory=directory, attempt=need.attempt, owner=owner)


def observe(entry: Booked) -> Observation:
    """Say where an entry stands: by its exit file, else by its process."""
    running = entry.running  # before the exit file is read, or a job that ends in between looks killed
    record = read_exit(entry.directory, entry.attempt)
    if not entry.argv:
        return Observation(state=JobState.RUNNING)
    if record is not None:
        done = record.exit_code == 0 and record.results
        return Observation(state=JobState.SUCCEEDED if done else JobState.FAILED, reason=record.reason, exit=record)
    if entry.cancelled:
        return Observation(state=JobState.CANCELLED, reason="cancelled in the queue")
    if entry.process is None:
        return Observation(state=JobState.QUEUED, reason="the fake queue is closed")
    if running:
        return Observation(state=JobState.RUNNING)
    return Observation(state=JobState.FAILED, reason="the job script was killed")


def write(target: Path, text: str, mode: int) -> None:
    """Write a file anew, with its mode from the first byte on."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
        os.fchmod(descriptor, mode)
        stream.write(text)


def read_lines(path: Path, done: int, limit: int, *, ended: bool) -> LogChunk:
    """Return whole lines after the first `done`, at least one and up to about `limit` bytes of them."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return LogChunk(cursor=str(done), ended=ended)
    unfinished = lines.pop()
    if ended and unfinished:
        lines.append(unfinished)
    taken: list[str] = []
    size = 0
    for line in lines[done:]:
        if taken and size + len(line) + 1 > limit:
            break
        taken.append(line.decode("utf-8", errors="replace"))
        size += len(line) + 1
    read = done + len(taken)
    return LogChunk(lines=tuple(taken), cursor=str(read), ended=ended and read == len(lines))
