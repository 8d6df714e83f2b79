"""evalyard.scoring.select: scores by name and pattern, and gates that no damaged or absent score slips through."""

from __future__ import annotations

import math

import pytest

from evalyard.errors import UsageError
from evalyard.scoring.select import Gate, failed_gates, fits, only, parse_gate

from .jobs import failed, job, score

STRICT = score(task="gsm8k", metric="exact_match", score="strict")


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("gsm8k.exact_match/strict", True),
        ("gsm8k.exact_match", True),
        ("exact_match/strict", True),
        ("exact_match", True),
        ("gsm8k.*", True),
        ("*match*", True),
        ("gsm8k", False),
        ("strict", False),
        ("Exact_Match", False),
    ],
)
def test_a_score_answers_to_its_names_and_to_patterns_of_them(pattern: str, fitting: bool) -> None:
    assert fits(STRICT, [pattern]) is fitting


def test_a_name_that_looks_like_a_pattern_is_found_as_it_is() -> None:
    assert fits(score(task="mmlu[5]"), ["mmlu[5].accuracy"])


def test_only_what_fits_one_of_the_patterns_is_left() -> None:
    jobs = (job(score(0.1), score(0.2, metric="f1"), score(0.3, metric="bleu")),)
    (left,) = only(jobs, ["f1", "acc*"])
    assert [found.value for found in left.scores] == [0.1, 0.2]
    assert only(jobs, []) == jobs


def test_a_pattern_that_fits_nothing_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(UsageError) as caught:
        only((job(score(), score(metric="f1")),), ["ifeval.acuracy"])
    assert "no score is called 'ifeval.acuracy'" in str(caught.value)
    assert "ifeval.accuracy" in str(caught.value)
    assert only((failed(),), ["f1"]) == (failed(),)


@pytest.mark.parametrize(
    ("text", "gate"), [("ifeval.accuracy=0.7", ("ifeval.accuracy", 0.7)), ("a=b=1", ("a=b", 1)), ("x=-2", ("x", -2))]
)
def test_a_gate_is_a_name_and_a_number(text: str, gate: tuple[str, float]) -> None:
    assert parse_gate(text) == Gate(name=gate[0], least=gate[1])


@pytest.mark.parametrize("text", ["accuracy", "accuracy=", "=0.5", "accuracy=high", "accuracy=nan"])
def test_anything_else_is_no_gate(text: str) -> None:
    with pytest.raises(UsageError, match="is no gate"):
        parse_gate(text)


def gate(name: str = "accuracy", least: float = 0.7) -> list[Gate]:
    return [Gate(name=name, least=least)]


@pytest.mark.parametrize(
    ("value", "passes"), [(0.7, True), (0.71, True), (0.6999, False), (math.nan, False), (math.inf, True)]
)
def test_a_score_passes_that_is_at_least_the_gate(value: float, passes: bool) -> None:
    lines = failed_gates([job(score(value))], gate())
    assert (lines == ()) is passes
    assert all("ifeval.accuracy of a1b2c3d4.1" in line for line in lines)


def test_every_score_of_the_name_must_pass() -> None:
    jobs = [job(score(0.8)), job(score(0.6), name="b.1"), job(score(0.5, task="gpqa"), name="b.2")]
    assert len(failed_gates(jobs, gate())) == 2


def test_a_score_that_should_be_there_fails_the_gate() -> None:
    (line,) = failed_gates([failed(), job(score(0.8, metric="f1"), name="b.1")], gate())
    assert line == "accuracy is missing: a1b2c3d4.1 has no scores: FAILED: exit code 1"
    assert failed_gates([job()], gate()) == ("accuracy is missing: there are no scores",)


def test_a_name_that_no_score_has_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(UsageError, match=r"there are ifeval\.accuracy") as caught:
        failed_gates([job(score())], gate("ifeval.accurcy"))
    assert caught.value.exit_code == 2
