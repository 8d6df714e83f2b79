"""evalyard.batch.evidence: from the scheduler's words and a job's own files to one observation."""

import pytest

from evalyard import BatchAnswer, ExitRecord, Handle, JobRow, JobState, Observation, StartRecord
from evalyard.batch.evidence import observe
from tests.core.batch.jobs import MARK
from tests.core.batch.toy import TOY

NAME = "ey-a1b2c3d4-1-1"
NOW = "2026-01-02T03:04:05"
JUST_NOW = "2026-01-02T03:04:00"
LONG_AGO = "2026-01-02T03:00:00"
HANDLE = Handle(name=NAME, mark=MARK, id="7", data={"directory": "/run/smoke", "attempt": "1"})
DONE = ExitRecord(attempt=1, exit_code=0, mark=MARK)
FAILED = ExitRecord(attempt=1, exit_code=3, mark=MARK, reason="exit code 3")
STOPPED = ExitRecord(attempt=1, exit_code=143, mark=MARK, signal="TERM", reason="ended by SIGTERM")
BEGUN = StartRecord(attempt=1, mark=MARK, by_hand=False, pid=1, started_at="2026-01-02T03:00:00Z")


def row(word: str, reason: str = "", ended_at: str = "", name: str = NAME) -> JobRow:
    return JobRow(id="7", word=word, name=name, reason=reason, ended_at=ended_at)


def seen(
    job: JobRow | None = None,
    ended: ExitRecord | None = None,
    why: tuple[str, str] | None = None,
    begun: StartRecord | None = None,
    unaccounted: str = "",
    *,
    stopped: bool = False,
) -> Observation | None:
    answer = BatchAnswer(
        now=NOW,
        jobs={"7": job} if job else {},
        unaccounted=unaccounted,
        exits={NAME: ended} if ended else {},
        starts={NAME: begun} if begun else {},
        whys={NAME: why} if why else {},
        progress={NAME: "4/9"},
        servers={NAME: "out of luck"},
        stopped={NAME} if stopped else frozenset(),
    )
    return observe(TOY, HANDLE, answer)


@pytest.mark.parametrize(
    ("job", "state", "reason"),
    [
        (row("waiting", "Priority"), JobState.QUEUED, "waits: Priority"),
        (row("waiting"), JobState.QUEUED, ""),
        (row("going"), JobState.RUNNING, ""),
        (row("done", ended_at=LONG_AGO), JobState.FAILED, "Toy says done, and it left no exit file"),
        (row("broken", "its node failed", LONG_AGO), JobState.FAILED, "Toy says broken (its node failed)"),
        (row("killed"), JobState.CANCELLED, "cancelled"),
        (row("late"), JobState.TIMED_OUT, "it met the walltime"),
        (row("asleep"), JobState.UNKNOWN, "Toy calls its state 'asleep'"),
    ],
)
def test_without_files_the_scheduler_is_believed_but_for_success(job: JobRow, state: JobState, reason: str) -> None:
    assert seen(job) == Observation(state=state, reason=reason)


@pytest.mark.parametrize("job", [None, row("going"), row("broken"), row("asleep")])
def test_a_jobs_own_record_is_believed_before_the_scheduler(job: JobRow | None) -> None:
    assert seen(job, DONE) == Observation(state=JobState.SUCCEEDED, exit=DONE)


def test_a_failure_is_told_by_its_own_record_with_the_servers_last_words() -> None:
    assert seen(row("broken"), FAILED) == Observation(
        state=JobState.FAILED, reason="exit code 3: out of luck", exit=FAILED
    )


def test_the_record_of_another_launch_is_none() -> None:
    other = ExitRecord(attempt=1, exit_code=0, mark="f" * 32)
    assert seen(row("going"), other) == Observation(state=JobState.RUNNING)


def test_of_a_job_that_was_stopped_the_scheduler_may_still_say_why() -> None:
    ending = seen(row("going"), STOPPED)
    assert ending is not None
    assert ending.state is JobState.RUNNING
    assert seen(row("killed"), STOPPED) == Observation(state=JobState.CANCELLED, reason="cancelled", exit=STOPPED)
    gone = seen(None, STOPPED)
    assert gone is not None
    assert (gone.state, gone.exit) == (JobState.FAILED, STOPPED)


def test_what_the_script_noted_of_its_end_is_its_reason() -> None:
    why = ("TIMED_OUT", "it met its walltime of 60 s")
    assert seen(row("going"), STOPPED, why) == Observation(state=JobState.TIMED_OUT, reason=why[1], exit=STOPPED)
    assert seen(None, None, why) == Observation(state=JobState.TIMED_OUT, reason=why[1])
    assert seen(row("going"), None, ("a word", "of no state")) == Observation(state=JobState.RUNNING)


def test_a_job_that_was_stopped_and_is_gone_without_a_word_was_cancelled() -> None:
    gone = Observation(state=JobState.CANCELLED, reason="it was stopped, and left no word of its end")
    assert seen(stopped=True) == gone
    assert seen(begun=BEGUN, stopped=True) == gone


@pytest.mark.parametrize("job", [row("going"), row("late"), row("broken", "its node failed", LONG_AGO)])
def test_that_a_job_was_stopped_counts_only_where_nothing_else_is_known(job: JobRow) -> None:
    assert seen(job, stopped=True) == seen(job)
    assert seen(None, DONE, stopped=True) == Observation(state=JobState.SUCCEEDED, exit=DONE)
    silence = seen(unaccounted="no answer", stopped=True)
    assert silence is not None
    assert silence.state is JobState.UNKNOWN


def test_files_of_a_job_that_has_just_ended_may_be_late() -> None:
    late = Observation(state=JobState.RUNNING, reason="it has ended; its files are not here yet")
    assert seen(row("done", ended_at=JUST_NOW)) == late
    assert seen(row("broken", ended_at=JUST_NOW)) == late
    assert seen(row("killed", ended_at=JUST_NOW)) == Observation(state=JobState.CANCELLED, reason="cancelled")
    assert seen(row("late", ended_at=JUST_NOW)) == Observation(state=JobState.TIMED_OUT, reason="it met the walltime")


@pytest.mark.parametrize("ended_at", ["", "yesterday", f"{LONG_AGO}Z"])
@pytest.mark.parametrize("word", ["done", "broken"])
def test_where_it_is_not_told_when_a_job_ended_its_files_may_be_late_for_ever(word: str, ended_at: str) -> None:
    assert seen(row(word, ended_at=ended_at)) is None
    assert seen(row(word, ended_at=ended_at), DONE) == Observation(state=JobState.SUCCEEDED, exit=DONE)


def test_a_running_job_tells_its_progress_once_it_has_begun() -> None:
    assert seen(row("going"), begun=BEGUN) == Observation(
        state=JobState.RUNNING, progress="4/9", started_at="2026-01-02T03:00:00Z"
    )
    other = StartRecord(attempt=1, mark="f" * 32, by_hand=True, pid=1, started_at="x")
    assert seen(row("going"), begun=other) == Observation(state=JobState.RUNNING)


def test_another_jobs_row_says_nothing_and_silence_is_no_end() -> None:
    assert seen(row("broken", name="somebody-elses")) is None
    assert seen() is None
    unknown = seen(unaccounted="refused")
    assert unknown is not None
    assert unknown.state is JobState.UNKNOWN
