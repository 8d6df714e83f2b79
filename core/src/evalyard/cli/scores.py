"""Scores of jobs as tables and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from evalyard.cli.render import say, show_table
from evalyard.errors import EvalyardError
from evalyard.ids import split_job_id
from evalyard.orchestrator.survey import RunStatus
from evalyard.results.parse import read_results
from evalyard.results.records import Score
from evalyard.results.table import rows
from evalyard.states import JobState
from evalyard.store.layout import artifacts_folder
from evalyard.store.runs import Store

COLUMNS = ("job", "task", "metric", "value", "stderr", "n")


def scores_of(store: Store, status: RunStatus) -> tuple[dict[str, tuple[Score, ...]], dict[str, str]]:
    """Return the scores of the jobs of a run that have any, and why the others have none; both by job id."""
    scores: dict[str, tuple[Score, ...]] = {}
    without: dict[str, str] = {}
    for job in status.jobs:
        if job.state is not JobState.SUCCEEDED:
            without[job.job] = f"{job.state.value}{': ' + job.reason if job.reason else ''}"
            continue
        _, number = split_job_id(job.job)
        invocation = status.history.invocation
        try:
            plan = store.plan(invocation.id, number, status.history.job(number).launched.number)
        except EvalyardError as error:
            without[job.job] = error.message
            continue
        if plan.results is None:
            without[job.job] = "its harness leaves no result file"
            continue
        folder = artifacts_folder(store, invocation, invocation.job(number), job.attempt)
        try:
            scores[job.job] = read_results(folder, plan.results, task=plan.task)
        except EvalyardError as error:
            without[job.job] = error.message
    return scores, without


def show_scores(store: Store, statuses: Sequence[RunStatus], *, to: IO[str]) -> None:
    """Print a table of scores, and for every job without any why that is."""
    table: list[Sequence[str]] = []
    missing: list[str] = []
    for status in statuses:
        scores, without = scores_of(store, status)
        for job, found in scores.items():
            table += [(job, row.task, row.metric, row.value, row.stderr, row.n) for row in rows(found)]
        missing += [f"{job}: no scores: {why}" for job, why in without.items()]
    if table:
        show_table(COLUMNS, table, {}, to=to)
    for line in missing:
        say(line)


def scores_json(store: Store, status: RunStatus) -> list[dict[str, Any]]:
    """Return the scores of a run, one object each."""
    scores, _ = scores_of(store, status)
    return [
        {
            "job": job,
            "task": score.task,
            "metric": score.metric,
            "score": score.score,
            "value": score.value,
            "stderr": score.stderr,
            "n": score.n,
            "group": score.group,
        }
        for job, found in scores.items()
        for score in found
    ]
