"""Mutants that make things twice, or do not find again what they made."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from attrs import evolve, frozen

from evalyard import (
    Connection,
    Context,
    EvalyardError,
    Handle,
    Job,
    LaunchError,
    Need,
    Observation,
    Plan,
    SecretError,
    Transient,
    hookimpl,
)
from evalyard.testing import Conformance
from evalyard.testing.fake import Fake, FakeSettings
from evalyard.testing.fake_backend import FakeBackend
from tests.contract.mutants.kinds import Mutant

Launched = Mapping[str, Handle | LaunchError]


def start_anew(fake: Fake, ctx: Context, plan: Plan, number: int) -> Handle | LaunchError:
    """Start a job as if it were the `number`th attempt, whatever runs under its name."""
    book = FakeBackend.at(ctx.connection).book
    if plan.name in book:
        book[f"{plan.name}, submission {number - 1}"] = book.pop(plan.name)
    return Fake.launch(fake, ctx, [evolve(plan, attempt=number)])[plan.name]


class MakesItAgain(Fake):
    """Whatever is provisioned twice is there twice."""

    made: ClassVar = itertools.count()

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        return evolve(super().provision(ctx, need), id=f"volume-{next(self.made)}")


class LaunchesTwice(Fake):
    """Every submission is a new job, whether it is there or not."""

    submissions: ClassVar[dict[str, int]] = {}

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Launched:
        answers = {}
        for plan in plans:
            number = self.submissions[plan.name] = self.submissions.get(plan.name, 0) + 1
            answers[plan.name] = start_anew(self, ctx, plan, number)
        return answers


class NoIdempotency(LaunchesTwice):
    """Knows its jobs by the id in the reply alone: without the reply there is none, and it submits again."""

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        return {}


class LooksBeforeItLaunches(Fake):
    """Looks whether the job is there, and then launches it: two that look at once both launch."""

    counter: ClassVar = itertools.count(1)

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Launched:
        book = FakeBackend.at(ctx.connection).book
        absent = [plan for plan in plans if plan.name not in book]
        time.sleep(0.1)
        adopted: dict[str, Handle | LaunchError] = {
            plan.name: book[plan.name].handle for plan in plans if plan not in absent
        }
        with FakeBackend.at(ctx.connection).lock:
            return adopted | {plan.name: start_anew(self, ctx, plan, next(self.counter)) for plan in absent}


class LateRequests(Fake):
    """A request that ran out of time is made again, though the first one arrives after all."""

    pending: ClassVar[dict[str, Plan]] = {}

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Launched:
        try:
            answers = dict(super().launch(ctx, plans))
        except Transient:
            self.pending.update({plan.name: plan for plan in plans})
            raise
        late = [self.pending.pop(name) for name in answers if name in self.pending]
        return answers | {plan.name: start_anew(self, ctx, plan, 2) for plan in late}


class ForgetsTheMark(Fake):
    """Whatever has our name is taken for ours."""

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        book = FakeBackend.at(ctx.connection).book
        return {name: evolve(book[name].handle, mark=mark) for name, mark in names.items() if name in book}


class RemembersInMemory(Fake):
    """Knows only what this very process has launched."""

    def __init__(self) -> None:
        self.launched: set[str] = set()

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Launched:
        self.launched.update(plan.name for plan in plans)
        return super().launch(ctx, plans)

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        return super().status(ctx, [handle for handle in handles if handle.name in self.launched])


class LivesInOneProcess(Fake):
    """Has its jobs in the memory of the process that launched them, where no other one looks."""

    @frozen(kw_only=True)
    class Settings(FakeSettings):
        """The same."""

        def connection(self) -> Connection:
            """The same, under the name that fresh processes find."""
            return Connection(executor="lives-in-one-process", address={"backend": self.backend})


class NeedsNewData(Fake):
    """A new version reads from handles what old versions did not write into them."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        assert [handle.data["shard"] for handle in handles]
        return super().status(ctx, handles)


class NeedsNewPlans(Fake):
    """A new version reads from plans what old versions did not write into them."""

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        return evolve(super().plan(settings, job), payload={"queue": "short"})

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Launched:
        assert [plan.payload["queue"] for plan in plans]
        return super().launch(ctx, plans)


class NeedsNewConnections(Fake):
    """A new version reads from connections what old versions did not write into them."""

    @frozen(kw_only=True)
    class Settings(FakeSettings):
        """The same."""

        def connection(self) -> Connection:
            """Where it is, more precisely."""
            return Connection(executor="fake", address={"backend": self.backend, "region": "north"})

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        assert ctx.connection.address["region"]
        return super().status(ctx, handles)


class OneBadJobSpoilsTheBatch(Fake):
    """The first refusal ends the whole request."""

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Launched:
        answers: dict[str, Handle | LaunchError] = {}
        for plan in plans:
            answer = super().launch(ctx, [plan])[plan.name]
            if isinstance(answer, LaunchError):
                return dict.fromkeys((plan.name for plan in plans), answer)
            answers[plan.name] = answer
        return answers


class SecretsInArguments(Fake):
    """Secrets are handed over on the command line, where everybody sees them."""

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Launched:
        refs = [ref for plan in plans for need in plan.needs for file in need.files for ref in file.secrets]
        words = tuple(f"{ref.name}={ctx.secret(ref.variable)}" for ref in refs)
        return super().launch(ctx, [evolve(plan, argv=("sh", "run.sh", *words)) for plan in plans])


class LaunchesWithoutSecrets(Fake):
    """A secret that is not set is an empty one."""

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        try:
            return super().provision(ctx, need)
        except SecretError:
            files = [file for file in need.files if not file.secrets]
            return super().provision(ctx, evolve(need, files=tuple(files)))


class ProvisionsForever(Fake):
    """Makes what a job needs, however long that takes."""

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        while FakeBackend.at(ctx.connection).faults.hanging:
            time.sleep(0.01)
        return super().provision(ctx, need)


class FindsAbsenceInWaiting(Fake):
    """What is not found in time is not there."""

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        return {} if FakeBackend.at(ctx.connection).faults.hanging else super().find(ctx, names)


class FindsAbsenceInSilence(Fake):
    """When nobody answers, nothing is there."""

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        try:
            return super().find(ctx, names)
        except EvalyardError:
            return {}


LAUNCHING = (
    Mutant(executor=MakesItAgain, fails=(Conformance.test_provisioning_twice_makes_one_thing,)),
    Mutant(executor=LaunchesTwice, fails=(Conformance.test_launching_twice_runs_one_process_under_one_handle,)),
    Mutant(
        executor=NoIdempotency,
        fails=(
            Conformance.test_a_launch_whose_reply_was_lost_is_found_by_name_and_mark,
            Conformance.test_a_reply_that_is_lost_after_the_launch_makes_no_second_run,
        ),
    ),
    Mutant(
        executor=LooksBeforeItLaunches,
        fails=(Conformance.test_two_launchers_at_the_same_instant_start_one_run,),
        kit={"races": 2},
    ),
    Mutant(executor=LateRequests, fails=(Conformance.test_a_launch_that_hung_is_made_good_and_runs_once,)),
    Mutant(executor=ForgetsTheMark, fails=(Conformance.test_what_carries_another_mark_is_not_found,)),
    Mutant(executor=RemembersInMemory, fails=(Conformance.test_another_process_goes_on_with_what_is_on_record,)),
    Mutant(
        executor=LivesInOneProcess,
        fails=(Conformance.test_another_interpreter_sees_and_ends_what_this_one_has_launched,),
        kit={"executor": "lives-in-one-process", "not_offered": frozenset({"fetch"})},
        claimed_by=("evalyard-one",),
    ),
    Mutant(executor=NeedsNewData, fails=(Conformance.test_what_older_versions_of_the_executor_stored_can_be_used,)),
    Mutant(executor=NeedsNewPlans, fails=(Conformance.test_what_older_versions_of_the_executor_stored_can_be_used,)),
    Mutant(
        executor=NeedsNewConnections,
        fails=(Conformance.test_what_older_versions_of_the_executor_stored_can_be_used,),
    ),
    Mutant(executor=OneBadJobSpoilsTheBatch, fails=(Conformance.test_one_refused_job_of_three_fails_alone,)),
    Mutant(
        executor=SecretsInArguments,
        fails=(Conformance.test_a_secret_reaches_the_harness_exactly_and_nothing_else,),
    ),
    Mutant(executor=LaunchesWithoutSecrets, fails=(Conformance.test_an_unset_secret_is_named_and_nothing_is_launched,)),
    Mutant(
        executor=ProvisionsForever,
        fails=(Conformance.test_every_call_ends_at_its_deadline_though_the_backend_hangs,),
        kit={"late_s": 1.0},
    ),
    Mutant(executor=FindsAbsenceInWaiting, fails=(Conformance.test_during_an_outage_nothing_is_said_to_be_absent,)),
    Mutant(executor=FindsAbsenceInSilence, fails=(Conformance.test_during_an_outage_nothing_is_said_to_be_absent,)),
)
