"""What a sweep interrupts: a process that sees a run through, or stops it. Imports no pytest, for it starts often."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.run import open_run
from evalyard.orchestrator.stop import stop
from evalyard.store.lookup import Selection
from evalyard.store.runs import Store


def main(arguments: Sequence[str]) -> int:
    """Do the third argument, `run` or `stop`, to a run (the second) that is on record in a store (the first)."""
    home, invocation, what = arguments
    run = open_run(Store(Path(home)), invocation)
    if what == "stop":
        return 1 if stop(run, Selection(invocation=run.id)) else 0
    Conductor(run).see_through()
    return 0
