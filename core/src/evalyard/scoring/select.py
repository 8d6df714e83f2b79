"""Scores by name: what `--metric` shows, and what gates ask for. Pure."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from attrs import evolve, frozen

from evalyard.errors import UsageError
from evalyard.scoring.records import JobResults, Score


@frozen(kw_only=True)
class Gate:
    """A number that a score must reach."""

    name: str
    """A name or a pattern of names, see `names`."""
    least: float


def label(score: Score) -> str:
    """Return what a score is called within its task: `metric/score`, or one of them where they are equal."""
    return score.metric if score.metric == score.score else f"{score.metric}/{score.score}"


def full_name(score: Score) -> str:
    """Return what tells a score from the others of a job: `task.metric`, `task.metric/score`."""
    return f"{score.task}.{label(score)}"


def names(score: Score) -> tuple[str, ...]:
    """Return every name that a score answers to, the most exact first."""
    return full_name(score), f"{score.task}.{score.metric}", label(score), score.metric


def fits(score: Score, patterns: Sequence[str]) -> bool:
    """Whether a score answers to one of these names or patterns (`*`, `?`, `[...]`); no patterns = always."""
    return not patterns or any(
        name == pattern or fnmatchcase(name, pattern) for pattern in patterns for name in names(score)
    )


def only(jobs: Iterable[JobResults], patterns: Sequence[str]) -> tuple[JobResults, ...]:
    """Return the jobs with those scores alone that fit.

    Raises:
        UsageError: there are scores, and a pattern fits none of them.
    """
    given = tuple(jobs)
    scores = [score for job in given for score in job.scores]
    for pattern in patterns if scores else ():
        if not any(fits(score, [pattern]) for score in scores):
            raise _nothing_of_that_name(pattern, scores)
    return tuple(evolve(job, scores=tuple(score for score in job.scores if fits(score, patterns))) for job in given)


def parse_gate(text: str) -> Gate:
    """Return the gate that `NAME=NUMBER` means.

    Raises:
        UsageError: it is not of that form.
    """
    name, _, value = text.rpartition("=")
    try:
        least = float(value)
    except ValueError:
        least = math.nan
    if not name.strip() or math.isnan(least):
        raise UsageError(f"'{text}' is no gate: expected NAME=NUMBER, such as ifeval.accuracy=0.7")
    return Gate(name=name.strip(), least=least)


def failed_gates(jobs: Sequence[JobResults], gates: Sequence[Gate]) -> tuple[str, ...]:
    """Return a line for every score below its gate, or that should be there and is not.

    Raises:
        UsageError: every job has scores, and none of them has the name of a gate.
    """
    return tuple(line for gate in gates for line in _failed(jobs, gate))


def _failed(jobs: Sequence[JobResults], gate: Gate) -> Iterable[str]:
    asked = [(job, score) for job in jobs for score in job.scores if fits(score, [gate.name])]
    without = [job for job in jobs if job.problem]
    if not asked:
        scores = [score for job in jobs for score in job.scores]
        if not without and scores:
            raise _nothing_of_that_name(gate.name, scores)
        why = "; ".join(f"{job.card.job} has no scores: {job.problem}" for job in without) or "there are no scores"
        yield f"{gate.name} is missing: {why}"
    for job, score in asked:
        # So, as NaN is not less than anything.
        if not score.value >= gate.least:
            yield f"{full_name(score)} of {job.card.job} is {score.value:.6g}, under {gate.least:g}"


def _nothing_of_that_name(name: str, scores: Iterable[Score]) -> UsageError:
    known = list(dict.fromkeys(full_name(score) for score in scores))
    # Of long names, what is alike counts, not that one of them is given short.
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known[:8]
    more = f" and {len(known) - len(near)} more" if len(known) > len(near) else ""
    return UsageError(f"no score is called '{name}'", hint=f"there are {', '.join(near)}{more}")
