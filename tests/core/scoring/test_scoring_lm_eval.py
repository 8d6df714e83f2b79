"""evalyard.scoring.lm_eval: lm-eval's result files."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from evalyard.scoring.document import ResultsError
from evalyard.scoring.parse import parse_results
from evalyard.scoring.records import Score
from evalyard.specs import ResultFile, ResultFormat

LM_EVAL = ResultFile(file="results.json", format=ResultFormat.LM_EVAL)


def scores(**data: Any) -> tuple[Score, ...]:
    return parse_results(json.dumps(data), "results.json", LM_EVAL)


def test_scores_have_their_errors_and_counts() -> None:
    entry = {
        "name": "gsm8k",
        "alias": "gsm8k",
        "sample_len": 99,
        "exact_match,strict-match": 0.5,
        "exact_match_stderr,strict-match": 0.1,
        "acc,none": 1,
        "acc_stderr,none": "N/A",
    }
    counted = {"gsm8k": {"original": 1319, "effective": 20}}
    assert scores(results={"gsm8k": entry}, **{"n-samples": counted}) == (
        Score(task="gsm8k", metric="exact_match", score="strict-match", value=0.5, stderr=0.1, n=20),
        Score(task="gsm8k", metric="acc", score="acc", value=1.0, n=20),
    )


def test_a_count_that_is_stated_only_beside_the_scores_is_used() -> None:
    (score,) = scores(results={"t": {"acc,none": 0.5, "sample_len": 8}})
    assert score.n == 8


def test_groups_come_last_and_only_once() -> None:
    results = {"mmlu": {"acc,none": 0.4, "alias": "mmlu"}, "mmlu_law": {"acc,none": 0.3, "alias": " - law"}}
    found = scores(results=results, groups={"mmlu": {"acc,none": 0.4}})
    assert [(score.task, score.value, score.group) for score in found] == [
        ("mmlu_law", 0.3, False),
        ("mmlu", 0.4, True),
    ]


def test_a_value_that_is_no_number_costs_none_of_the_others() -> None:
    bad, good = scores(results={"t": {"acc,none": "oops", "f1,none": 0.5}})
    assert math.isnan(bad.value)
    assert good.value == 0.5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "results.json:1: not JSON: "),
        ("[]", "it has no `results`"),
        ('{"results": []}', "it has no `results`"),
        ('{"results": {"t": 1}}', "results.t is not a mapping"),
        ("[" * 100_000, "not JSON that can be read"),
    ],
    ids=["damaged", "list", "results a list", "task a number", "deep"],
)
def test_what_is_no_result_file_of_lm_eval_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ResultsError) as caught:
        parse_results(text, "results.json", LM_EVAL)
    assert problem in caught.value.message
