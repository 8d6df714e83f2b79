"""`evalyard gc`."""

from __future__ import annotations

import sys
from typing import Annotated

import attrs
from cyclopts import Parameter

from evalyard.cli.options import AsJson
from evalyard.cli.render import put_json, say, show_table
from evalyard.errors import EXIT_BACKEND, EXIT_OK
from evalyard.orchestrator.leftovers import Leftover, clean
from evalyard.store.runs import Store

COLUMNS = ("what", "executor", "why it may go", "now")


def gc(
    *,
    dry_run: Annotated[
        bool, Parameter(name="--dry-run", negative=(), show_default=False, help="Say what would go; remove nothing.")
    ] = False,
    json: AsJson = False,
) -> int:
    """Remove what ended runs still hold, and what no record knows. Exits 3 when something could not be removed."""
    found = clean(Store(), remove=not dry_run)
    if json:
        put_json([attrs.asdict(leftover) for leftover in found.leftovers])
    elif found.leftovers:
        rows = [(item.name, item.executor, item.why, _now(item, dry_run=dry_run)) for item in found.leftovers]
        show_table(COLUMNS, rows, {}, to=sys.stdout)
    else:
        say("nothing is left behind")
    for reason in found.unseen:
        say(f"could not look at {reason}")
    left = not dry_run and any(not leftover.removed for leftover in found.leftovers)
    return EXIT_BACKEND if left or found.unseen else EXIT_OK


def _now(leftover: Leftover, *, dry_run: bool) -> str:
    if dry_run:
        return "would be removed"
    return "removed" if leftover.removed else leftover.problem
