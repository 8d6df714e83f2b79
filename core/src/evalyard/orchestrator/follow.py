"""Logs: read to the end, followed while they grow, several jobs interleaved."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from attrs import define, frozen

from evalyard.errors import EvalyardError
from evalyard.orchestrator.run import OpenRun
from evalyard.records import Handle
from evalyard.secrets import redact
from evalyard.states import JobState

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

    def tail(self, count: int | None) -> Iterator[Line]:
        """Give what is there now: the last `count` lines of each job, or everything (None)."""
        for source in self.sources:
            lines = self._available(source)
            yield from lines if count is None else deque(lines, maxlen=count)

    def follow(self, wait: Callable[[float], object] = time.sleep) -> Iterator[Line]:
        """Give new lines as they are written, jobs interleaved, until every log has ended."""
        pause = FASTEST_POLL_S
        while not all(source.ended for source in self.sources):
            found = False
            for source in self.sources:
                for line in self._available(source):
                    found = True
                    yield line
            pause = FASTEST_POLL_S if found else min(pause * 1.5, SLOWEST_POLL_S)
            if not all(source.ended for source in self.sources):
                wait(pause)

    def _available(self, source: _Source) -> Iterator[Line]:
        if source.ended:
            return
        handle = _handle(source)
        if handle is None:
            return
        while True:
            try:
                chunk = source.run.session.logs(source.run.context(), handle, self.role, source.cursor, CHUNK_BYTES)
            except EvalyardError as error:
                if not error.transient:
                    raise
                return  # asked again with the same cursor: nothing is lost or repeated
            source.ended = chunk.ended
            yield from (Line(job=source.job, task=source.task, text=redact(text)) for text in chunk.lines)
            if chunk.ended or chunk.cursor == source.cursor:
                return
            source.cursor = chunk.cursor


def read_logs(runs: Sequence[tuple[OpenRun, Sequence[int]]], role: str = "client") -> Reader:
    """Return a reader of the logs of these jobs (numbers, by run)."""
    return Reader(sources=tuple(_Source(run, number) for run, numbers in runs for number in numbers), role=role)


def _handle(source: _Source) -> Handle | None:
    """Return the handle of the attempt that counts; a job that ended without one has no log."""
    attempt = source.run.history().job(source.number).launched
    if attempt.handle is None and (attempt.state.final or attempt.state is JobState.UNKNOWN):
        source.ended = True
    return attempt.handle
