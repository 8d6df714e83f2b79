"""Claims about how jobs end: by themselves, or because somebody asked."""

from __future__ import annotations

import time
from collections.abc import Mapping

from evalyard.states import JobState
from evalyard.store.history import Attempt
from evalyard.testing.claims import Claims
from evalyard.testing.rig import LEAVE_RESULTS, Rig, stranger, task

WATCHED_S = 5.0
"""How long a job that said nothing is looked at, unless there is an answer before."""
_VANISHES = """\
echo now > "$EVALYARD_OUTPUT_DIR/vanishing"
kill -9 "$(sed -n 's/.*"pid": \\([0-9][0-9]*\\).*/\\1/p' attempts/1/started.json)"
exit 9"""
"""A harness that takes its job script with it, where it can: nobody writes an exit file then."""
_ENDINGS = {
    "succeeds": LEAVE_RESULTS,
    "leaves nothing": "true",
    "exits with 3": f"{LEAVE_RESULTS}; exit 3",
    "is killed": f"{LEAVE_RESULTS}; kill -9 $$",
}


class EndClaims(Claims):
    """How jobs end."""

    def endings(self, rig: Rig) -> Mapping[str, Attempt]:
        """Run one job for each way to end, once for all claims; return what core has on record of each."""
        return self.once("endings", lambda: _ended(rig))

    def test_exit_code_0_with_a_result_is_success(self, rig: Rig) -> None:
        """The exit file that the job script writes is the evidence: hand it over as `Observation.exit`."""
        attempt = self.endings(rig)["succeeds"]
        assert (attempt.state, attempt.exit_code) == (JobState.SUCCEEDED, 0)

    def test_exit_code_0_without_a_result_is_failure(self, rig: Rig) -> None:
        """A backend's "completed" is not enough: the exit file says whether there was a result."""
        attempt = self.endings(rig)["leaves nothing"]
        assert attempt.state is JobState.FAILED
        assert "no result file" in attempt.reason

    def test_another_exit_code_is_failure_and_the_reason_tells_it(self, rig: Rig) -> None:
        """The code is the harness's own, not that of what started it."""
        attempt = self.endings(rig)["exits with 3"]
        assert (attempt.state, attempt.exit_code) == (JobState.FAILED, 3)
        assert "3" in attempt.reason

    def test_a_harness_that_is_killed_has_failed_with_a_reason(self, rig: Rig) -> None:
        """A result file proves nothing when the harness was killed after it."""
        attempt = self.endings(rig)["is killed"]
        assert attempt.state is JobState.FAILED
        assert attempt.reason

    def test_a_job_that_ends_without_a_word_has_not_succeeded(self, rig: Rig) -> None:
        """Gone, and no exit file: it was killed, or its machine was. Say so, or leave it out of the answer."""
        trial = rig.trial(task(_VANISHES))
        (handle,) = trial.begin()
        rig.wait_until(lambda: bool(self.lines_of(trial.artifact("vanishing"))), "the harness runs")
        give_up = time.monotonic() + WATCHED_S
        seen = trial.observe(handle)
        while not (seen.state.final or seen.missing) and time.monotonic() < give_up:
            time.sleep(0.05)
            seen = trial.observe(handle)
        assert seen.state is not JobState.SUCCEEDED, "no news is no success"

    def test_cancelling_right_after_the_launch_ends_the_job(self, rig: Rig) -> None:
        """What is still in the queue, or about to begin, has to be ended too."""
        trial = rig.trial(task(rig.beat))
        trial.begin()
        trial.cancel()
        assert trial.attempt().state is JobState.CANCELLED

    def test_cancelling_a_running_job_lets_the_harness_flush(self, rig: Rig) -> None:
        """SIGTERM goes to the job script, which passes it on and waits for the grace; only then SIGKILL."""
        on_term = """trap 'echo flushed > "$EVALYARD_OUTPUT_DIR/flushed"; exit 143' TERM"""
        trial = rig.trial(task(f"{on_term}\n{rig.beat}"))
        trial.begin()
        rig.wait_until(lambda: bool(self.lines_of(trial.artifact("beat"))), "the harness runs")
        trial.cancel()
        assert trial.attempt().state is JobState.CANCELLED
        assert self.lines_of(trial.artifact("flushed")) == ["flushed"]

    def test_cancelling_twice_is_no_error(self, rig: Rig) -> None:
        """Nor is cancelling what does not exist: whoever cancels may come late."""
        trial = rig.trial(task(rig.beat))
        (handle,) = trial.begin()
        with self.no_error():
            for _ in range(2):
                assert trial.session.cancel(trial.run.context(), [handle]) == ()
            trial.await_end(handle)
            assert trial.session.cancel(trial.run.context(), [handle, stranger(handle)]) == ()

    def test_cancelling_a_finished_job_leaves_its_result_true(self, rig: Rig) -> None:
        """That somebody wished for the end is core's to know; what the executor reports is how it ended."""
        trial = rig.trial(task(LEAVE_RESULTS))
        (handle,) = trial.begin()
        before = trial.await_end(handle)
        for _ in range(2):
            assert trial.session.cancel(trial.run.context(), [handle]) == ()
        assert trial.observe(handle) == before
        trial.cancel()
        assert trial.attempt().state is JobState.SUCCEEDED


def _ended(rig: Rig) -> dict[str, Attempt]:
    trial = rig.trial(*(task(command, name=name) for name, command in _ENDINGS.items()))
    trial.finish()
    return {name: trial.attempt(number) for number, name in enumerate(_ENDINGS, start=1)}
