"""`evalyard kill`."""

from __future__ import annotations

import sys

from evalyard.cli import hints
from evalyard.cli.render import say, show_statuses
from evalyard.errors import EXIT_BACKEND, EXIT_OK, UsageError
from evalyard.orchestrator.run import open_run
from evalyard.orchestrator.stop import stop_all
from evalyard.orchestrator.survey import survey
from evalyard.store.lookup import look_up_all
from evalyard.store.runs import Store


def kill(*ids: str) -> int:
    """End jobs, and release what they used. A job that has ended keeps its result.

    Args:
        ids: Runs or jobs, whole ids or their start.
    """
    if not ids:
        raise UsageError("kill needs the id of a run or job", hint="evalyard status")
    store = Store()
    selections = look_up_all(store, ids)
    left = stop_all([(open_run(store, selection.invocation, strict=False), selection) for selection in selections])
    show_statuses(survey(store, selections), to=sys.stdout)
    for name, why in left.items():
        say(f"{name}: {why}")
    if left:
        say(f"once more: {hints.kill(*ids)}")
    return EXIT_BACKEND if left else EXIT_OK
