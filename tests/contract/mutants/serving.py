"""Mutants that look badly after model servers."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence

from attrs import evolve

from evalyard import ConfigError, Context, Handle, Job, JobState, NeedKind, Observation, Plan, hookimpl
from evalyard.testing import Conformance
from evalyard.testing.fake import Fake, FakeSettings
from evalyard.testing.fake_backend import FakeBackend
from tests.contract.mutants.kinds import Mutant

_IS_READY = 'if answers "$2"; then break; fi'
"""What the job script waits for."""


class TakesNoNotice(Fake):
    """Starts no model servers, and plans a job that wants one as if it wanted none."""

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        return super().plan(settings, evolve(job, server=None))


class RefusesWithoutAName(Fake):
    """Starts no model servers, and does not say that this is what is wrong."""

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        if job.server is not None:
            raise ConfigError(["this is not supported"])
        return super().plan(settings, job)


class ServersAlwaysWell(Fake):
    """Neither waits for a model server nor looks whether it lives."""

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        plan = super().plan(settings, job)
        needs = []
        for need in plan.needs:
            files = [evolve(file, text=file.text.replace(_IS_READY, "break")) for file in need.files]
            needs.append(evolve(need, files=tuple(files)))
        bindings = {name: binding for name, binding in plan.bindings.items() if name != "EVALYARD_SERVER_EXIT"}
        return evolve(plan, needs=tuple(needs), bindings=bindings)

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        servers = [handle.name for handle in handles if handle.kind == NeedKind.SERVER]
        return {**super().status(ctx, handles), **dict.fromkeys(servers, Observation(state=JobState.RUNNING))}


class LosesASharedNeed(Fake):
    """The first job that is over takes the model server with it, whoever else needs it."""

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        if any(handle.kind == "job" for handle in handles):
            for entry in FakeBackend.at(ctx.connection).book.values():
                if entry.handle.kind == NeedKind.SERVER:
                    entry.end()
        return super().teardown(ctx, handles)


class AsksPolitely(Fake):
    """Sends SIGTERM and takes that for the end."""

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        book = FakeBackend.at(ctx.connection).book
        for entry in (book[handle.name] for handle in handles if handle.name in book):
            if entry.process is not None and entry.running:
                entry.process.send_signal(signal.SIGTERM)
        return ()


SERVERLESS = {"serves": False, "not_offered": frozenset({"deployments", "discovery", "fetch"})}
SERVING = (
    Mutant(
        executor=TakesNoNotice,
        fails=(Conformance.test_a_model_server_is_part_of_the_plan_or_refused_by_name,),
        kit=SERVERLESS,
    ),
    Mutant(
        executor=RefusesWithoutAName,
        fails=(Conformance.test_a_model_server_is_part_of_the_plan_or_refused_by_name,),
        kit=SERVERLESS,
    ),
    Mutant(
        executor=ServersAlwaysWell,
        fails=(
            Conformance.test_a_server_that_ends_at_once_fails_the_job_and_is_named,
            Conformance.test_a_server_that_is_never_ready_fails_the_job_in_time,
            Conformance.test_a_server_that_dies_under_way_fails_the_job_and_is_named,
        ),
        kit={"patience_s": 16.0},
    ),
    Mutant(
        executor=LosesASharedNeed,
        fails=(Conformance.test_a_server_for_two_jobs_is_made_once_and_gone_after_the_last,),
        kit={"settings": {"max_parallel": 1}},
    ),
    Mutant(
        executor=AsksPolitely,
        fails=(Conformance.test_a_server_that_ignores_signals_is_gone_after_a_job_that_failed,),
    ),
)
