"""Scores as the report shows them: text for people beside the numbers that sorting and plots work on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from evalyard.scoring.records import JobResults
from evalyard.scoring.table import rows


@frozen(kw_only=True)
class ShownScore:
    """One number that a job measured."""

    key: tuple[str, str, bool, int]
    """Task, metric, whether it is of a group, and which of that name within its run: the same key in two runs is the
    same measurement."""
    run: int
    """Its run's place in the report, from 0."""
    job: int
    """Its job's place in the report, from 0."""
    task: str
    metric: str
    value: float
    stderr: float | None
    n: int | None
    text: str
    """The value, rounded to what is worth reading."""
    stderr_text: str
    """`± 0.0400`; empty where none is stated."""
    group: bool
    limited: bool


def shown_scores(jobs: Sequence[JobResults], runs: Sequence[str]) -> tuple[ShownScore, ...]:
    """Return every score of these jobs, in their order.

    Args:
        runs: the ids of their runs, in the order of the report.
    """
    met: Counter[tuple[str, str, str, bool]] = Counter()
    found: list[ShownScore] = []
    for index, job in enumerate(jobs):
        run = job.card.invocation
        for score, row in zip(job.scores, rows(job.scores), strict=True):
            name = (run, row.task, row.metric, row.group)
            found.append(
                ShownScore(
                    key=(row.task, row.metric, row.group, met[name]),
                    run=runs.index(run),
                    job=index,
                    task=row.task,
                    metric=row.metric,
                    value=score.value,
                    stderr=score.stderr,
                    n=score.n,
                    text=row.value,
                    stderr_text=row.stderr,
                    group=row.group,
                    limited=job.limited,
                )
            )
            met[name] += 1
    return tuple(found)


def duration_s(job: JobResults) -> float | None:
    """Return how many seconds a job took; None when it is not known, or has not ended."""
    try:
        took = datetime.fromisoformat(job.ended_at) - datetime.fromisoformat(job.started_at)
    except (ValueError, TypeError):
        return None
    return max(0.0, took.total_seconds())


def duration_text(seconds: float | None) -> str:
    """Return a duration as `1:02:03`; empty when it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment_text(text: str) -> str:
    """Return a moment as `2026-11-21 20:27 UTC`; what is none stays as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment:%Y-%m-%d %H:%M} {moment.tzname() or ''}".rstrip()
