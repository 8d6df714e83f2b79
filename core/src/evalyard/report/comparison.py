"""Comparisons as the report shows them: text for people beside the numbers that sorting works on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from attrs import frozen

from evalyard.scoring.compare import Comparison, Measured, compare, lower_is_better
from evalyard.scoring.records import JobResults
from evalyard.scoring.select import label
from evalyard.scoring.table import style_of

SMALLEST_P = 0.001


@frozen(kw_only=True)
class Side:
    """A score of one of the two runs."""

    value: float
    text: str
    stderr_text: str


@frozen(kw_only=True)
class ComparedScore:
    """One score in the baseline and in another run."""

    task: str
    metric: str
    group: bool
    limited: bool
    lower_is_better: bool
    baseline: Side | None
    """None = only the other has it."""
    other: Side | None
    """None = only the baseline has it."""
    difference: float | None
    difference_text: str
    """`+0.0123`"""
    stderr_text: str
    """Of the difference."""
    p_value: float | None
    p_text: str
    change: str
    """`better` or `worse` where that is hardly chance, `missing` or `new` where one run alone has it, else empty."""
    notes: tuple[str, ...]
    """What makes the two hard to compare, besides what holds for the whole run."""


@frozen(kw_only=True)
class ComparedRun:
    """A run and what it is compared with."""

    run: str
    baseline: str
    scores: tuple[ComparedScore, ...]
    notes: tuple[str, ...]
    """What makes every one of its scores hard to compare."""

    @property
    def changes(self) -> Counter[str]:
        """How many scores there are of each change; `""` = those without a clear difference."""
        return Counter(score.change for score in self.scores)


def compared_runs(runs: Mapping[str, Sequence[JobResults]]) -> tuple[ComparedRun, ...]:
    """Return every run but the first beside the first, the baseline."""
    baseline, *others = runs or [""]
    return tuple(_compared(baseline, run, compare(runs[baseline], run, runs[run])) for run in others)


def _compared(baseline: str, run: str, found: Sequence[Comparison]) -> ComparedRun:
    notes = [one.notes for one in found if one.baseline and one.other]
    everywhere = tuple(note for note in notes[0] if all(note in others for others in notes)) if len(notes) > 1 else ()
    return ComparedRun(
        run=run, baseline=baseline, scores=tuple(_shown(one, everywhere) for one in found), notes=everywhere
    )


def _shown(one: Comparison, known: Sequence[str]) -> ComparedScore:
    sides = [side for side in (one.baseline, one.other) if side is not None]
    style = style_of(max((side.score.value for side in sides), key=abs))
    return ComparedScore(
        task=one.score.task,
        metric=label(one.score),
        group=one.score.group,
        limited=any(side.job.limited for side in sides),
        lower_is_better=lower_is_better(one.score),
        baseline=_side(one.baseline, style),
        other=_side(one.other, style),
        difference=one.difference,
        difference_text="" if one.difference is None else _signed(one.difference, style),
        stderr_text="" if one.stderr is None else f"± {format(one.stderr, style)}",
        p_value=one.p_value,
        p_text=_p_text(one.p_value),
        change=_change(one),
        notes=tuple(note for note in one.notes if note not in known) if len(sides) == 2 else (),
    )


def _side(measured: Measured | None, style: str) -> Side | None:
    if measured is None:
        return None
    score = measured.score
    stderr = "" if score.stderr is None else f"± {format(score.stderr, style)}"
    return Side(value=score.value, text=format(score.value, style), stderr_text=stderr)


def _change(one: Comparison) -> str:
    if one.baseline is None or one.other is None:
        return "new" if one.baseline is None else "missing"
    return one.change


def _signed(difference: float, style: str) -> str:
    return format(difference, f"+{style}").replace("-", "−")


def _p_text(p_value: float | None) -> str:
    if p_value is None:
        return ""
    return f"< {SMALLEST_P}" if p_value < SMALLEST_P else f"{p_value:.3f}"
