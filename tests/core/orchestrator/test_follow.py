"""evalyard.orchestrator.follow: whose logs can be read."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from attrs import evolve

from evalyard.errors import UsageError
from evalyard.orchestrator.follow import read_logs
from evalyard.orchestrator.run import OpenRun
from evalyard.plugins.session import Session
from evalyard.records import Need, NeedKind
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
