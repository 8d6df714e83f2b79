"""What `status`, `run --wait` and `kill` do, in a process of its own: what a sweep interrupts.

Imports no pytest, for it starts often.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.run import open_run
from evalyard.orchestrator.stop import stop
from evalyard.store.lookup import Selection
from evalyard.store.runs import Store


def main(arguments: Sequence[str]) -> int:
    """Do the third argument (`look`, `run`, `stop`) to a run (the second) that is on record in a store (the first)."""
    home, invocation, what = arguments
    run = open_run(Store(Path(home)), invocation)
    if what == "stop":
        return 1 if stop(run, Selection(invocation=run.id)) else 0
    if what == "look":
        Conductor(run).look()
    else:
        Conductor(run).see_through()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
