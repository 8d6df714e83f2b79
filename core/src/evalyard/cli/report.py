"""`evalyard report`."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from evalyard.api import look
from evalyard.cli.options import JobDirs
from evalyard.cli.render import put, say
from evalyard.cli.streams import deliver
from evalyard.errors import UsageError

STDOUT = Path("-")

Output = Annotated[
    Path,
    Parameter(
        name=["--output", "-o"],
        allow_leading_hyphen=True,  # or - would be taken for an option
        help="The HTML file; - = stdout. An earlier report is overwritten.",
    ),
]
Title = Annotated[str, Parameter(name="--title", show_default=False, help="What it is called (default: the models).")]
Force = Annotated[
    bool, Parameter(name="--force", negative=(), show_default=False, help="Overwrite a file that is no report.")
]


def report(
    *ids: str,
    output: Output = Path("report.html"),
    title: Title = "",
    job_dirs: JobDirs = (),
    force: Force = False,
) -> None:
    """Make one HTML file of scores, plots, failures and provenance. Of several runs, the first is the baseline.

    Args:
        ids: Runs or jobs, whole ids or their start; by default the latest run.
    """
    if ids and job_dirs:
        raise UsageError("ids and --job-dirs exclude each other")
    if output != STDOUT and output.name.startswith("-"):
        raise UsageError(f"--output takes a file or -, not '{output}'")
    # The library of templates takes a while to load: nobody should wait for it to hear of a wrong path.
    from evalyard.report.write import check_target, write_report

    if output != STDOUT:
        check_target(output, force=force)
    jobs = look.results(*ids, folders=job_dirs)

    from evalyard.report.content import describe
    from evalyard.report.render import render
    from evalyard.report.texts import read_texts

    html = render(describe(jobs, read_texts(jobs), made_at=datetime.now(UTC), title=title))
    if output == STDOUT:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # as the file says of itself, whatever the locale
        deliver(html, sys.stdout, end="")
        return
    write_report(output, html)
    put(str(output))
    if without := sum(bool(job.problem) for job in jobs):
        say(f"{without} of {len(jobs)} jobs without scores")
