"""Staying with a run until it has ended: what `run --wait` and `resume --wait` show meanwhile."""

from __future__ import annotations

import sys

from evalyard.cli import hints
from evalyard.cli.render import say, show_statuses
from evalyard.cli.scores import show_scores
from evalyard.errors import EXIT_JOB_FAILED, EXIT_OK
from evalyard.orchestrator.begin import undone_when_interrupted
from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.run import OpenRun
from evalyard.orchestrator.survey import survey
from evalyard.states import JobState
from evalyard.store.history import History
from evalyard.store.lookup import Selection


def see_through(run: OpenRun) -> int:
    """Stay until every job has ended, saying what changes; then show states and scores. Returns the exit code."""
    said: dict[int, str] = {}

    def tell(history: History) -> None:
        for job in history.jobs:
            text = job.latest.state.value + (f": {job.latest.reason}" if job.latest.reason else "")
            if said.get(job.number) != text:
                said[job.number] = text
                say(f"{run.id}.{job.number}  {history.invocation.job(job.number).task}  {text}")

    with undone_when_interrupted(run), run.store.keeping(run.id):
        history = Conductor(run).see_through(tell)
    statuses = survey(run.store, [Selection(invocation=run.id)])
    say()
    show_statuses(statuses, to=sys.stderr)
    say()
    show_scores(run.store, statuses, to=sys.stderr)
    succeeded = all(job.latest.state is JobState.SUCCEEDED for job in history.jobs)
    say(f"scores again: {hints.results(run.id)}" if succeeded else f"try again: {hints.resume(run.id)}")
    return EXIT_OK if succeeded else EXIT_JOB_FAILED


def launched(run: OpenRun) -> int:
    """Say which jobs could not be launched. Returns 1 when there are any, else 0."""
    failed = [job for job in run.history().jobs if job.latest.state is JobState.FAILED]
    for job in failed:
        say(f"{run.id}.{job.number}  {run.invocation.job(job.number).task}  FAILED: {job.latest.reason}")
    return EXIT_JOB_FAILED if failed else EXIT_OK
