"""What a run would send, as text and JSON: `run --dry-run`."""

from __future__ import annotations

import shlex
from typing import IO, Any

from evalyard.orchestrator.begin import Prepared
from evalyard.orchestrator.plan import merged_needs
from evalyard.records.files import PlannedFile
from evalyard.records.plans import Need, Plan
from evalyard.store.journal import converter

MACHINERY = "# -------"
"""What of a script stands below such a line is the same in every run."""


def show_plans(prepared: Prepared, *, to: IO[str]) -> None:
    """Print the resolved configuration and, for every job, what would be written and started."""
    print("# configuration, resolved; secrets as names", file=to)
    print(prepared.spec.resolved.rstrip("\n"), file=to)
    for need in merged_needs(prepared.plans):
        print(f"\n# need '{need.key}' ({need.kind})", file=to)
        _show_need(need, to)
    for plan in prepared.plans:
        print(f"\n# job {plan.job}: {plan.task}", file=to)
        _show_plan(plan, to)
    to.flush()


def plans_json(prepared: Prepared) -> dict[str, Any]:
    """Return everything that would be sent."""
    return {
        "configuration": prepared.spec.resolved,
        "needs": [converter.unstructure(need) for need in merged_needs(prepared.plans)],
        "plans": [converter.unstructure(plan) for plan in prepared.plans],
    }


def _show_need(need: Need, to: IO[str]) -> None:
    if need.argv:
        print(f"in {need.directory}: {shlex.join(need.argv)}", file=to)
    for name, value in need.environment.items():
        print(f"  {name}={shlex.quote(value)}", file=to)
    for key, value in need.payload.items():
        print(f"  {key}: {value}", file=to)
    for file in need.files:
        print(f"  {file.mode:04o} {need.directory}/{file.path} {_content(file)}", file=to)


def _show_plan(plan: Plan, to: IO[str]) -> None:
    print(f"in {plan.directory}: {shlex.join(plan.argv)}", file=to)
    for name, value in plan.environment.items():
        print(f"  {name}={shlex.quote(value)}", file=to)
    for name, binding in plan.bindings.items():
        print(f"  {name}=<{binding.output} of {binding.need}, known when it is there>", file=to)
    own = f"{plan.directory.rpartition('/')[2]}/run.sh"
    for file in (file for need in plan.needs for file in need.files if file.path == own):
        text, _, _ = file.text.partition(MACHINERY)
        print("".join(f"  | {line}\n" for line in text.rstrip().splitlines()), end="", file=to)


def _content(file: PlannedFile) -> str:
    if file.secrets:
        return "holds the values of " + ", ".join(ref.variable for ref in file.secrets)
    return f"({len(file.text.encode())} bytes)"
