"""`evalyard results`."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from evalyard.api import look
from evalyard.cli.formats import AsCsv, AsMarkdown, check_one_format
from evalyard.cli.options import AsJson, JobDirs
from evalyard.cli.render import say
from evalyard.cli.scores import put_scores, show_problems, show_scores
from evalyard.errors import EXIT_JOB_FAILED, EXIT_OK, UsageError
from evalyard.scoring.select import failed_gates, only, parse_gate

Metrics = Annotated[
    tuple[str, ...],
    Parameter(
        name=["--metric", "-m"],
        consume_multiple=False,
        negative=(),
        show_default=False,
        help="Only scores of this name or pattern: accuracy, 'ifeval.*'.",
    ),
]
FailUnder = Annotated[
    tuple[str, ...],
    Parameter(
        name="--fail-under",
        consume_multiple=False,
        negative=(),
        show_default=False,
        help="Exit with 1 when a score is less: ifeval.accuracy=0.7.",
    ),
]


def results(
    *ids: str,
    metric: Metrics = (),
    fail_under: FailUnder = (),
    job_dirs: JobDirs = (),
    json: AsJson = False,
    csv: AsCsv = False,
    markdown: AsMarkdown = False,
) -> int:
    """Show the scores of runs and jobs. Exits 1 when a job has none, or a score is under its gate.

    Args:
        ids: Runs or jobs, whole ids or their start; by default the latest run.
    """
    check_one_format(json=json, csv=csv, markdown=markdown)
    if ids and job_dirs:
        raise UsageError("ids and --job-dirs exclude each other")
    gates = [parse_gate(text) for text in fail_under]
    jobs = look.results(*ids, folders=job_dirs)
    failed = failed_gates(jobs, gates)
    shown = only(jobs, metric)
    if json or csv or markdown:
        put_scores(shown, as_csv=csv, as_markdown=markdown)
        show_problems(shown)
    else:
        show_scores(shown, to=sys.stdout)
    for line in failed:
        say(f"gate failed: {line}")
    return EXIT_JOB_FAILED if failed or any(job.problem for job in jobs) else EXIT_OK
