"""Mutants that end jobs wrongly, or say that they have."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from attrs import evolve

from evalyard import BackendError, Context, EvalyardError, Handle, JobState, LaunchError, Observation, Plan, hookimpl
from evalyard.ids import new_mark
from evalyard.testing import Conformance
from evalyard.testing.fake import Fake
from evalyard.testing.fake_backend import FakeBackend
from tests.contract.mutants.kinds import Mutant


class CancelRewritesHistory(Fake):
    """A job that was asked to end counts as cancelled, even if it had ended before."""

    cancelled: ClassVar[set[str]] = set()

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        self.cancelled.update(handle.name for handle in handles)
        return super().cancel(ctx, handles)

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        seen = super().status(ctx, handles)
        gone = Observation(state=JobState.CANCELLED)
        return {name: gone if name in self.cancelled else observation for name, observation in seen.items()}


class CancelsOutright(Fake):
    """Cancels by killing, so that no harness ever flushes."""

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        for handle in handles:
            FakeBackend.at(ctx.connection).book[handle.name].end()
        return ()


class CancelsWithoutAsking(Fake):
    """Cancelling what is not there, or not any more, is an error."""

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        book = FakeBackend.at(ctx.connection).book
        for handle in handles:
            if handle.name not in book or not book[handle.name].running:
                raise BackendError(f"{handle.name}: no such job")
        return super().cancel(ctx, handles)


class CannotCancelTheYoung(Fake):
    """A job that was launched a moment ago is not known yet to who cancels."""

    born: ClassVar[dict[str, float]] = {}

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        self.born.update({plan.name: time.monotonic() for plan in plans})
        return super().launch(ctx, plans)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        young = [handle for handle in handles if time.monotonic() - self.born[handle.name] < 30]
        super().cancel(ctx, [handle for handle in handles if handle not in young])
        return young


class LeaksOnTeardown(Fake):
    """Says gone, and does nothing."""

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        return ()


class SaysGoneTooEarly(Fake):
    """Says gone when the request was taken."""

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        # Not before a claim has looked, however loaded the machine is.
        threading.Timer(2.0, super().teardown, (ctx, handles)).start()
        return ()


class GoneWhenItCannotAsk(Fake):
    """Nobody answers: then there is nothing to remove."""

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        try:
            return super().teardown(ctx, handles)
        except EvalyardError:
            return ()


class AwaitsTheEnd(Fake):
    """Whoever cancels waits until the job has ended, however long that takes."""

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        backend = FakeBackend.at(ctx.connection)
        while backend.faults.hanging and any(backend.book[handle.name].running for handle in handles):
            time.sleep(0.01)
        return super().cancel(ctx, handles)


class GoneWhenTimeIsUp(Fake):
    """What could not be removed in time counts as removed."""

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        return () if FakeBackend.at(ctx.connection).faults.hanging else super().teardown(ctx, handles)


class NeedsAnId(Fake):
    """Removes what it has the backend's own id of, and nothing else."""

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        return super().teardown(ctx, [handle for handle in handles if handle.id])


class TidiesUp(Fake):
    """Teardown removes the job's folder, results and all."""

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        left = super().teardown(ctx, handles)
        for handle in (handle for handle in handles if handle.kind == "job"):
            shutil.rmtree(Path(handle.data["directory"]), ignore_errors=True)
        return left


class SeesNoOrphans(Fake):
    """Never finds what nobody knows of."""

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
        return ()


class OrphansOfEverybody(Fake):
    """Takes what others made for its own orphans."""

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
        book = FakeBackend.at(ctx.connection).book
        return [entry.handle for name, entry in book.items() if known.get(name) != entry.handle.mark]


class OrphansOfOneRun(Fake):
    """Looks for orphans in the folder of a run, whichever that is."""

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
        return [orphan for orphan in super().orphans(ctx, known) if ctx.run_dir and orphan.data["directory"]]


class OrphansWithoutAMark(Fake):
    """Finds orphans, and cannot end them: their handles do not say whose they are."""

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
        return [evolve(handle, mark=new_mark()) for handle in super().orphans(ctx, known)]


ENDING = (
    Mutant(executor=CancelRewritesHistory, fails=(Conformance.test_cancelling_a_finished_job_leaves_its_result_true,)),
    Mutant(executor=CancelsOutright, fails=(Conformance.test_cancelling_a_running_job_lets_the_harness_flush,)),
    Mutant(executor=CancelsWithoutAsking, fails=(Conformance.test_cancelling_twice_is_no_error,)),
    Mutant(executor=CannotCancelTheYoung, fails=(Conformance.test_cancelling_right_after_the_launch_ends_the_job,)),
    Mutant(
        executor=LeaksOnTeardown,
        fails=(
            Conformance.test_teardown_ends_a_running_job_for_good,
            Conformance.test_a_server_for_two_jobs_is_made_once_and_gone_after_the_last,
            Conformance.test_a_server_whose_job_is_refused_is_released,
            Conformance.test_cancelling_the_only_job_releases_its_server,
        ),
    ),
    Mutant(executor=SaysGoneTooEarly, fails=(Conformance.test_teardown_ends_a_running_job_for_good,)),
    Mutant(
        executor=GoneWhenItCannotAsk,
        fails=(Conformance.test_during_an_outage_nothing_that_lives_is_said_to_be_gone,),
    ),
    Mutant(
        executor=AwaitsTheEnd,
        fails=(Conformance.test_every_call_ends_at_its_deadline_though_the_backend_hangs,),
        kit={"late_s": 1.0},
    ),
    Mutant(
        executor=GoneWhenTimeIsUp,
        fails=(Conformance.test_during_an_outage_nothing_that_lives_is_said_to_be_gone,),
    ),
    Mutant(executor=NeedsAnId, fails=(Conformance.test_teardown_ends_what_was_launched_and_never_heard_of,)),
    Mutant(
        executor=TidiesUp,
        fails=(Conformance.test_teardown_can_be_repeated_keeps_results_and_takes_the_absent_for_gone,),
    ),
    Mutant(
        executor=SeesNoOrphans,
        fails=(Conformance.test_a_job_that_is_in_no_record_is_an_orphan_and_a_known_one_is_not,),
    ),
    Mutant(executor=OrphansOfEverybody, fails=(Conformance.test_what_another_launcher_made_is_no_orphan_of_ours,)),
    Mutant(
        executor=OrphansOfOneRun,
        fails=(Conformance.test_a_job_that_is_in_no_record_is_an_orphan_and_a_known_one_is_not,),
    ),
    Mutant(executor=OrphansWithoutAMark, fails=(Conformance.test_an_orphan_can_be_ended_by_whoever_finds_it,)),
)
