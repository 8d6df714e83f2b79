"""One run that claims are tried with: driven by core's own code, a step at a time."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from attrs import define, field

from evalyard.errors import EvalyardError
from evalyard.ids import backend_name
from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.plan import Attempt as Planned, plan_attempts
from evalyard.orchestrator.run import OpenRun
from evalyard.orchestrator.steps import Provision
from evalyard.orchestrator.stop import stop
from evalyard.plugins.session import Session
from evalyard.records.handles import Handle
from evalyard.records.observations import Observation
from evalyard.records.plans import NeedKind, Plan
from evalyard.specs import RunSpec
from evalyard.store.history import Attempt, History
from evalyard.store.lookup import Selection
from evalyard.testing.patience import PATIENCE_S


@define(kw_only=True)
class Trial:
    """One run: planned and on record; nothing of it was sent yet."""

    run: OpenRun
    spec: RunSpec
    settings: Any
    plans: tuple[Plan, ...]
    patience_s: float = PATIENCE_S
    conductor: Conductor = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.conductor = Conductor(self.run)

    @property
    def session(self) -> Session:
        """The executor."""
        return self.run.session

    @property
    def marks(self) -> dict[str, str]:
        """Backend name of each job -> its mark."""
        return {plan.name: plan.mark for plan in self.plans}

    def plan_again(self) -> tuple[Plan, ...]:
        """Ask the executor for the same plans once more."""
        same = [Planned(number=number, mark=plan.mark) for number, plan in enumerate(self.plans, start=1)]
        return plan_attempts(self.spec, self.session, self.settings, self.run.invocation, same)

    def provision(self) -> None:
        """Make what the jobs need, and start none of them."""
        self.conductor.act((Provision,))
        for need in self.run.history().needs:
            assert need.latest.handle is not None, f"{need.key} was not provisioned: {need.latest.reason}"

    def begin(self) -> list[Handle]:
        """Provision and launch as `run` does; return the handles of the jobs."""
        self.conductor.act()
        attempts = [job.latest for job in self.run.history().jobs]
        for attempt in attempts:
            assert attempt.handle is not None, f"a job was not launched: {attempt.reason}"
        return [attempt.handle for attempt in attempts if attempt.handle is not None]

    def finish(self) -> History:
        """See the run through as `run --wait` does.

        Raises:
            AssertionError: it has not ended in time.
        """
        give_up = time.monotonic() + self.patience_s

        def still_patient(history: History) -> None:
            states = [(job.latest.state.value, job.latest.reason) for job in history.jobs]
            late = f"the run has not ended after {self.patience_s:.0f} s: {states}; the last answers were"
            assert time.monotonic() < give_up, f"{late} {self.conductor.observations}"

        return self.conductor.see_through(still_patient)

    def cancel(self) -> None:
        """End all jobs as `kill` does; nothing may be left."""
        assert stop(self.run, Selection(invocation=self.run.id)) == {}

    def attempt(self, number: int = 1) -> Attempt:
        """Return what is on record of a job."""
        return self.run.history().job(number).latest

    def observe(self, handle: Handle) -> Observation:
        """Ask the executor about one job."""
        return self.session.status(self.run.context(), [handle])[handle.name]

    def await_end(self, handle: Handle) -> Observation:
        """Ask about a job until it has ended."""
        give_up = time.monotonic() + self.patience_s
        while not (seen := self.observe(handle)).state.final:
            assert time.monotonic() < give_up, f"{handle.name} has not ended after {self.patience_s:.0f} s: {seen}"
            time.sleep(0.02)
        return seen

    def artifact(self, name: str, number: int = 1) -> str:
        """Return where a job leaves an artifact, on the backend."""
        return f"{self.plans[number - 1].directory}/artifacts/{name}"

    def need_handles(self, kind: NeedKind) -> list[Handle]:
        """Return the handles of needs of a kind."""
        handles = [need.latest.handle for need in self.run.history().needs if need.latest.kind is kind]
        return [handle for handle in handles if handle is not None]

    def close(self) -> None:
        """End whatever this run started, recorded or not."""
        names = dict(self.marks)
        for need in self.run.history().needs:
            names[backend_name(self.run.id, need.key, need.latest.number)] = need.latest.mark
        # A broken executor may refuse this as well; its claims have failed by then.
        with contextlib.suppress(EvalyardError):
            found = self.session.find(self.run.context(), names)
            self.session.teardown(self.run.context(), list(found.values()))
