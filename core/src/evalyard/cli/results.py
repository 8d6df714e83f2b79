"""`evalyard results`."""

from __future__ import annotations

import sys

from evalyard.cli.options import AsJson
from evalyard.cli.render import put_json
from evalyard.cli.scores import scores_json, scores_of, show_scores
from evalyard.errors import EXIT_JOB_FAILED, EXIT_OK
from evalyard.orchestrator.survey import survey
from evalyard.store.lookup import look_up_all
from evalyard.store.runs import Store


def results(*ids: str, json: AsJson = False) -> int:
    """Show the scores of runs and jobs. Exits 1 when a job has none.

    Args:
        ids: Runs or jobs, whole ids or their start; by default the latest run.
    """
    store = Store()
    statuses = survey(store, look_up_all(store, ids or ("latest",)))
    if json:
        put_json([row for status in statuses for row in scores_json(store, status)])
    else:
        show_scores(store, statuses, to=sys.stdout)
    without = any(scores_of(store, status)[1] for status in statuses)
    return EXIT_JOB_FAILED if without else EXIT_OK
