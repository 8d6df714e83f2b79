"""evalyard.scoring.compare: differences with their error, what is significant, and what makes them questionable."""

from __future__ import annotations

import math
import random

import pytest
from scipy.stats import norm  # type: ignore[import-untyped]

from evalyard.scoring.compare import Comparison, compare, drops, lower_is_better, stderr_of_difference, two_sided_p
from evalyard.scoring.records import JobResults, Score

from .jobs import job, score


def pair(before: Score, after: Score) -> Comparison:
    (found,) = compare([job(before)], "new", [job(after, name="b.1")])
    return found


def test_the_test_is_the_z_test_of_scipy_on_a_thousand_random_pairs() -> None:
    chance = random.Random(4)
    for _ in range(1000):
        values, errors = [chance.random() for _ in "ab"], [chance.uniform(1e-4, 0.2) for _ in "ab"]
        difference, stderr = values[1] - values[0], stderr_of_difference(*errors)
        assert stderr == pytest.approx(math.sqrt(errors[0] ** 2 + errors[1] ** 2))
        expected = 2 * norm.sf(abs(difference), scale=stderr)
        assert two_sided_p(difference, stderr or 0) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_values_differences_and_errors_stand_side_by_side() -> None:
    found = pair(score(0.5, stderr=0.03), score(0.6, stderr=0.04))
    assert (found.difference, found.stderr) == pytest.approx((0.1, 0.05))
    assert found.run == "new"
    assert found.p_value == pytest.approx(0.0455, abs=1e-4)
    assert found.change == "better"


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [(0.5, 0.7, "better"), (0.7, 0.5, "worse"), (0.5, 0.51, ""), (0.5, 0.5, ""), (0.5, math.nan, "")],
)
def test_a_change_is_marked_when_it_is_significant(before: float, after: float, change: str) -> None:
    assert pair(score(before, stderr=0.01), score(after, stderr=0.01)).change == change


def test_of_an_error_rate_less_is_better() -> None:
    assert pair(score(0.2, metric="wer", stderr=0.01), score(0.1, metric="wer", stderr=0.01)).change == "better"


@pytest.mark.parametrize(
    ("metric", "lower"),
    [
        ("wer", True),
        ("WER", True),
        ("word_perplexity", True),
        ("bits_per_byte", True),
        ("error_rate", True),
        ("latency_ms", True),
        ("log-loss", True),
        ("accuracy", False),
        ("answer", False),
        ("power", False),
        ("terminated", False),
    ],
)
def test_which_way_is_better_is_told_by_the_words_of_a_name(metric: str, lower: bool) -> None:
    assert lower_is_better(score(metric=metric)) is lower
    assert lower_is_better(score(metric="speech", score=metric)) is lower


@pytest.mark.parametrize(("one", "other"), [(None, 0.1), (0.1, None), (None, None), (0.0, 0.0)])
def test_without_standard_errors_there_is_no_p_value(one: float | None, other: float | None) -> None:
    found = pair(score(0.2, stderr=one), score(0.9, stderr=other))
    assert (found.p_value, found.change) == (None, "")


def test_scores_belong_together_by_name_and_then_by_order() -> None:
    before = [job(score(0.1), score(0.2, metric="f1")), job(score(0.3))]
    after = [job(score(0.5)), job(score(0.7), score(0.9, metric="bleu"))]
    values = [
        (row.baseline and row.baseline.score.value, row.other and row.other.score.value)
        for row in compare(before, "new", after)
    ]
    assert values == [(0.1, 0.5), (0.2, None), (0.3, 0.7), (None, 0.9)]


def test_a_group_is_not_a_task_of_the_same_name() -> None:
    rows = compare([job(score(0.1, group=True))], "new", [job(score(0.5))])
    assert [(row.difference, row.notes) for row in rows] == [(None, ("missing",)), (None, ("not in the baseline",))]


def test_what_makes_scores_hard_to_compare_is_said() -> None:
    one = job(score(n=100), card={"parameters": {"temperature": 0, "seed": 1}, "image": "x", "limit_samples": 10})
    other = job(score(n=50), card={"parameters": {"temperature": 0.6, "seed": 1}}, image_digest="sha256:1")
    (row,) = compare([one], "new", [other])
    assert row.notes == (
        "n: 100 -> 50",
        "only 10 samples were asked: no result of the benchmark",
        "image: x -> not stated",
        "image digest: not stated -> sha256:1",
        "parameter temperature: 0 -> 0.6",
    )


def test_equal_jobs_of_different_models_have_no_notes() -> None:
    (row,) = compare([job(score(), card={"model_id": "a"})], "new", [job(score(), card={"model_id": "b"})])
    assert row.notes == ()


def dropped(before: list[Score], after: list[Score], most: float = 0.02) -> tuple[str, ...]:
    jobs: list[JobResults] = [job(*before), job(*after)]
    return drops(compare(jobs[:1], "new", jobs[1:]), most)


@pytest.mark.parametrize(
    ("before", "after", "metric", "fails"),
    [
        (0.72, 0.70, "accuracy", False),
        (0.72, 0.699, "accuracy", True),
        (0.72, 0.9, "accuracy", False),
        (0.72, math.nan, "accuracy", True),
        (0.1, 0.2, "wer", True),
        (0.2, 0.1, "wer", False),
    ],
)
def test_a_drop_is_measured_in_the_direction_that_is_worse(
    before: float, after: float, metric: str, fails: bool
) -> None:
    assert bool(dropped([score(before, metric=metric)], [score(after, metric=metric)])) is fails


def test_a_score_that_is_missing_has_dropped_and_a_new_one_has_not() -> None:
    lines = dropped([score(0.5), score(0.5, metric="f1")], [score(0.5), score(0.5, metric="bleu")])
    assert lines == ("ifeval.f1 of new is missing; it was 0.5",)


@pytest.mark.parametrize("errors", [(0.0, 0.1), (0.1, 0.0)])
def test_where_every_sample_was_alike_chance_cannot_be_told(errors: tuple[float, float]) -> None:
    found = pair(score(1.0, stderr=errors[0]), score(0.5, stderr=errors[1]))
    assert (found.p_value, found.change) == (None, "")
    assert any("every sample was alike" in note for note in found.notes)


def test_runs_that_were_asked_different_parts_of_a_benchmark_are_not_marked() -> None:
    whole, part = job(score(0.9, stderr=0.01)), job(score(0.5, stderr=0.01), name="b.1", card={"limit_samples": 10})
    (found,) = compare([whole], "new", [part])
    assert found.p_value is not None
    assert found.change == ""
    (alike,) = compare([part], "new", [part])
    (worse,) = compare([job(score(0.9, stderr=0.01), card={"limit_samples": 10})], "new", [part])
    assert (alike.change, worse.change) == ("", "worse")
