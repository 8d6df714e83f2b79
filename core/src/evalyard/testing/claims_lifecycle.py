"""Claims about making, finding, watching and removing: nothing twice, nothing forgotten, nothing invented."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from attrs import evolve

from evalyard.errors import Transient
from evalyard.ids import backend_name, new_mark
from evalyard.orchestrator.plan import merged_needs
from evalyard.plugins.context import Context
from evalyard.plugins.session import Session
from evalyard.records.handles import Handle, LaunchError
from evalyard.records.plans import Plan
from evalyard.states import JobState
from evalyard.store.journal import converter
from evalyard.testing.claims import Claims
from evalyard.testing.faults import LostReply
from evalyard.testing.fresh import in_fresh_process
from evalyard.testing.rig import LEAVE_RESULTS, NOTE_START, Rig, stranger, task
from evalyard.testing.storm import STILL_S
from evalyard.testing.trial import Trial


class LifecycleClaims(Claims):
    """From provisioning to teardown."""

    def test_provisioning_twice_makes_one_thing(self, rig: Rig) -> None:
        """A crash may come between the making and its record: what carries our name and mark is finished or adopted."""
        trial = rig.trial(task(LEAVE_RESULTS))
        trial.provision()
        for need in trial.plans[0].needs:
            made = trial.run.history().need(need.key)
            assert made is not None
            assert made.latest.handle is not None
            again = _named(trial, need.key)
            assert again == made.latest.handle, need.key

    def test_launching_twice_runs_one_process_under_one_handle(self, rig: Rig) -> None:
        """Launch adopts what is there, running or ended, under the handle that it had."""
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
        assert self.starts(trial.plans[0].directory) == 1

    def test_a_launch_whose_reply_was_lost_is_found_by_name_and_mark(self, rig: Rig) -> None:
        """The mark has to be where `find` sees it: a label, a variable, a file that is written first."""
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

    def test_a_reply_that_is_lost_after_the_launch_makes_no_second_run(self, rig: Rig) -> None:
        """Core looks for the job before it launches again: `find` has to see what was launched a moment ago."""
        lost = LostReply()
        trial = rig.trial(task(f"{NOTE_START}; {LEAVE_RESULTS}"), faults=[lost])
        trial.finish()
        assert lost.lost == 1
        assert (trial.attempt().state, trial.attempt().reason) == (JobState.SUCCEEDED, "")
        assert self.starts(trial.plans[0].directory) == 1

    def test_two_launchers_at_the_same_instant_start_one_run(self, rig: Rig) -> None:
        """To look and then to launch is not enough: the backend, or a lock where the job runs, decides who is first.

        The later one may be told `Transient`, and then finds what the first one launched.
        """
        command = f"{NOTE_START}; {LEAVE_RESULTS}"
        trial = rig.trial(*(task(command, name=f"race-{number}") for number in range(self.races)))
        trial.provision()
        rivals = (trial.session, rig.session())
        handles: dict[str, Handle] = {}
        for plan in trial.plans:
            told = [one for one in _race(trial, rivals, plan) if isinstance(one, Handle)]
            found = trial.session.find(trial.run.context(), {plan.name: plan.mark})
            assert set(found) == {plan.name}
            assert [one.id for one in told if one.id != found[plan.name].id] == []
            handles |= found
        for plan in trial.plans:
            assert trial.await_end(handles[plan.name]).state is JobState.SUCCEEDED
            assert self.starts(plan.directory) == 1

    def test_another_process_goes_on_with_what_is_on_record(self, rig: Rig) -> None:
        """All that the executor needs to know of a job is in its handle, as text, and at the backend."""
        trial = rig.trial(task(rig.beat))
        (handle,) = trial.begin()
        raw = json.loads(json.dumps(converter.unstructure(handle)))
        stored = converter.structure({**raw, "a_field_of_a_newer_version": 1}, Handle)
        assert stored == handle
        later = rig.session()
        context = trial.run.context()
        seen = later.status(context, [stored])[stored.name]
        assert (seen.missing, seen.state.final, seen.state is JobState.UNKNOWN) == (False, False, False)
        assert later.find(context, trial.marks)[handle.name].id == handle.id
        later.logs(context, stored, "client", "", 1 << 16)
        assert later.cancel(context, [stored]) == ()
        assert trial.await_end(handle).state is not JobState.SUCCEEDED

    def test_another_interpreter_sees_and_ends_what_this_one_has_launched(self, rig: Rig) -> None:
        """`status` and `kill` are programs of their own: what a module remembers of its launches is not there."""
        self.offered("discovery", there=bool(self.executor))
        trial = rig.trial(task(rig.beat))
        trial.begin()
        rig.wait_until(lambda: bool(self.lines_of(trial.artifact("beat"))), "the harness runs")
        for what, state in (("look", JobState.RUNNING), ("stop", JobState.CANCELLED)):
            done = in_fresh_process(rig, "evalyard.testing.sweep_child", str(rig.store.home), trial.run.id, what)
            assert done.returncode == 0, f"{what}: {done.stderr}"
            now = trial.attempt()
            assert now.state is state, f"after a {what} by another interpreter it is {now.state}: {now.reason}"
        before = self.lines_of(trial.artifact("beat"))
        time.sleep(STILL_S)
        assert self.lines_of(trial.artifact("beat")) == before

    def test_jobs_of_two_runs_are_seen_in_one_answer(self, rig: Rig) -> None:
        """Core asks about all runs at a connection at once: nothing about a job may be taken from `ctx.run_dir`."""
        one, other = (rig.trial(task(LEAVE_RESULTS)) for _ in range(2))
        handles = [*one.begin(), *other.begin()]
        for trial, handle in zip((one, other), handles, strict=True):
            trial.await_end(handle)
        seen = one.session.status(one.run.context(), handles)
        assert [seen[handle.name].state for handle in handles] == [JobState.SUCCEEDED] * 2

    def test_what_carries_another_mark_is_not_found(self, rig: Rig) -> None:
        """A name may be taken by somebody else: only name and mark together are ours."""
        trial = rig.trial(task(LEAVE_RESULTS))
        trial.begin()
        assert trial.session.find(trial.run.context(), dict.fromkeys(trial.marks, new_mark())) == {}

    def test_one_refused_job_of_three_fails_alone(self, rig: Rig) -> None:
        """Answer with a LaunchError for the refused one, in the backend's words; raise only when nothing is known."""
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
        """Leave it out of the answer: core counts the silence. No news is no success."""
        trial = rig.trial(task(LEAVE_RESULTS))
        (handle,) = trial.begin()
        trial.await_end(handle)
        absent = stranger(handle)
        answers = trial.session.status(trial.run.context(), [absent, handle])
        assert answers[absent.name].state is not JobState.SUCCEEDED
        assert answers[handle.name].state is JobState.SUCCEEDED

    def test_a_terminal_state_is_stable_over_many_polls_among_live_jobs(self, rig: Rig) -> None:
        """The exit file outranks the queue, which forgets."""
        trial = rig.trial(task(LEAVE_RESULTS, name="short"), task(rig.beat, name="long"))
        trial.provision()
        answers = trial.session.launch(trial.run.context(), trial.plans)
        handles = [answer for answer in answers.values() if isinstance(answer, Handle)]
        assert len(handles) == len(trial.plans), answers
        ended = trial.await_end(handles[0])
        assert ended.state is JobState.SUCCEEDED
        polls = [trial.session.status(trial.run.context(), handles) for _ in range(self.polls)]
        assert {poll[handles[0].name].state for poll in polls} == {ended.state}
        assert {poll[handles[0].name].exit for poll in polls} == {ended.exit}
        assert not any(poll[handles[1].name].state.final for poll in polls)

    def test_teardown_ends_a_running_job_for_good(self, rig: Rig) -> None:
        """ "Gone" when the backend says so: not when the request was taken."""
        trial = rig.trial(task(rig.beat))
        (handle,) = trial.begin()
        rig.wait_until(lambda: bool(self.lines_of(trial.artifact("beat"))), "the harness runs")
        assert trial.session.teardown(trial.run.context(), [handle]) == ()
        before = self.lines_of(trial.artifact("beat"))
        time.sleep(STILL_S)
        assert self.lines_of(trial.artifact("beat")) == before

    def test_teardown_ends_what_was_launched_and_never_heard_of(self, rig: Rig) -> None:
        """A handle with neither id nor data: a launch whose reply was lost. It must not be at work, nor begin later."""
        trial = rig.trial(task(rig.beat))
        trial.begin()
        unheard = Handle(name=trial.plans[0].name, mark=trial.plans[0].mark)
        assert trial.session.teardown(trial.run.context(), [unheard]) == ()
        before = self.lines_of(trial.artifact("beat"))
        time.sleep(STILL_S)
        assert self.lines_of(trial.artifact("beat")) == before

    def test_teardown_can_be_repeated_keeps_results_and_takes_the_absent_for_gone(self, rig: Rig) -> None:
        """Absent is what teardown wants; results, logs and exit files stay."""
        trial = rig.trial(task(LEAVE_RESULTS))
        (handle,) = trial.begin()
        trial.await_end(handle)
        for _ in range(2):
            assert trial.session.teardown(trial.run.context(), [handle, stranger(handle)]) == ()
        assert self.lines_of(trial.artifact("results.yml")) == ["results: {}"]

    def test_a_job_that_is_in_no_record_is_an_orphan_and_a_known_one_is_not(self, rig: Rig) -> None:
        """An orphan carries our mark and owner, and `known` does not hold it."""
        trial = rig.trial(task(rig.beat))
        self.offered("orphans", there=trial.session.can("orphans"))
        (handle,) = trial.begin()
        needs = {
            need.latest.handle.name: need.latest.handle.mark
            for need in trial.run.history().needs
            if need.latest.handle is not None
        }
        assert trial.session.orphans(_of_no_run(trial), {**trial.marks, **needs}) == ()
        orphans = trial.session.orphans(_of_no_run(trial), needs)
        assert [(orphan.name, orphan.mark) for orphan in orphans] == [(handle.name, handle.mark)]

    def test_what_another_launcher_made_is_no_orphan_of_ours(self, rig: Rig) -> None:
        """Whatever is made carries `ctx.owner`: two people, or two machines, may use one backend."""
        trial = rig.trial(task(rig.beat))
        self.offered("orphans", there=trial.session.can("orphans"))
        trial.begin()
        theirs = evolve(_of_no_run(trial), owner="another-machine:/another/home")
        assert trial.session.orphans(theirs, {}) == ()

    def test_an_orphan_can_be_ended_by_whoever_finds_it(self, rig: Rig) -> None:
        """`evalyard gc` hands an orphan's handle to teardown, and knows nothing else of it: `ctx.run_dir` is empty."""
        trial = rig.trial(task(rig.beat))
        self.offered("orphans", there=trial.session.can("orphans"))
        (handle,) = trial.begin()
        finder = rig.session()
        (orphan,) = [one for one in finder.orphans(_of_no_run(trial), {}) if one.name == handle.name]
        assert finder.teardown(_of_no_run(trial), [orphan]) == ()
        assert handle.name not in {one.name for one in finder.orphans(_of_no_run(trial), {})}
        before = self.lines_of(trial.artifact("beat"))
        time.sleep(STILL_S)
        assert self.lines_of(trial.artifact("beat")) == before


def _of_no_run(trial: Trial) -> Context:
    """Return what `evalyard gc` hands to hooks, which asks about a backend and no run."""
    return evolve(trial.run.context(), run_dir="")


def _race(trial: Trial, rivals: Sequence[Session], plan: Plan) -> list[Handle | LaunchError | Transient]:
    """Let every session launch one plan at the same instant; return what each was told."""
    start = threading.Barrier(len(rivals))

    def launch(session: Session) -> Handle | LaunchError | Transient:
        start.wait()
        try:
            return session.launch(trial.run.context(), [plan])[plan.name]
        except Transient as error:
            return error

    with ThreadPoolExecutor(len(rivals)) as pool:
        return list(pool.map(launch, rivals))


def _named(trial: Trial, key: str) -> Handle:
    """Provision a need again under the name and mark that it has on record."""
    need = next(need for need in merged_needs(trial.plans) if need.key == key)
    known = trial.run.history().need(key)
    assert known is not None
    name = backend_name(trial.run.id, key, known.latest.number)
    named = evolve(need, name=name, mark=known.latest.mark, attempt=known.latest.number)
    return trial.session.provision(trial.run.context(), named)
