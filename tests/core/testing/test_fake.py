"""evalyard.testing.fake: what goes wrong at its backend, and that core copes with it."""

from pathlib import Path

import pytest
from attrs import evolve

from evalyard import BackendError, JobState, Need, NeedKind, Transient
from evalyard.ids import new_mark
from evalyard.testing.fake import FakeSettings
from evalyard.testing.fake_backend import FakeBackend
from evalyard.testing.patience import wait_until
from evalyard.testing.rig import LEAVE_RESULTS, Rig, task

pytest_plugins = ["evalyard.testing.fixtures"]


def test_connections_that_name_one_backend_share_its_book(fake_backend: FakeBackend) -> None:
    assert FakeBackend.at(FakeSettings(output_dir="elsewhere").connection()) is fake_backend
    assert FakeBackend.at(FakeSettings(output_dir="", backend="other").connection()) is not fake_backend


def test_calls_are_on_record_in_their_order(fake_backend: FakeBackend, fake_rig: Rig) -> None:
    fake_rig.trial(task(LEAVE_RESULTS)).begin()
    assert fake_backend.calls[:3] == ["provision", "find", "launch"]


def test_a_job_that_the_answer_omits_is_unknown_and_keeps_its_state(fake_backend: FakeBackend, fake_rig: Rig) -> None:
    trial = fake_rig.trial(task(LEAVE_RESULTS))
    (handle,) = trial.begin()
    fake_backend.faults.omitted = {handle.name}
    seen = trial.observe(handle)
    assert (seen.state, seen.missing) == (JobState.UNKNOWN, True)
    trial.conductor.look()
    assert not trial.attempt().state.final
    fake_backend.faults.omitted = set()
    trial.finish()
    assert trial.attempt().state is JobState.SUCCEEDED


def test_a_query_that_fails_is_unknown_with_its_cause(fake_backend: FakeBackend, fake_rig: Rig) -> None:
    trial = fake_rig.trial(task(LEAVE_RESULTS))
    (handle,) = trial.begin()
    fake_backend.faults.query_fails = "the line is down"
    seen = trial.observe(handle)
    assert (seen.state, seen.reason, seen.missing) == (JobState.UNKNOWN, "the line is down", False)


def test_a_lost_reply_is_adopted_and_nothing_runs_twice(fake_backend: FakeBackend, fake_rig: Rig) -> None:
    trial = fake_rig.trial(task(f'echo started >> "$EVALYARD_OUTPUT_DIR/starts"; {LEAVE_RESULTS}'))
    fake_backend.faults.lost_replies = 1
    trial.begin()
    trial.finish()
    assert trial.attempt().state is JobState.SUCCEEDED
    assert fake_backend.calls.count("launch") == 1
    assert Path(trial.artifact("starts")).read_text(encoding="utf-8") == "started\n"


def test_a_refused_job_fails_alone_with_the_backends_words(fake_backend: FakeBackend, fake_rig: Rig) -> None:
    trial = fake_rig.trial(task(LEAVE_RESULTS, name="good"), task(LEAVE_RESULTS, name="bad"))
    fake_backend.faults.refused = {trial.plans[1].name: "no such partition"}
    trial.finish()
    assert trial.attempt(1).state is JobState.SUCCEEDED
    assert (trial.attempt(2).state, trial.attempt(2).reason) == (
        JobState.FAILED,
        "not launched: no such partition",
    )


def test_what_is_stuck_remains_after_teardown(fake_backend: FakeBackend, fake_rig: Rig) -> None:
    trial = fake_rig.trial(task(LEAVE_RESULTS))
    (handle,) = trial.begin()
    trial.await_end(handle)
    fake_backend.faults.stuck = {handle.name}
    assert trial.session.teardown(trial.run.context(), [handle]) == (handle,)
    fake_backend.faults.stuck = set()
    assert trial.session.teardown(trial.run.context(), [handle]) == ()


def test_a_closed_queue_holds_jobs_until_it_opens(fake_backend: FakeBackend, fake_rig: Rig) -> None:
    trial = fake_rig.trial(task(LEAVE_RESULTS))
    fake_backend.faults.queue = True
    (handle,) = trial.begin()
    assert trial.observe(handle).state is JobState.QUEUED
    fake_backend.faults.queue = False
    wait_until(lambda: trial.observe(handle).state is JobState.SUCCEEDED, "the job succeeded")


def test_a_job_cancelled_in_the_queue_never_starts(fake_backend: FakeBackend, fake_rig: Rig) -> None:
    trial = fake_rig.trial(task(LEAVE_RESULTS))
    fake_backend.faults.queue = True
    trial.begin()
    trial.cancel()
    assert trial.attempt().state is JobState.CANCELLED
    assert not Path(trial.artifact("results.yml")).exists()


def test_a_backend_that_is_down_answers_no_call(fake_backend: FakeBackend, fake_rig: Rig) -> None:
    trial = fake_rig.trial(task(LEAVE_RESULTS))
    fake_backend.faults.unreachable = "connection refused"
    with pytest.raises(Transient, match="connection refused"):
        trial.session.find(trial.run.context(), trial.marks)


def test_a_name_that_is_somebody_elses_is_refused(fake_rig: Rig) -> None:
    trial = fake_rig.trial(task(LEAVE_RESULTS))
    trial.begin()
    need = Need(key="files", kind=NeedKind.FILES, name=f"ey-{trial.run.id}-files-1", mark=new_mark())
    with pytest.raises(BackendError, match="not ours"):
        trial.session.provision(trial.run.context(), need)
    answers = trial.session.launch(trial.run.context(), [evolve(trial.plans[0], mark=new_mark())])
    assert "not ours" in str(answers[trial.plans[0].name])
