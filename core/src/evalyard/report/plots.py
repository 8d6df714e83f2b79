"""Bars with error bars: where each begins and ends on its axis. Pure; the page draws them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from attrs import frozen

from evalyard.report.scores import ShownScore

BLOCK_ROWS = 50
"""A browser lays out a block of so many rows only when it comes near the screen."""
_ABOUT_STEPS = 5
_SMALLEST, _LARGEST = 1e-300, 1e300
"""What numbers must be between, lest arithmetic with them overflows."""


@frozen(kw_only=True)
class Axis:
    """A scale with evenly spaced ticks."""

    low: float
    high: float
    labels: tuple[str, ...]
    """Of the ticks; the first is at `low`, the last at `high`."""

    @property
    def steps(self) -> int:
        """How many intervals the ticks make."""
        return len(self.labels) - 1

    def percent(self, value: float) -> float:
        """Return where a value is, in percent of the axis, within it."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 2)


@frozen(kw_only=True)
class Bar:
    """A score on its axis; positions are in percent of its length."""

    score: ShownScore
    left: float
    width: float
    whisker: tuple[float, float] | None = None
    """One standard error to each side, cut off at the ends of the axis."""


@frozen(kw_only=True)
class PlotRow:
    """The bars of one task's metric, one for each run that has it."""

    task: str
    metric: str
    group: bool
    limited: bool
    bars: tuple[Bar, ...]


@frozen(kw_only=True)
class Panel:
    """Rows that share an axis."""

    title: str
    axis: Axis
    blocks: tuple[tuple[PlotRow, ...], ...]

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(len(block) for block in self.blocks)


UNIT_AXIS = Axis(low=0.0, high=1.0, labels=("0", "0.25", "0.5", "0.75", "1"))


def panels(scores: Sequence[ShownScore]) -> tuple[Panel, ...]:
    """Return the plots of these scores: one of all metrics that stay between 0 and 1, one of each other metric.

    What is no number, or beyond any scale, has no bar.
    """
    numbers = [score for score in scores if all(abs(end) < _LARGEST for end in _ends(score))]
    by_metric: dict[str, list[ShownScore]] = {}
    for score in numbers:
        by_metric.setdefault(score.metric, []).append(score)
    wide = {metric: found for metric, found in by_metric.items() if not all(0 <= score.value <= 1 for score in found)}
    unit = [score for score in numbers if score.metric not in wide]
    made = [_panel("Between 0 and 1", UNIT_AXIS, unit)] if unit else []
    for metric, found in wide.items():
        made.append(_panel(metric, nice_axis(end for score in found for end in _ends(score)), found))
    return tuple(made)


def nice_axis(values: Iterable[float]) -> Axis:
    """Return an axis from 0 (or below) to above every value, with ticks at round numbers."""
    known = [0.0, *values]
    low, high = min(known), max(known)
    if high - low < _SMALLEST:
        high = low + 1.0
    step = _round_step((high - low) / _ABOUT_STEPS)
    first, last = math.floor(round(low / step, 9)), math.ceil(round(high / step, 9))
    labels = tuple(f"{index * step:.6g}" for index in range(first, last + 1))
    return Axis(low=first * step, high=last * step, labels=labels)


def _round_step(least: float) -> float:
    size = 10.0 ** math.floor(math.log10(least))
    return next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= least * (1 - 1e-9))


def _ends(score: ShownScore) -> tuple[float, float]:
    return score.value - (score.stderr or 0), score.value + (score.stderr or 0)


def _panel(title: str, axis: Axis, scores: Iterable[ShownScore]) -> Panel:
    together: dict[tuple[str, str, bool, int], list[ShownScore]] = {}
    for score in scores:
        together.setdefault(score.key, []).append(score)
    rows = [
        PlotRow(
            task=task,
            metric=metric,
            group=group,
            limited=any(score.limited for score in found),
            bars=tuple(_bar(axis, score) for score in found),
        )
        for (task, metric, group, _), found in together.items()
    ]
    blocks = tuple(tuple(rows[start : start + BLOCK_ROWS]) for start in range(0, len(rows), BLOCK_ROWS))
    return Panel(title=title, axis=axis, blocks=blocks)


def _bar(axis: Axis, score: ShownScore) -> Bar:
    zero, end = axis.percent(0.0), axis.percent(score.value)
    whisker = None
    if score.stderr:
        low, high = _ends(score)
        whisker = (axis.percent(low), axis.percent(high))
    return Bar(score=score, left=min(zero, end), width=round(abs(end - zero), 2), whisker=whisker)
