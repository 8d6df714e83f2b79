"""Mutants that tell secrets to whoever listens."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Mapping, Sequence

from attrs import evolve

from evalyard import Context, Handle, LaunchError, Plan, hookimpl
from evalyard.testing import Conformance
from evalyard.testing.fake import Fake
from tests.contract.mutants.kinds import Mutant

_LOG = logging.getLogger(__name__)
Launched = Mapping[str, Handle | LaunchError]


def command(ctx: Context, plan: Plan) -> str:
    """Return a job's command as it would be typed, with its secrets."""
    refs = [ref for need in plan.needs for file in need.files for ref in file.secrets]
    return " ".join([*(f"{ref.name}={ctx.secret(ref.variable)}" for ref in refs), *plan.argv])


class TellsInPassing(Fake):
    """Secrets are arguments of a command that is over at once: whoever looks at the right moment sees them."""

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Launched:
        for plan in plans:
            subprocess.run(["true", command(ctx, plan)], check=True)
        return super().launch(ctx, plans)


class TellsInErrors(Fake):
    """A refusal shows the command that was refused, with the secrets that stand in it."""

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Launched:
        said = {plan.name: f"Command '{command(ctx, plan)}' returned non-zero exit status 1" for plan in plans}
        return {
            name: answer if isinstance(answer, Handle) else evolve(answer, message=f"{said[name]}: {answer.message}")
            for name, answer in super().launch(ctx, plans).items()
        }


class TellsInLogs(Fake):
    """Whoever looks for the cause of something finds each command in the debug output, with its secrets."""

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Launched:
        for plan in plans:
            _LOG.debug("submitting: %s", command(ctx, plan))
        return super().launch(ctx, plans)


TELLING = (
    Mutant(executor=TellsInPassing, fails=(Conformance.test_a_secret_reaches_the_harness_exactly_and_nothing_else,)),
    Mutant(executor=TellsInErrors, fails=(Conformance.test_neither_a_refusal_nor_debug_output_tells_a_secret,)),
    Mutant(executor=TellsInLogs, fails=(Conformance.test_neither_a_refusal_nor_debug_output_tells_a_secret,)),
)
