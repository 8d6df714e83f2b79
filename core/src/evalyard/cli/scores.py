"""Scores of jobs as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

from evalyard.cli.formats import csv_text, escaped, markdown_table
from evalyard.cli.render import Row, duration, put, put_json, say, show_table
from evalyard.scoring.flat import SCORE_FIELDS, score_rows
from evalyard.scoring.records import JobResults
from evalyard.scoring.table import limit_text, rows

COLUMNS = ("job", "task", "metric", "value", "stderr", "n", "time")
MARK = "*"
"""Behind the value of a score that is no result of its benchmark."""


def show_scores(jobs: Sequence[JobResults], *, to: IO[str]) -> None:
    """Print a table of scores, what there is to know of them, and for every job without any why that is."""
    table = score_cells(jobs)
    if table:
        show_table(COLUMNS, table, {}, to=to)
    for line in remarks(jobs):
        say(line, to=to)
    show_problems(jobs)


def put_scores(jobs: Sequence[JobResults], *, as_csv: bool = False, as_markdown: bool = False) -> None:
    """Print scores to stdout for another program: as JSON, unless told otherwise."""
    if as_csv:
        put(csv_text(score_rows(jobs), SCORE_FIELDS))
    elif as_markdown:
        put(markdown_table(COLUMNS, score_cells(jobs)))
        for line in remarks(jobs):
            put(f"\n{escaped(line)}")
    else:
        put_json(score_rows(jobs))


def show_problems(jobs: Iterable[JobResults]) -> None:
    """Say why jobs have no scores."""
    for job in jobs:
        if job.problem:
            say(f"{job.card.job}: no scores: {job.problem}")


def score_cells(jobs: Iterable[JobResults]) -> list[Row]:
    """Return the cells of each score."""
    cells: list[Row] = []
    for job in jobs:
        mark, time = MARK if job.limited else "", duration(job)
        for row in rows(job.scores):
            task = f"{row.task} (group)" if row.group else row.task
            cells.append((job.card.job, task, row.metric, f"{row.value}{mark}", row.stderr, row.n, time))
    return cells


def remarks(jobs: Iterable[JobResults]) -> list[str]:
    """Return what the marks in a table mean."""
    limits = {job.card.limit_samples: None for job in jobs if job.scores and job.card.limit_samples is not None}
    return [f"{MARK} {limit_text(limit)}" for limit in limits]
