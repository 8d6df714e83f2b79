"""Staying with a run until it has ended: what `run --wait` and `resume --wait` show meanwhile."""

from __future__ import annotations

import logging
import sys

from evalyard.api.launch import see_through as seen_through
from evalyard.cli import hints
from evalyard.cli.progress import estimated_total, progress_text
from evalyard.cli.render import plain_lines, say, show_statuses
from evalyard.cli.scores import show_scores
from evalyard.errors import EXIT_JOB_FAILED, EXIT_OK
from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.gather import gather
from evalyard.orchestrator.run import OpenRun
from evalyard.orchestrator.survey import survey
from evalyard.plugins.context import NOTICES, PROGRESS
from evalyard.states import JobState
from evalyard.store.history import History
from evalyard.store.lookup import Selection


def see_through(run: OpenRun) -> int:
    """Stay until every job has ended, saying what changes; then show states and scores. Returns the exit code."""
    said: dict[int, str] = {}
    # Through the loggers of plugins' notices, as lines and bars must not be written into each other.
    lines, bars = logging.getLogger(NOTICES), logging.getLogger(PROGRESS)

    def tell(conductor: Conductor, history: History) -> None:
        for job in history.jobs:
            text = job.latest.state.value + (f": {job.latest.reason}" if job.latest.reason else "")
            if said.get(job.number) != text:
                said[job.number] = text
                lines.info(f"{run.id}.{job.number}  {history.invocation.job(job.number).task}  {text}")
        if bars.handlers:
            bars.info("\n".join(_bars(conductor, history)))

    try:
        history = seen_through(run, tell)
    finally:
        bars.info("")
    statuses = survey(run.store, [Selection(invocation=run.id)])
    say()
    show_statuses(statuses, to=sys.stderr)
    say()
    show_scores(gather(run.store, statuses), to=sys.stderr)
    succeeded = all(job.latest.state is JobState.SUCCEEDED for job in history.jobs)
    say(f"scores again: {hints.results(run.id)}" if succeeded else f"try again: {hints.resume(run.id)}")
    return EXIT_OK if succeeded else EXIT_JOB_FAILED


def _bars(conductor: Conductor, history: History) -> list[str]:
    """Return a line for each job that says how far it is."""
    rows = []
    for job in history.jobs:
        seen = conductor.observations.get(job.latest.handle.name) if job.latest.handle else None
        if seen is not None and seen.progress and not job.latest.state.final:
            total = estimated_total(conductor.run.plan(job.number, job.latest.number).card)
            task = history.invocation.job(job.number).task
            rows.append((f"{history.invocation.id}.{job.number}", task, progress_text(seen.progress, total)))
    return plain_lines(rows)


def launched(run: OpenRun) -> int:
    """Say which jobs could not be launched. Returns 1 when there are any, else 0."""
    failed = [job for job in run.history().jobs if job.latest.state is JobState.FAILED]
    for job in failed:
        say(f"{run.id}.{job.number}  {run.invocation.job(job.number).task}  FAILED: {job.latest.reason}")
    return EXIT_JOB_FAILED if failed else EXIT_OK
