"""Scores as rows of text for tables."""

from __future__ import annotations

import math
from collections.abc import Iterable

from attrs import frozen

from evalyard.scoring.records import Score
from evalyard.scoring.select import label


@frozen(kw_only=True)
class Row:
    """One line of a table of scores; absent parts are empty."""

    task: str
    metric: str
    """`metric/score`, or one of them where they are equal."""
    value: str
    stderr: str
    """`± 0.0400`, in the decimals of the value."""
    n: str
    group: bool


def rows(scores: Iterable[Score]) -> tuple[Row, ...]:
    """Return a row for each score, in their order."""
    return tuple(_row(score) for score in scores)


def limit_text(limit: float) -> str:
    """Return what a limit of samples makes of a score."""
    asked = f"{limit:g} sample{'s were' if limit != 1 else ' was'}" if limit >= 1 else f"{limit:.4g} of the samples was"
    return f"only {asked} asked: no result of the benchmark"


def _row(score: Score) -> Row:
    style = style_of(score.value)
    return Row(
        task=score.task,
        metric=label(score),
        value=format(score.value, style),
        stderr="" if score.stderr is None else f"± {format(score.stderr, style)}",
        n="" if score.n is None else str(score.n),
        group=score.group,
    )


def style_of(value: float) -> str:
    """Return the format that shows about four significant digits, and fractions always with four decimals at least."""
    size = abs(value)
    if not math.isfinite(value) or size == 0:
        return ".4f"
    if size < 1e-6 or size >= 1e7:
        return ".3e"
    leading = math.floor(math.log10(size))
    if leading >= 0:
        return f".{max(0, 3 - leading)}f"
    return f".{max(4, 2 - leading)}f"
