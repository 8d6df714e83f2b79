"""Claims about how jobs end: by themselves, or because somebody asked."""

from __future__ import annotations

from evalyard.states import JobState
from evalyard.store.history import Attempt
from evalyard.testing.claims import Claims
from evalyard.testing.rig import BEAT, LEAVE_RESULTS, Rig, task, wait_until


class EndClaims(Claims):
    """How jobs end."""

    def test_exit_code_0_with_a_result_is_success(self, rig: Rig) -> None:
        attempt = _ended(rig, LEAVE_RESULTS)
        assert (attempt.state, attempt.exit_code) == (JobState.SUCCEEDED, 0)

    def test_exit_code_0_without_a_result_is_failure(self, rig: Rig) -> None:
        attempt = _ended(rig, "true")
        assert attempt.state is JobState.FAILED
        assert "no result file" in attempt.reason

    def test_another_exit_code_is_failure_and_the_reason_tells_it(self, rig: Rig) -> None:
        attempt = _ended(rig, f"{LEAVE_RESULTS}; exit 3")
        assert (attempt.state, attempt.exit_code) == (JobState.FAILED, 3)
        assert "3" in attempt.reason

    def test_a_harness_that_is_killed_has_failed_with_a_reason(self, rig: Rig) -> None:
        attempt = _ended(rig, f"{LEAVE_RESULTS}; kill -9 $$")
        assert attempt.state is JobState.FAILED
        assert attempt.reason

    def test_cancelling_right_after_the_launch_ends_the_job(self, rig: Rig) -> None:
        trial = rig.trial(task(BEAT))
        trial.begin()
        trial.cancel()
        assert trial.attempt().state is JobState.CANCELLED

    def test_cancelling_a_running_job_lets_the_harness_flush(self, rig: Rig) -> None:
        on_term = """trap 'echo flushed > "$EVALYARD_OUTPUT_DIR/flushed"; exit 143' TERM"""
        trial = rig.trial(task(f"{on_term}\n{BEAT}"))
        trial.begin()
        wait_until(lambda: bool(self.lines_of(trial.artifact("beat"))), "the harness runs")
        trial.cancel()
        assert trial.attempt().state is JobState.CANCELLED
        assert self.lines_of(trial.artifact("flushed")) == ["flushed"]

    def test_cancelling_twice_is_no_error(self, rig: Rig) -> None:
        trial = rig.trial(task(BEAT))
        (handle,) = trial.begin()
        for _ in range(2):
            assert trial.session.cancel(trial.run.context(), [handle]) == ()
        trial.await_end(handle)
        assert trial.session.cancel(trial.run.context(), [handle]) == ()

    def test_cancelling_a_finished_job_leaves_its_result_true(self, rig: Rig) -> None:
        trial = rig.trial(task(LEAVE_RESULTS))
        (handle,) = trial.begin()
        before = trial.await_end(handle)
        for _ in range(2):
            assert trial.session.cancel(trial.run.context(), [handle]) == ()
        assert trial.observe(handle) == before
        trial.cancel()
        assert trial.attempt().state is JobState.SUCCEEDED


def _ended(rig: Rig, command: str) -> Attempt:
    trial = rig.trial(task(command))
    trial.finish()
    return trial.attempt()
