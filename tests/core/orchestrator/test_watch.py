"""evalyard.orchestrator.watch: what counts as evidence, and that no news is never read as news."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, strategies as st

from evalyard.orchestrator.watch import SILENCE_GRACE_S, changes, verdict
from evalyard.plugins.session import NOT_MENTIONED
from evalyard.records.handles import Handle
from evalyard.records.observations import ExitRecord, Observation
from evalyard.records.plans import NeedKind
from evalyard.secrets import redact
from evalyard.states import FINAL, JobState
from evalyard.store.history import Attempt, History, fold
from evalyard.store.journal import Entry, Event
from tests.core.store.records import invocation

S = JobState
NAME = "ey-a1b2c3d4-1-1"
HANDLE = Handle(name=NAME, mark="mark1")
SERVER = Handle(name="ey-a1b2c3d4-server-1", mark="mark2", kind="server")
OMITTED = Observation(state=S.UNKNOWN, reason=NOT_MENTIONED, missing=True)
NO_ANSWER = Observation(state=S.UNKNOWN, reason="connection timed out")
ODD_WORD = Observation(state=S.UNKNOWN, reason="state SPECIAL_EXIT")
SUCCESS = ExitRecord(attempt=1, mark="mark1", exit_code=0, started_at="t1", ended_at="t2")

START = (
    Entry(event=Event.PLANNED, at=1.0, job=1, mark="mark1"),
    Entry(event=Event.SENDING, at=1.0, job=1, mark="mark1"),
    Entry(event=Event.HELD, at=1.0, job=1, handle=HANDLE),
)
CANCEL = Entry(event=Event.CANCEL, at=2.0, job=1)


def exited(code: int = 0, **fields: Any) -> ExitRecord:
    return evolve(SUCCESS, exit_code=code, **fields)


def seen(state: JobState, reason: str = "", **fields: Any) -> Observation:
    return Observation(state=state, reason=reason, **fields)


class Watched:
    """A launched job that is looked at again and again."""

    def __init__(self, *more: Entry, run_dir: str = "/nowhere") -> None:
        self.header = invocation(run_dir=run_dir)
        self.entries = [*START, *more]
        self.now = 1000.0

    def look(self, observation: Observation, after_s: float = 1.0, *, server: Observation | None = None) -> Attempt:
        """Let time pass, observe, record, and return where the job stands."""
        self.now += after_s
        observations = {NAME: observation} if server is None else {NAME: observation, SERVER.name: server}
        self.entries += changes(self.history, observations, self.now)
        return self.attempt

    @property
    def history(self) -> History:
        return fold(self.header, self.entries)

    @property
    def attempt(self) -> Attempt:
        return self.history.job(1).latest


# --- what an exit file proves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "state", "reason"),
    [
        (exited(0), S.SUCCEEDED, ""),
        (exited(0, results=False), S.FAILED, "the harness exited with code 0 and left no result file"),
        (exited(3), S.FAILED, "exit code 3: last words"),
        (exited(71, reason="the model server was not ready"), S.FAILED, "the model server was not ready"),
        (exited(143, signal="TERM"), S.FAILED, "stopped by SIGTERM from outside"),
    ],
    ids=["success", "no results", "failure", "reason of the script", "signal"],
)
def test_an_exit_file_proves_an_end_and_its_reason(record: ExitRecord, state: JobState, reason: str) -> None:
    assert verdict(Attempt(number=1), record, "last words") == (state, reason)


@pytest.mark.parametrize(
    ("record", "state", "reason"),
    [
        (exited(0), S.SUCCEEDED, ""),
        (exited(0, signal="TERM"), S.SUCCEEDED, ""),
        (exited(3), S.FAILED, "exit code 3"),
        (exited(143, signal="TERM"), S.CANCELLED, "cancelled"),
        (exited(143, signal="TERM", results=False), S.CANCELLED, "cancelled"),
        (exited(0, signal="TERM", results=False), S.CANCELLED, "cancelled"),
    ],
    ids=["success", "success just in time", "own failure", "ended", "ended without results", "flushed without results"],
)
def test_a_job_that_was_asked_to_end_keeps_the_end_that_it_had_of_its_own(
    record: ExitRecord, state: JobState, reason: str
) -> None:
    assert verdict(Attempt(number=1, cancel_asked=True), record) == (state, reason)


def test_an_end_that_core_asked_for_is_a_failure_with_its_reason() -> None:
    attempt = Attempt(number=1, cancel_asked=True, cancel_reason="the server that it used ended: oom")
    assert verdict(attempt, exited(143, signal="TERM")) == (S.FAILED, "the server that it used ended: oom")


# --- the exit file beats the backend's word -------------------------------------------------------------------------


@pytest.mark.parametrize("word", list(JobState))
def test_an_exit_file_beats_whatever_the_backend_says(word: JobState) -> None:
    attempt = Watched().look(seen(word, "says the backend", exit=SUCCESS))
    assert (attempt.state, attempt.reason, attempt.exit_code) == (S.SUCCEEDED, "", 0)
    assert (attempt.started_at, attempt.ended_at) == ("t1", "t2")


@pytest.mark.parametrize(
    "record", [exited(0, mark="somebody else's"), exited(0, attempt=2)], ids=["another mark", "another attempt"]
)
def test_an_exit_file_of_somebody_else_proves_nothing(record: ExitRecord) -> None:
    assert Watched().look(seen(S.RUNNING, exit=record)).state is S.RUNNING


@pytest.mark.parametrize("state", sorted(FINAL))
def test_without_an_exit_file_the_backends_word_counts(state: JobState) -> None:
    attempt = Watched().look(seen(state, "in its words"))
    assert (attempt.state, attempt.reason) == (state, "in its words")


@pytest.mark.parametrize("state", sorted(FINAL - {S.SUCCEEDED}))
def test_an_end_after_a_cancel_is_a_cancellation_whatever_the_backend_calls_it(state: JobState) -> None:
    assert Watched(CANCEL).look(seen(state, "exit code 137")).state is S.CANCELLED


def test_a_success_after_a_cancel_is_a_success() -> None:
    assert Watched(CANCEL).look(seen(S.SUCCEEDED)).state is S.SUCCEEDED


# --- silence and failed queries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("outage_s", [1, 60, 600, 21_600])
@pytest.mark.parametrize("polls", [1, 2, 50])
def test_a_query_that_fails_changes_nothing_however_long_it_fails(outage_s: float, polls: int) -> None:
    job = Watched()
    job.look(seen(S.RUNNING))
    before = list(job.entries)
    for _ in range(polls):
        job.look(NO_ANSWER, outage_s / polls)
    assert job.entries == before
    assert job.look(seen(S.SUCCEEDED, exit=SUCCESS)).state is S.SUCCEEDED


def test_a_word_that_nobody_knows_changes_nothing() -> None:
    job = Watched()
    job.look(seen(S.RUNNING))
    before = list(job.entries)
    job.look(ODD_WORD, 10_000)
    assert job.entries == before


def test_one_silent_answer_ends_nothing_however_late_it_comes() -> None:
    job = Watched()
    job.look(seen(S.RUNNING))
    attempt = job.look(OMITTED, 100_000)
    assert (attempt.state, attempt.silent_answers) == (S.RUNNING, 1)


@pytest.mark.parametrize(("after_s", "state"), [(1, S.RUNNING), (269.9, S.RUNNING), (270, S.LOST), (9999, S.LOST)])
def test_a_second_silent_answer_after_the_grace_makes_a_job_lost(after_s: float, state: JobState) -> None:
    job = Watched()
    job.look(seen(S.RUNNING))
    job.look(OMITTED)
    attempt = job.look(OMITTED, after_s)
    assert attempt.state is state
    if state is S.LOST:
        assert attempt.reason == f"the backend has not mentioned it for {after_s:.0f} s"


def test_silence_counts_from_the_first_answer_without_the_job() -> None:
    job = Watched()
    states = [job.look(OMITTED, 100).state for _ in range(5)]
    assert states == [S.QUEUED, S.QUEUED, S.QUEUED, S.LOST, S.LOST]


def test_a_job_that_is_mentioned_again_starts_the_clock_afresh() -> None:
    job = Watched()
    job.look(OMITTED)
    job.look(OMITTED, SILENCE_GRACE_S - 1)
    job.look(seen(S.RUNNING))
    assert job.attempt.silent_answers == 0
    job.look(OMITTED, 10)
    assert job.look(OMITTED, SILENCE_GRACE_S - 1).state is S.RUNNING
    assert job.look(OMITTED, 1).state is S.LOST


def test_failed_queries_alone_never_use_up_the_grace() -> None:
    job = Watched()
    job.look(OMITTED)
    for _ in range(100):
        assert job.look(NO_ANSWER, 100).state is S.QUEUED
    assert job.look(seen(S.RUNNING)).state is S.RUNNING


def test_an_exit_file_ends_the_silence() -> None:
    job = Watched()
    job.look(OMITTED)
    assert job.look(seen(S.UNKNOWN, "purged", exit=SUCCESS), 10_000).state is S.SUCCEEDED


def test_a_cancelled_job_that_the_backend_forgot_is_cancelled_after_the_grace() -> None:
    job = Watched(CANCEL)
    job.look(OMITTED)
    assert job.look(OMITTED, 1).state is S.QUEUED
    assert job.look(OMITTED, SILENCE_GRACE_S).state is S.CANCELLED


# --- stability --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", sorted(FINAL))
def test_an_end_is_stable_whatever_is_observed_afterwards(end: JobState) -> None:
    job = Watched()
    job.look(seen(end, "the end"))
    before = list(job.entries)
    for _ in range(100):
        for later in (OMITTED, NO_ANSWER, seen(S.RUNNING), seen(S.FAILED), seen(S.SUCCEEDED, exit=SUCCESS)):
            job.look(later, 1000)
    assert job.entries == before


@given(
    st.lists(
        st.tuples(
            st.sampled_from([OMITTED, NO_ANSWER, ODD_WORD, *(seen(state) for state in JobState)]), st.floats(0, 400)
        ),
        max_size=15,
    )
)
def test_success_is_only_what_somebody_said_and_loss_takes_its_time(looks: list[tuple[Observation, float]]) -> None:
    job = Watched()
    for observation, after_s in looks:
        job.look(observation, after_s)
    state = job.attempt.state
    if state is S.SUCCEEDED:
        assert any(observation.state is S.SUCCEEDED for observation, _ in looks)
    if state is S.LOST and not any(observation.state is S.LOST for observation, _ in looks):
        times = accumulate(after_s for _, after_s in looks)
        silent = [time for (observation, _), time in zip(looks, times, strict=True) if observation is OMITTED]
        assert silent[-1] - silent[0] >= SILENCE_GRACE_S - 0.001


def test_an_earlier_state_and_an_unchanged_one_are_not_recorded() -> None:
    job = Watched()
    job.look(seen(S.RUNNING, "on node 7"))
    before = list(job.entries)
    job.look(seen(S.RUNNING, "on node 7"))
    job.look(seen(S.QUEUED))
    assert job.entries == before


def test_a_new_reason_for_the_same_state_is_recorded() -> None:
    job = Watched()
    assert job.look(seen(S.QUEUED, "Resources")).reason == "Resources"
    assert job.look(seen(S.QUEUED, "ImagePullBackOff")).reason == "ImagePullBackOff"


def test_a_fresher_handle_is_kept() -> None:
    fresher = evolve(HANDLE, id="4711")
    assert Watched().look(seen(S.RUNNING, handle=fresher)).handle == fresher


def test_an_observation_of_one_job_says_nothing_of_another() -> None:
    header = invocation(jobs=2)
    other = evolve(HANDLE, name="ey-a1b2c3d4-2-1", mark="mark2")
    history = fold(header, [*START, Entry(event=Event.HELD, at=1.0, job=2, handle=other)])
    entries = changes(history, {NAME: seen(S.FAILED, "oom")}, 5.0)
    assert [(entry.job, entry.state) for entry in entries] == [(1, S.FAILED)]


# --- needs and logs ---------------------------------------------------------------------------------------------------


def with_server(**fields: Any) -> Watched:
    return Watched(
        Entry(event=Event.SENDING, at=1.0, need="server", mark="mark2", kind=NeedKind.SERVER),
        Entry(event=Event.HELD, at=1.0, need="server", handle=SERVER),
        **fields,
    )


@pytest.mark.parametrize("code", [70, 72])
def test_a_job_that_ended_because_its_server_did_says_why_the_server_ended(code: int) -> None:
    died = seen(S.FAILED, exit=exited(3, mark="mark2"))
    ended = exited(code, reason="the model server ended")
    job = with_server()
    together = job.look(seen(S.RUNNING, exit=ended), server=died)
    assert together.reason == "the model server ended: exit code 3"
    job = with_server()
    job.look(seen(S.RUNNING), server=died)
    assert job.look(seen(S.RUNNING, exit=ended)).reason == "the model server ended: exit code 3"


@pytest.mark.parametrize("code", [70, 72])
def test_what_a_job_said_itself_is_not_repeated_as_the_backends_word(code: int) -> None:
    watched = with_server()
    record = exited(code, reason="the model server ended")
    watched.look(seen(S.RUNNING), server=seen(S.FAILED, "out of memory"))
    ended = watched.look(seen(S.FAILED, record.reason, exit=record), server=seen(S.FAILED, "out of memory"))
    assert ended.reason == "the model server ended: out of memory"


def test_a_job_that_core_ended_has_cores_reason_whatever_it_and_the_backend_say() -> None:
    record = exited(143, signal="TERM", reason="its container was stopped")
    for word in (record.reason, "CANCELLED by 0"):
        watched = Watched(evolve(CANCEL, reason="the model server ended: oom"))
        ended = watched.look(seen(S.FAILED, word, exit=record))
        assert (ended.state, ended.reason) == (S.FAILED, "the model server ended: oom")


def test_a_failure_of_the_harnesss_own_is_not_blamed_on_the_server() -> None:
    died = seen(S.FAILED, exit=exited(3, mark="mark2"))
    assert with_server().look(seen(S.RUNNING, exit=exited(7)), server=died).reason == "exit code 7"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (b"", ""),
        (b"first\nValueError: no\n\n", ": ValueError: no"),
        (b"no newline", ": no newline"),
        (b"boom\n2026-01-02T03:04:05Z evalyard: ended with exit code 1\n", ": boom"),
        (b"caf\xe9 \xff\n", ": caf\ufffd \ufffd"),
        (b"x" * 10_000 + b"\nlast\n", ": last"),
        (b"y" * 10_000, ": " + "y" * 300),
    ],
    ids=["empty", "several", "torn", "ours left out", "not utf-8", "long before", "one long line"],
)
def test_a_failure_quotes_the_last_line_that_the_harness_wrote(log: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "task1" / "logs").mkdir(parents=True)
    (tmp_path / "task1" / "logs" / "stdout.log").write_bytes(log)
    assert Watched(run_dir=str(tmp_path)).look(seen(S.RUNNING, exit=exited(1))).reason == f"exit code 1{words}"


def test_a_known_secret_in_that_line_is_hidden_before_the_line_is_cut(tmp_path: Path) -> None:
    redact.add(["sk-canary-at-the-cut"])
    (tmp_path / "task1" / "logs").mkdir(parents=True)
    (tmp_path / "task1" / "logs" / "stdout.log").write_text("x" * 290 + " sk-canary-at-the-cut")
    reason = Watched(run_dir=str(tmp_path)).look(seen(S.RUNNING, exit=exited(1))).reason
    assert "sk-" not in reason


@pytest.mark.parametrize(
    ("state", "reason"),
    [(S.TIMED_OUT, "it met its walltime"), (S.FAILED, "preempted"), (S.CANCELLED, "cancelled by user 7")],
)
def test_whoever_stopped_a_job_knows_why(state: JobState, reason: str) -> None:
    ended = Watched().look(seen(state, reason, exit=exited(143, signal="TERM")))
    assert (ended.state, ended.reason, ended.exit_code) == (state, reason, 143)
