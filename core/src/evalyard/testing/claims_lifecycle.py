"""Claims about making, finding, watching and removing: nothing twice, nothing forgotten, nothing invented."""

from __future__ import annotations

import time

from attrs import evolve

from evalyard.ids import backend_name, new_mark
from evalyard.orchestrator.plan import merged_needs
from evalyard.records import Handle, LaunchError
from evalyard.states import JobState
from evalyard.testing.claims import Claims
from evalyard.testing.rig import BEAT, LEAVE_RESULTS, Rig, Trial, stranger, task, wait_until

NOTE_START = 'echo started >> "$EVALYARD_OUTPUT_DIR/starts"'
POLLS = 50
STILL_S = 0.6
"""How long a harness that beats every 0.1 s must have been silent to count as dead."""


class LifecycleClaims(Claims):
    """From provisioning to teardown."""

    def test_provisioning_twice_makes_one_thing(self, rig: Rig) -> None:
        trial = rig.trial(task(LEAVE_RESULTS))
        trial.provision()
        for need in trial.plans[0].needs:
            made = trial.run.history().need(need.key)
            assert made is not None
            assert made.latest.handle is not None
            again = _named(trial, need.key)
            assert again == made.latest.handle, need.key

    def test_launching_twice_runs_one_process_under_one_handle(self, rig: Rig) -> None:
        trial = rig.trial(task(f"{NOTE_START}; sleep 0.3; {LEAVE_RESULTS}"))
        trial.provision()
        name = trial.plans[0].name
        first = trial.session.launch(trial.run.context(), trial.plans)[name]
        second = trial.session.launch(trial.run.context(), trial.plans)[name]
        assert isinstance(first, Handle), first
        assert second == first
        assert trial.await_end(first).state is JobState.SUCCEEDED
        third = trial.session.launch(trial.run.context(), trial.plans)[name]
        assert third == first
        assert trial.await_end(first).state is JobState.SUCCEEDED
        assert self.lines_of(trial.artifact("starts")) == ["started"]

    def test_a_launch_whose_reply_was_lost_is_found_by_name_and_mark(self, rig: Rig) -> None:
        trial = rig.trial(task(f"{NOTE_START}; {LEAVE_RESULTS}"))
        trial.provision()
        assert trial.session.find(trial.run.context(), trial.marks) == {}
        trial.session.launch(trial.run.context(), trial.plans)  # and nobody hears the answer
        found = trial.session.find(trial.run.context(), trial.marks)
        assert set(found) == set(trial.marks)
        handle = found[trial.plans[0].name]
        assert handle.mark == trial.plans[0].mark
        assert trial.await_end(handle).state is JobState.SUCCEEDED
        assert trial.session.find(trial.run.context(), trial.marks), "an ended job is found too"

    def test_what_carries_another_mark_is_not_found(self, rig: Rig) -> None:
        trial = rig.trial(task(LEAVE_RESULTS))
        trial.begin()
        assert trial.session.find(trial.run.context(), dict.fromkeys(trial.marks, new_mark())) == {}

    def test_one_refused_job_of_three_fails_alone(self, rig: Rig) -> None:
        trial = rig.trial(*(task(LEAVE_RESULTS, name=name) for name in ("first", "refused", "third")))
        trial.provision()
        self.spoil(trial.plans[1])
        answers = trial.session.launch(trial.run.context(), trial.plans)
        first, refused, third = (answers[plan.name] for plan in trial.plans)
        assert isinstance(refused, LaunchError)
        assert refused.message
        assert not refused.transient
        for handle in (first, third):
            assert isinstance(handle, Handle), handle
            assert trial.await_end(handle).state is JobState.SUCCEEDED

    def test_what_does_not_exist_is_never_said_to_have_succeeded(self, rig: Rig) -> None:
        trial = rig.trial(task(LEAVE_RESULTS))
        (handle,) = trial.begin()
        trial.await_end(handle)
        absent = stranger(handle)
        answers = trial.session.status(trial.run.context(), [absent, handle])
        assert answers[absent.name].state is not JobState.SUCCEEDED
        assert answers[handle.name].state is JobState.SUCCEEDED

    def test_a_terminal_state_is_stable_over_many_polls_among_live_jobs(self, rig: Rig) -> None:
        trial = rig.trial(task(LEAVE_RESULTS, name="short"), task(BEAT, name="long"))
        trial.provision()
        answers = trial.session.launch(trial.run.context(), trial.plans)
        handles = [answer for answer in answers.values() if isinstance(answer, Handle)]
        assert len(handles) == len(trial.plans), answers
        ended = trial.await_end(handles[0])
        assert ended.state is JobState.SUCCEEDED
        polls = [trial.session.status(trial.run.context(), handles) for _ in range(POLLS)]
        assert {poll[handles[0].name].state for poll in polls} == {ended.state}
        assert {poll[handles[0].name].exit for poll in polls} == {ended.exit}
        assert not any(poll[handles[1].name].state.final for poll in polls)

    def test_teardown_ends_a_running_job_for_good(self, rig: Rig) -> None:
        trial = rig.trial(task(BEAT))
        (handle,) = trial.begin()
        wait_until(lambda: bool(self.lines_of(trial.artifact("beat"))), "the harness runs")
        assert trial.session.teardown(trial.run.context(), [handle]) == ()
        before = self.lines_of(trial.artifact("beat"))
        time.sleep(STILL_S)
        assert self.lines_of(trial.artifact("beat")) == before

    def test_teardown_can_be_repeated_keeps_results_and_takes_the_absent_for_gone(self, rig: Rig) -> None:
        trial = rig.trial(task(LEAVE_RESULTS))
        (handle,) = trial.begin()
        trial.await_end(handle)
        for _ in range(2):
            assert trial.session.teardown(trial.run.context(), [handle, stranger(handle)]) == ()
        assert self.read_file(trial.artifact("results.yml")) == b"results: {}\n"

    def test_a_job_that_is_in_no_record_is_an_orphan_and_a_known_one_is_not(self, rig: Rig) -> None:
        trial = rig.trial(task(BEAT))
        self.offered("orphans", there=trial.session.can("orphans"))
        (handle,) = trial.begin()
        needs = {
            need.latest.handle.name: need.latest.handle.mark
            for need in trial.run.history().needs
            if need.latest.handle is not None
        }
        assert trial.session.orphans(trial.run.context(), {**trial.marks, **needs}) == ()
        orphans = trial.session.orphans(trial.run.context(), needs)
        assert [(orphan.name, orphan.mark) for orphan in orphans] == [(handle.name, handle.mark)]


def _named(trial: Trial, key: str) -> Handle:
    """Provision a need again under the name and mark that it has on record."""
    need = next(need for need in merged_needs(trial.plans) if need.key == key)
    known = trial.run.history().need(key)
    assert known is not None
    name = backend_name(trial.run.id, key, known.latest.number)
    named = evolve(need, name=name, mark=known.latest.mark, attempt=known.latest.number)
    return trial.session.provision(trial.run.context(), named)
