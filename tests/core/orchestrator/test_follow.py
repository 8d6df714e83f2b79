"""evalyard.orchestrator.follow: whose logs can be read."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from attrs import evolve

from evalyard.errors import Transient, UsageError
from evalyard.orchestrator.follow import Reader, read_logs
from evalyard.orchestrator.run import OpenRun
from evalyard.plugins.session import Session
from evalyard.records.handles import Handle
from evalyard.records.observations import LogChunk
from evalyard.records.plans import Need, NeedKind
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store
from tests.core.store.records import invocation, plans


@pytest.fixture
def run(tmp_path: Path) -> OpenRun:
    """A run that is on record, with two jobs and a judge, of which nothing was sent."""
    header, store = invocation(jobs=2), Store(tmp_path)
    judge = Need(key="aux-the-judge", kind=NeedKind.SERVER, directory="/nowhere/run/deployment-the-judge")
    entries = [Entry(event=Event.PLANNED, at=1.0, job=number, mark=f"mark{number}") for number in (1, 2)]
    store.create(header, "", [evolve(plan, needs=(judge,)) for plan in plans(header)], entries)
    return OpenRun(store=store, invocation=header, session=cast("Session", None))


@pytest.mark.parametrize("role", ["client", "server", "the-judge", "The_Judge"])
def test_a_server_that_has_not_begun_has_an_empty_log(run: OpenRun, role: str) -> None:
    assert list(read_logs([(run, [1, 2])], role).tail(None)) == []


def test_a_name_that_no_server_has_is_refused_with_those_there_are(run: OpenRun) -> None:
    with pytest.raises(UsageError, match="no server is called 'jugde' here") as caught:
        read_logs([(run, [2])], "jugde")
    assert caught.value.hint == "--role takes client, server, the-judge"


class FirstSilent:
    """An executor that does not answer the first question for the log of job 1."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def logs(self, ctx: object, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Give one line of each log, and its end."""
        del ctx, role, cursor, limit
        self.asked.append(handle.name)
        if self.asked == ["job1"]:
            raise Transient("no answer")
        return LogChunk(lines=(f"line of {handle.name}",), cursor="1", ended=True)


@pytest.fixture
def reader(run: OpenRun) -> Reader:
    """A reader of the logs of two jobs, the first of which is not to be had at first."""
    for number in (1, 2):
        handle = Handle(name=f"job{number}", mark=f"mark{number}")
        run.store.record(run.id, [Entry(event=Event.HELD, at=2.0, job=number, handle=handle)])
    return read_logs([(evolve(run, session=cast("Session", FirstSilent())), [1, 2])])


def test_a_log_that_is_not_to_be_had_now_is_said_after_the_others(reader: Reader) -> None:
    lines = reader.tail(None)
    assert next(lines).text == "line of job2"
    with pytest.raises(Transient, match="no answer"):
        next(lines)
    assert [line.text for line in reader.tail(None)] == ["line of job1"]


def test_whoever_follows_hears_of_it_later(reader: Reader) -> None:
    assert [line.text for line in reader.tail(5, patient=True)] == ["line of job2"]
    assert [line.text for line in reader.follow()] == ["line of job1"]
