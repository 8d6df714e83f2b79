"""Staying with a run until it has ended: what `run --wait` and `resume --wait` show meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from evalyard.cli import hints
from evalyard.cli.render import say, show_statuses
from evalyard.cli.scores import show_scores
from evalyard.errors import EXIT_JOB_FAILED, EXIT_OK
from evalyard.orchestrator.begin import undone_when_interrupted
from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.run import OpenRun
from evalyard.orchestrator.survey import survey
from evalyard.states import JobState
from evalyard.store.history import History, JobHistory
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
    code = exit_code(history.jobs)
    say(f"scores again: {hints.results(run.id)}" if code == EXIT_OK else f"try again: {hints.resume(run.id)}")
    return code


def exit_code(jobs: Iterable[JobHistory], *, only_failed: bool = False) -> int:
    """Return 0 when every job succeeded (or, with `only_failed`, when none has failed so far)."""
    states = [job.latest.state for job in jobs]
    bad = [state for state in states if (state.final or not only_failed) and state is not JobState.SUCCEEDED]
    return EXIT_JOB_FAILED if bad else EXIT_OK
