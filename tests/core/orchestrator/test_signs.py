"""evalyard.orchestrator.signs: a pause ends when a job does, and not for anything that was noticed before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from attrs import define, field

from evalyard.orchestrator import signs
from evalyard.orchestrator.signs import MOST_GLANCES, Signs
from evalyard.states import JobState
from evalyard.store.history import History, fold
from evalyard.store.journal import Entry, Event
from tests.core.store.records import invocation

PAUSE_S = 10.0


@define
class Clock:
    """A clock that only goes on while somebody sleeps."""

    now: float = 0.0
    naps: list[float] = field(factory=list)
    at: dict[float, Callable[[], object]] = field(factory=dict)
    """What happens as soon as it is that late."""

    def sleep(self, nap_s: float) -> None:
        self.now += nap_s
        self.naps.append(nap_s)
        for moment in [moment for moment in self.at if moment <= self.now]:
            self.at.pop(moment)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(signs, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=clock.sleep))
    return clock


def running(run_dir: Path, jobs: int = 2, *more: Entry) -> History:
    """Return the history of a run all of whose jobs are under way, as far as is known."""
    header = invocation(run_dir=str(run_dir), jobs=jobs)
    sent = [Entry(event=Event.SENDING, at=1.0, job=number, mark=f"mark{number}") for number in range(1, jobs + 1)]
    return fold(header, [*sent, *more], ())


def end(run_dir: Path, job: int, attempt: int = 1) -> None:
    folder = run_dir / f"task{job}" / "attempts" / str(attempt)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "exit.json").touch()


def test_a_pause_without_a_sign_is_as_long_as_it_is_said_to_be(tmp_path: Path, clock: Clock) -> None:
    Signs().rest(PAUSE_S, running(tmp_path))
    assert sum(clock.naps) == pytest.approx(PAUSE_S)
    assert len(clock.naps) <= MOST_GLANCES + 1


def test_it_ends_when_a_job_does(tmp_path: Path, clock: Clock) -> None:
    clock.at[4.0] = lambda: end(tmp_path, 2)
    Signs().rest(PAUSE_S, running(tmp_path))
    assert 4 <= clock.now <= 4 + PAUSE_S / MOST_GLANCES


def test_what_ended_while_nobody_looked_is_noticed_at_once(tmp_path: Path, clock: Clock) -> None:
    end(tmp_path, 1)
    Signs().rest(PAUSE_S, running(tmp_path))
    assert clock.naps == []


def test_a_job_whose_end_is_not_believed_cuts_one_pause_short_and_no_more(tmp_path: Path, clock: Clock) -> None:
    watched, history = Signs(), running(tmp_path)
    end(tmp_path, 1)
    watched.rest(PAUSE_S, history)
    watched.rest(PAUSE_S, history)
    assert clock.now == pytest.approx(PAUSE_S)
    clock.at[13.0] = lambda: end(tmp_path, 2)
    watched.rest(PAUSE_S, history)
    assert clock.now < 2 * PAUSE_S


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED])
def test_a_job_that_is_known_to_have_ended_is_no_news(state: JobState, tmp_path: Path, clock: Clock) -> None:
    end(tmp_path, 1)
    Signs().rest(PAUSE_S, running(tmp_path, 1, Entry(event=Event.STATE, at=2.0, job=1, state=state)))
    assert clock.now == pytest.approx(PAUSE_S)


def test_an_earlier_attempts_end_is_no_news(tmp_path: Path, clock: Clock) -> None:
    end(tmp_path, 1)
    again = Entry(event=Event.SENDING, at=3.0, job=1, attempt=2, mark="again")
    failed = Entry(event=Event.STATE, at=2.0, job=1, state=JobState.FAILED)
    Signs().rest(PAUSE_S, running(tmp_path, 1, failed, again))
    assert clock.now == pytest.approx(PAUSE_S)


def test_many_jobs_are_looked_at_less_often(tmp_path: Path, clock: Clock) -> None:
    Signs().rest(1.0, running(tmp_path, 500))
    assert len(clock.naps) <= 2


def test_a_file_system_that_gives_no_answer_shows_no_sign(tmp_path: Path, clock: Clock) -> None:
    Signs().rest(PAUSE_S, running(tmp_path / ("x" * 300)))
    assert sum(clock.naps) == pytest.approx(PAUSE_S)
