"""Two sets of scores side by side: how far apart they are, and whether that can be chance. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from evalyard.scoring.records import JobResults, Score
from evalyard.scoring.select import full_name
from evalyard.scoring.table import limit_text

METHOD = "two-sided z test of independent estimates, from the stated standard errors"
ALPHA = 0.05
"""A p-value below this is marked."""
LOWER_IS_BETTER = (
    "bits", "brier", "cer", "error", "errors", "latency", "loss", "mae", "mse", "nll", "perplexity", "ppl", "rmse",
    "ter", "wer",
)  # fmt: skip
"""A metric, or one of its scores, with one of these words in its name gets better as it falls."""
_ROUNDING = 1e-9
"""0.72 - 0.70 is more than 0.02 in binary."""
_COMPARED = ("harness", "image", "package", "endpoint_type")
"""What of a card makes for another measurement when it differs."""
_Key = tuple[str, str, str, bool, int]


@frozen(kw_only=True)
class Measured:
    """A score and the job that it is of."""

    job: JobResults
    score: Score


@frozen(kw_only=True)
class Comparison:
    """One score of the baseline and of another run."""

    run: str
    """What the other run was called."""
    baseline: Measured | None
    """None = only the other has this score."""
    other: Measured | None
    """None = only the baseline has it."""

    @property
    def score(self) -> Score:
        """The score of either, for its names."""
        measured = self.baseline or self.other
        assert measured is not None, "one of the two is always there"  # noqa: S101 - for the type checker
        return measured.score

    @property
    def difference(self) -> float | None:
        """The other's value less the baseline's; None where one is missing."""
        if self.baseline is None or self.other is None:
            return None
        return self.other.score.value - self.baseline.score.value

    @property
    def stderr(self) -> float | None:
        """Standard error of the difference; None where one of the two is not stated."""
        if self.baseline is None or self.other is None:
            return None
        return stderr_of_difference(self.baseline.score.stderr, self.other.score.stderr)

    @property
    def p_value(self) -> float | None:
        """How often a difference this large comes by chance where there is none; None where that cannot be told."""
        difference, stderr = self.difference, self.stderr
        if difference is None or stderr is None or self._without_spread:
            return None
        return two_sided_p(difference, stderr)

    @property
    def _without_spread(self) -> bool:
        """Whether a standard error is 0: every sample was alike, which is no proof that the next one would be."""
        return any(side is not None and side.score.stderr == 0 for side in (self.baseline, self.other))

    @property
    def _limited_differently(self) -> bool:
        """Whether the two were asked different parts of the benchmark."""
        limits = {side.job.card.limit_samples for side in (self.baseline, self.other) if side is not None}
        return len(limits) > 1

    @property
    def drop(self) -> float | None:
        """By how much it got worse; negative where it got better, None where one is missing."""
        difference = self.difference
        if difference is None:
            return None
        return difference if lower_is_better(self.score) else -difference

    @property
    def change(self) -> str:
        """`better` or `worse` where the p-value is below ALPHA and both were asked the same, else empty."""
        drop, p_value = self.drop, self.p_value
        if drop is None or p_value is None or p_value >= ALPHA or self._limited_differently:
            return ""
        return "worse" if drop > 0 else "better"

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes the two hard to compare."""
        if self.baseline is None or self.other is None:
            return ("not in the baseline",) if self.baseline is None else ("missing",)
        one, other = self.baseline.score.n, self.other.score.n
        differing = () if one == other else (f"n: {_stated(one)} -> {_stated(other)}",)
        alike = ("a stderr of 0 tells no chance: every sample was alike",) if self._without_spread else ()
        return (*differing, *alike, *job_notes(self.baseline.job, self.other.job))


def compare(baseline: Sequence[JobResults], run: str, other: Sequence[JobResults]) -> tuple[Comparison, ...]:
    """Return every score of two runs side by side, in the baseline's order, what only the other has last.

    Scores belong together that have task, metric and name in common; where a run measured one several times, the first
    of one run and the first of the other.
    """
    before, after = dict(_keyed(baseline)), dict(_keyed(other))
    return tuple(
        Comparison(run=run, baseline=before.get(key), other=after.get(key)) for key in dict.fromkeys((*before, *after))
    )


def job_notes(one: JobResults, other: JobResults) -> tuple[str, ...]:
    """Return in what two jobs differ besides their scores, and what makes them no results of the benchmark."""
    limits = dict.fromkeys((one.card.limit_samples, other.card.limit_samples))
    notes = [limit_text(limit) for limit in limits if limit is not None]
    first, second = one.card.parameters, other.card.parameters
    facts = {name: (getattr(one.card, name), getattr(other.card, name)) for name in _COMPARED}
    facts["image digest"] = one.image_digest, other.image_digest
    facts |= {f"parameter {name}": (first.get(name), second.get(name)) for name in sorted({*first, *second})}
    notes += [f"{name}: {_stated(old)} -> {_stated(new)}" for name, (old, new) in facts.items() if old != new]
    return tuple(notes)


def stderr_of_difference(one: float | None, other: float | None) -> float | None:
    """Return the standard error of the difference of two independent estimates; None where one is not stated."""
    return None if one is None or other is None else math.hypot(one, other)


def two_sided_p(difference: float, stderr: float) -> float | None:
    """Return the two-sided p-value of a z test; None where the standard error is 0 or something is no number."""
    if not stderr > 0 or not math.isfinite(difference):
        return None
    return math.erfc(abs(difference) / stderr / math.sqrt(2))


def lower_is_better(score: Score) -> bool:
    """Whether a score gets better as it falls, told by the name of its metric."""
    words = re.split(r"[^a-z]+", f"{score.metric} {score.score}".lower())
    return any(word in LOWER_IS_BETTER for word in words)


def drops(comparisons: Iterable[Comparison], most: float) -> tuple[str, ...]:
    """Return a line for every score of the baseline that got worse by more than `most`, or is missing."""
    return tuple(line for comparison in comparisons for line in _drop(comparison, most))


def _drop(comparison: Comparison, most: float) -> Iterator[str]:
    before, after, drop = comparison.baseline, comparison.other, comparison.drop
    if before is None:
        return
    name = f"{full_name(before.score)} of {comparison.run}"
    if after is None or drop is None:
        yield f"{name} is missing; it was {before.score.value:.6g}"
    elif not drop <= most + _ROUNDING:  # so, as NaN is not more than anything
        yield f"{name} went from {before.score.value:.6g} to {after.score.value:.6g}, worse by more than {most:g}"


def _keyed(jobs: Iterable[JobResults]) -> Iterator[tuple[_Key, Measured]]:
    seen: Counter[tuple[str, str, str, bool]] = Counter()
    for job in jobs:
        for score in job.scores:
            name = (score.task, score.metric, score.score, score.group)
            yield (*name, seen[name]), Measured(job=job, score=score)
            seen[name] += 1


def _stated(value: object) -> str:
    return "not stated" if value in (None, "") else str(value)
