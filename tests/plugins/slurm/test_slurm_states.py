"""evalyard_slurm.states: from Slurm's words and a job's own files to one observation."""

import pytest
from attrs import evolve

from evalyard import BatchAnswer, ExitRecord, JobRow, JobState, Observation, StartRecord
from evalyard_slurm.states import STATES, observe, state_of
from tests.plugins.slurm.jobs import MARK, OTHER_MARK, handle

NAME = "ey-a1b2c3d4-1-1"
NOW = "2026-01-02T03:04:05"
LONG_AGO = "2026-01-02T02:00:00"
EXIT = ExitRecord(attempt=1, exit_code=0, mark=MARK, ended_at="2026-01-02T03:04:04Z")
START = StartRecord(attempt=1, mark=MARK, by_hand=False, pid=1, started_at="2026-01-02T03:00:00Z")


def row(word: str, reason: str = "None", ended_at: str = LONG_AGO, name: str = NAME, exit_code: str = "") -> JobRow:
    return JobRow(id="7", word=word, reason=reason, ended_at=ended_at, name=name, exit_code=exit_code)


def answer(
    job: JobRow | None = None, exit_record: ExitRecord | None = None, why: tuple[str, str] | None = None
) -> BatchAnswer:
    return BatchAnswer(
        now=NOW,
        jobs={"7": job} if job else {},
        exits={NAME: exit_record} if exit_record else {},
        whys={NAME: why} if why else {},
    )


def seen(
    job: JobRow | None = None, exit_record: ExitRecord | None = None, why: tuple[str, str] | None = None
) -> object:
    return observe(handle(), answer(job, exit_record, why))


def seen_after_its_start(job: JobRow, start: StartRecord = START) -> object:
    return observe(handle(), evolve(answer(job), starts={NAME: start}))


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("PD PENDING CF CONFIGURING RQ REQUEUED RH RF RD SE SPECIAL_EXIT", JobState.QUEUED),
        ("R RUNNING CG COMPLETING SI SIGNALING SO ST STOPPED S SUSPENDED RS", JobState.RUNNING),
        ("CD COMPLETED", JobState.SUCCEEDED),
        ("CA CANCELLED CANCELLED+", JobState.CANCELLED),
        ("TO TIMEOUT", JobState.TIMED_OUT),
        ("F FAILED NF NODE_FAIL OOM OUT_OF_MEMORY BF DL DEADLINE LF PR PREEMPTED RV", JobState.FAILED),
        ("NEWER_WORD X", JobState.UNKNOWN),
    ],
)
def test_words_are_states(words: str, state: JobState) -> None:
    assert {state_of(word) for word in words.split()} == {state}


def test_who_cancelled_does_not_change_the_word() -> None:
    assert state_of("CANCELLED by 1000") is JobState.CANCELLED


def test_every_state_of_the_table_can_be_told() -> None:
    for word in STATES:
        found = observe(handle(), answer(row(word)))
        assert found is not None
        assert found.state is not JobState.UNKNOWN
        assert found.state is not JobState.SUCCEEDED, "without an exit file nothing has succeeded"


ENDS: dict[str, tuple[JobRow, JobState, str]] = {
    "its node failed": (row("NODE_FAIL", "NodeDown"), JobState.FAILED, "its node failed (NodeDown)"),
    "memory": (row("OUT_OF_MEMORY"), JobState.FAILED, "out of memory"),
    "preemption": (row("PREEMPTED"), JobState.FAILED, "preempted"),
    "a deadline": (
        row("DEADLINE", "DeadLine"),
        JobState.FAILED,
        "its deadline passed before it could end",
    ),
    "the walltime": (row("TIMEOUT", "TimeLimit"), JobState.TIMED_OUT, "it met the walltime"),
    "somebody before it began": (
        row("CANCELLED by 1000"),
        JobState.CANCELLED,
        "cancelled by user 1000 with scancel before it began; if nobody did that, why is in /run/smoke/slurm-7.log",
    ),
    "a node that could not start it": (
        row("CANCELLED"),
        JobState.CANCELLED,
        "cancelled before it began; if nobody did that, why is in /run/smoke/slurm-7.log",
    ),
    "a job that it waited for": (
        row("CANCELLED", "DependencyNeverSatisfied"),
        JobState.CANCELLED,
        "cancelled before it began (DependencyNeverSatisfied)",
    ),
    "a folder that is not there, by the queue": (
        row("FAILED", "JobLaunchFailure"),
        JobState.FAILED,
        "JobLaunchFailure: Slurm could not start it, or killed it; if there are last words: /run/smoke/slurm-7.log",
    ),
    "a folder that is not there, by accounting": (
        row("FAILED", "", exit_code="0:53"),
        JobState.FAILED,
        "Slurm could not start it: its folder /run/smoke is not there on the node",
    ),
    "an end without a record": (
        row("COMPLETED"),
        JobState.FAILED,
        "Slurm says COMPLETED, and it left no exit file; its last words are in /run/smoke/slurm-7.log",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_an_end_has_a_reason(case: str) -> None:
    job, state, reason = ENDS[case]
    assert seen(job) == Observation(state=state, reason=reason)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("None", ""),
        ("Priority", "waits: Priority"),
        ("(Resources)", "waits: Resources"),
        (
            "DependencyNeverSatisfied",
            "DependencyNeverSatisfied: it waits for a job that ended otherwise, and will never begin",
        ),
        (
            "PartitionTimeLimit",
            "PartitionTimeLimit: its walltime is more than the partition allows, so that it may never begin",
        ),
        ("ReqNodeNotAvail, May be reserved", "ReqNodeNotAvail, May be reserved: a node that it wants is not available"),
    ],
)
def test_a_job_that_waits_says_for_what(reason: str, told: str) -> None:
    assert seen(row("PENDING", reason, ended_at="")) == Observation(state=JobState.QUEUED, reason=told)


def test_a_job_whose_nodes_boot_says_so() -> None:
    assert seen(row("CONFIGURING")) == Observation(state=JobState.QUEUED, reason="its nodes are made ready")


def test_who_cancelled_what_had_begun_is_told() -> None:
    cancelled = Observation(state=JobState.CANCELLED, reason="cancelled by user 1000 with scancel")
    assert seen_after_its_start(row("CANCELLED by 1000")) == cancelled


def test_a_word_that_nobody_knows_is_unknown_and_named() -> None:
    assert seen(row("NEWER_WORD")) == Observation(state=JobState.UNKNOWN, reason="Slurm calls its state 'NEWER_WORD'")


def test_an_exit_file_outranks_the_queue() -> None:
    assert seen(row("COMPLETING"), EXIT) == Observation(state=JobState.SUCCEEDED, exit=EXIT)
    assert seen(None, EXIT) == Observation(state=JobState.SUCCEEDED, exit=EXIT)
    failed = evolve(EXIT, exit_code=3)
    assert seen(row("FAILED", "NonZeroExitCode"), failed) == Observation(state=JobState.FAILED, exit=failed)


def test_an_exit_file_of_another_launch_counts_for_nothing() -> None:
    assert seen(row("RUNNING"), evolve(EXIT, mark=OTHER_MARK)) == Observation(state=JobState.RUNNING)


STOPPED = evolve(EXIT, exit_code=143, signal="TERM", results=False)


def test_a_job_that_was_stopped_is_not_ended_before_slurm_says_why() -> None:
    assert seen(row("COMPLETING"), STOPPED) == Observation(
        state=JobState.RUNNING, reason="it was stopped, and is ending"
    )
    assert seen(row("PREEMPTED"), STOPPED) == Observation(state=JobState.FAILED, reason="preempted", exit=STOPPED)
    assert seen(row("CANCELLED by 0"), STOPPED) == Observation(
        state=JobState.CANCELLED, reason="cancelled by user 0 with scancel", exit=STOPPED
    )


def test_a_job_that_slurm_puts_back_into_its_queue_is_over() -> None:
    assert seen(row("PENDING", "BeginTime"), STOPPED) == Observation(
        state=JobState.FAILED,
        reason="Slurm stopped it and put it back into its queue; resume the run to try again",
        exit=STOPPED,
    )


@pytest.mark.parametrize(
    "job",
    [
        row("PENDING", "job requeued in held state"),
        row("SPECIAL_EXIT", "job requeued in special exit state"),
        row("REQUEUE_HOLD"),
    ],
    ids=lambda job: str(job.word),
)
def test_a_job_that_slurm_says_it_put_back_is_over_though_it_left_no_word(job: JobRow) -> None:
    reason = "Slurm stopped it and put it back into its queue; resume the run to try again"
    assert seen_after_its_start(job) == Observation(state=JobState.FAILED, reason=reason)


def test_a_job_that_no_node_could_start_is_not_waited_for_while_it_is_held() -> None:
    assert seen(row("PENDING", "launch failed requeued held")) == Observation(
        state=JobState.FAILED,
        reason="Slurm could not start it (launch failed requeued held); resume the run to try again",
    )


def test_a_job_that_begins_while_it_is_looked_at_is_not_mistaken_for_one_that_was_put_back() -> None:
    both = Observation(state=JobState.RUNNING, reason="it has begun, and Slurm has it in its queue: Resources")
    assert seen_after_its_start(row("PENDING", "Resources")) == both
    waiting = Observation(state=JobState.QUEUED, reason="waits: Resources")
    assert seen_after_its_start(row("PENDING", "Resources"), evolve(START, mark=OTHER_MARK)) == waiting


def test_a_harness_that_was_killed_for_its_memory_is_told_by_slurm() -> None:
    killed = evolve(EXIT, exit_code=137, results=False)
    assert seen(row("RUNNING"), killed) == Observation(state=JobState.RUNNING, reason="it was stopped, and is ending")
    assert seen(row("OUT_OF_MEMORY", "OutOfMemory"), killed) == Observation(
        state=JobState.FAILED, reason="out of memory", exit=killed
    )
    gave_up = evolve(EXIT, exit_code=1, results=False)
    assert seen(row("OUT_OF_MEMORY", "OutOfMemory"), gave_up) == Observation(
        state=JobState.FAILED, reason="out of memory", exit=gave_up
    )


def test_a_model_server_that_ended_has_the_last_word() -> None:
    ended = evolve(EXIT, exit_code=70, results=False, reason="the model server ended before it was ready")
    said = evolve(answer(row("FAILED"), ended), servers={NAME: "CUDA out of memory"})
    assert observe(handle(), said) == Observation(
        state=JobState.FAILED, reason="the model server ended before it was ready: CUDA out of memory", exit=ended
    )


def test_a_job_that_was_stopped_and_is_forgotten_has_its_own_word() -> None:
    assert seen(None, STOPPED) == Observation(state=JobState.FAILED, exit=STOPPED)


def test_that_the_walltime_was_near_is_the_reason_whatever_slurm_calls_it() -> None:
    why = ("TIMED_OUT", "it met its walltime of 01:00:00")
    timed_out = Observation(state=JobState.TIMED_OUT, reason="it met its walltime of 01:00:00")
    assert seen(row("FAILED", "NonZeroExitCode"), STOPPED, why) == evolve(timed_out, exit=STOPPED)
    assert seen(row("NODE_FAIL"), None, why) == timed_out
    assert seen(None, None, why) == timed_out


def test_a_success_right_before_the_walltime_is_one() -> None:
    assert seen(row("COMPLETED"), EXIT, ("TIMED_OUT", "near")) == Observation(state=JobState.SUCCEEDED, exit=EXIT)


def test_a_job_that_ended_just_now_may_have_files_that_are_not_seen_yet() -> None:
    late = Observation(state=JobState.RUNNING, reason="it has ended; its files are not here yet")
    assert seen(row("COMPLETED", ended_at="2026-01-02T03:03:50")) == late
    assert seen(row("FAILED", "NonZeroExitCode", ended_at="2026-01-02T03:03:50")) == late


def test_what_is_not_mentioned_is_not_made_up() -> None:
    assert seen() is None


def test_a_number_that_was_given_again_is_another_job() -> None:
    assert seen(row("COMPLETED", name="somebody-elses")) is None
    assert seen(row("RUNNING", name=f"acc-sub.{NAME}")) == Observation(state=JobState.RUNNING)


def test_while_accounting_does_not_answer_nothing_is_known_of_what_the_queue_forgot() -> None:
    found = observe(handle(), evolve(answer(), unaccounted="connection refused"))
    assert found == Observation(state=JobState.UNKNOWN, reason="accounting does not answer: connection refused")


def test_a_running_job_tells_its_progress_and_when_it_began() -> None:
    running = evolve(answer(row("RUNNING")), starts={NAME: START}, progress={NAME: "40/100"})
    assert observe(handle(), running) == Observation(
        state=JobState.RUNNING, progress="40/100", started_at="2026-01-02T03:00:00Z"
    )


def test_a_suspended_job_says_so() -> None:
    assert seen(row("SUSPENDED")) == Observation(state=JobState.RUNNING, reason="suspended")
