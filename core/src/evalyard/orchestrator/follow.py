"""Logs: read to the end, followed while they grow, several jobs interleaved."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from attrs import define, frozen

from evalyard.errors import EvalyardError, UsageError
from evalyard.harness.evidence import attempt_folder, read_exit, read_start
from evalyard.harness.logs import read_log
from evalyard.ids import server_folder, server_of
from evalyard.orchestrator.run import OpenRun
from evalyard.orchestrator.survey import record_by_hand, runs_by_hand
from evalyard.records.observations import LogChunk
from evalyard.secrets import redact
from evalyard.store.layout import job_folder

CHUNK_BYTES = 1 << 16
FASTEST_POLL_S = 0.1
SLOWEST_POLL_S = 0.5


@frozen(kw_only=True)
class Line:
    """One line of one job's log."""

    job: str
    task: str
    text: str


@define
class _Source:
    """Where we are in the log of one job."""

    run: OpenRun
    number: int
    cursor: str = ""
    ended: bool = False

    @property
    def job(self) -> str:
        return f"{self.run.id}.{self.number}"

    @property
    def task(self) -> str:
        return self.run.invocation.job(self.number).task


@frozen(kw_only=True)
class Reader:
    """Reads the logs of several jobs."""

    sources: tuple[_Source, ...]
    role: str = "client"

    def tail(self, count: int | None, *, patient: bool = False) -> Iterator[Line]:
        """Give what is there now: the last `count` lines of each job, or everything (None).

        Args:
            patient: whether what cannot be read now is left for `follow`.

        Raises:
            Transient: a backend did not answer; what the others have was given.
        """
        silence: EvalyardError | None = None
        for source in self.sources:
            lines = self._available(source)
            try:
                yield from lines if count is None else deque(lines, maxlen=count)
            except EvalyardError as error:
                if not error.transient:
                    raise
                silence = silence or error
        if silence is not None and not patient:
            raise silence

    def follow(self, wait: Callable[[float], object] = time.sleep) -> Iterator[Line]:
        """Give new lines as they are written, jobs interleaved, until every log has ended."""
        pause = FASTEST_POLL_S
        while not all(source.ended for source in self.sources):
            found = False
            for source in self.sources:
                try:
                    for line in self._available(source):
                        found = True
                        yield line
                except EvalyardError as error:
                    if not error.transient:
                        raise
                    # Asked again with the same cursor: nothing is lost or repeated.
            wanted = [source.run.invocation.connection.poll_interval_s for source in self.sources if not source.ended]
            if wanted:
                pause = FASTEST_POLL_S if found else min(pause * 1.5, max(SLOWEST_POLL_S, *wanted))
                wait(pause)

    def _available(self, source: _Source) -> Iterator[Line]:
        if source.ended:
            return
        while True:
            chunk = _read(source, self.role)
            source.ended = chunk.ended
            yield from (Line(job=source.job, task=source.task, text=redact(text)) for text in chunk.lines)
            if chunk.ended or chunk.cursor == source.cursor:
                return
            source.cursor = chunk.cursor


def read_logs(runs: Sequence[tuple[OpenRun, Sequence[int]]], role: str = "client") -> Reader:
    """Return a reader of the logs of these jobs (numbers, by run).

    Args:
        role: `client`, `server`, or the name of a further model server.

    Raises:
        UsageError: no server of these runs is called so.
    """
    role = role.lower().replace("_", "-")
    histories = [run.history() for run, _ in runs]
    others = {name for history in histories for need in history.needs if (name := server_of(need.key))}
    if role not in ("client", "server", *others):
        others |= {name for run, numbers in runs for name in _planned_servers(run, numbers)}
    roles = ("client", "server", *sorted(others))
    if role not in roles:
        raise UsageError(f"no server is called '{role}' here", hint=f"--role takes {', '.join(roles)}")
    for (run, _), history in zip(runs, histories, strict=True):
        record_by_hand(run.store, history)
    return Reader(sources=tuple(_Source(run, number) for run, numbers in runs for number in numbers), role=role)


def _planned_servers(run: OpenRun, numbers: Sequence[int]) -> set[str]:
    """Return what the further model servers of these jobs are called, though none of them may have begun yet."""
    history = run.history()
    plans = (run.plan(number, history.job(number).launched.number) for number in numbers)
    return {name for plan in plans for need in plan.needs if (name := server_of(need.key))}


def _read(source: _Source, role: str) -> LogChunk:
    """Read on in the log of the attempt that counts; a job that ended without a handle has no log."""
    job = source.run.history().job(source.number)
    if job.latest.by_hand:
        return _read_by_hand(source, role, job.latest.number)
    attempt = job.launched
    if attempt.handle is None:
        return LogChunk(cursor=source.cursor, ended=attempt.state.final)
    return source.run.session.logs(source.run.context(), attempt.handle, role, source.cursor, CHUNK_BYTES)


def _read_by_hand(source: _Source, role: str, number: int) -> LogChunk:
    """Read the log of an attempt that somebody made in the run directory, where no backend knows of it."""
    folder = job_folder(source.run.store, source.run.invocation, source.run.invocation.job(source.number))
    start = read_start(folder, number)
    # Found out before the log is read, or its last lines could be missed.
    ended = read_exit(folder, number) is not None or start is None or not runs_by_hand(start.pid)
    if role == "client":
        path = attempt_folder(folder, number) / "logs" / "stdout.log"
    else:
        path = folder.parent / server_folder("" if role == "server" else role) / "logs" / "server.log"
    return read_log(path, source.cursor, CHUNK_BYTES, writer_ended=ended)
