"""`evalyard export`."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from evalyard.cli.options import AsJson, JobDirs, Overrides
from evalyard.cli.render import put_json, say, show_table
from evalyard.errors import EXIT_JOB_FAILED, EXIT_OK
from evalyard.orchestrator.exporting import Deliveries, export as export_results
from evalyard.store.lookup import look_up_all
from evalyard.store.runs import Store

Destinations = Annotated[
    tuple[str, ...],
    Parameter(
        name=["--dest", "-d"],
        consume_multiple=False,
        negative=(),
        show_default=False,
        help="Where to: local, or the name of an installed exporter.",
    ),
]


def export(
    *ids: str, dest: Destinations = (), override: Overrides = (), job_dirs: JobDirs = (), json: AsJson = False
) -> int:
    """Send the results of runs and jobs to destinations. Exits 1 when a job has none, 3 when a destination is silent.

    Args:
        ids: Runs or jobs, whole ids or their start; by default the latest run.
    """
    store = Store()
    wanted = ids or (() if job_dirs else ("latest",))
    done = export_results(store, look_up_all(store, wanted), destinations=dest, overrides=override, folders=job_dirs)
    _show(done, as_json=json)
    done.raise_if_failed()
    return EXIT_JOB_FAILED if done.without else EXIT_OK


def _show(done: Deliveries, *, as_json: bool) -> None:
    if as_json:
        put_json(
            [
                {
                    "job": one.job,
                    "task": one.task,
                    "destination": one.destination,
                    "where": one.where,
                    "skipped": one.skipped,
                }
                for one in done.made
            ]
        )
    elif done.made:
        rows = [(one.job, one.task, one.destination, one.where, one.skipped) for one in done.made]
        show_table(("job", "task", "destination", "where", "skipped"), rows, {}, to=sys.stdout)
    for job, why in done.without.items():
        say(f"{job}: not exported: {why}")
