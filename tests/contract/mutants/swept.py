"""Mutants that survive everything but their own death at one line, and which claim of the sweep must notice each."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from evalyard.testing import Sweep
from tests.contract.mutants.kinds import Claim
from tests.contract.mutants.processes import AsksOnce, MakesItsFolderOnce, TrustsItsNotes


@frozen(kw_only=True)
class Wedged:
    """One executor, and where it must not be killed."""

    executor: type[Any]
    fails: Claim
    line: str
    """The line of its source before which it dies, as it stands there."""
    reason: str
    """What the claim says, among other things."""
    patience_s: float = 5.0
    """How long is waited for what never comes, and how long a job beats."""

    @property
    def bug(self) -> str:
        """What it does wrong, in a line."""
        return " ".join((self.executor.__doc__ or "").split())


RUN = Sweep.test_a_run_that_is_killed_at_any_line_goes_on_and_runs_each_job_once
CANCEL = Sweep.test_a_cancel_that_is_killed_at_any_line_is_made_good
WEDGED = (
    Wedged(
        executor=TrustsItsNotes,
        fails=RUN,
        line="handle = self.launch_one(ctx, plan)",
        reason="the run has not ended",
    ),
    Wedged(executor=MakesItsFolderOnce, fails=RUN, line="return super().provision(ctx, need)", reason="exists"),
    Wedged(
        executor=AsksOnce, fails=CANCEL, line="super().cancel(ctx, [handle])", reason="has not yet", patience_s=60.0
    ),
)
