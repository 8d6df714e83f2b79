"""evalyard.scoring.paths: scores of any file, found by dotted paths."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from evalyard.scoring.document import ResultsError
from evalyard.scoring.parse import parse_results, read_results
from evalyard.scoring.records import Score
from evalyard.specs import ResultFile, ResultFormat

DATA = {
    "summary": {"acc": 0.5, "acc,none": 0.25, "v1.2": {"f1": "0.75"}, "n": 7, "ok": True, "empty": None},
    "rows": [{"f1": 0.1}, {"f1": 0.2}],
    "2024": 3,
    "nan": math.nan,
}


def at(path: str, data: Any = DATA, kind: ResultFormat = ResultFormat.JSON) -> float:
    """Return the value that a path leads to."""
    file = ResultFile(file="out.json", format=kind, scores={"score": path})
    (score,) = parse_results(json.dumps(data), "out.json", file, task="mine")
    assert (score.task, score.metric, score.score) == ("mine", "score", "score")
    return score.value


@pytest.mark.parametrize("kind", [ResultFormat.JSON, ResultFormat.YAML])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("summary.acc", 0.5),
        ("summary.acc,none", 0.25),
        ("summary.v1.2.f1", 0.75),
        ("summary.n", 7),
        ("rows.0.f1", 0.1),
        ("rows.-1.f1", 0.2),
        ("2024", 3),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: float, kind: ResultFormat) -> None:
    data = {name: inner for name, inner in DATA.items() if name != "nan"}
    assert at(path, data, kind) == value


def test_numbers_as_keys_of_yaml_are_found() -> None:
    file = ResultFile(format=ResultFormat.YAML, scores={"a": "by_year.2024"})
    assert parse_results("by_year: {2024: 0.5}", "-", file) == (Score(task="", metric="a", score="a", value=0.5),)


def test_a_value_that_is_not_a_number_by_its_own_word_is_kept() -> None:
    assert math.isnan(at("nan"))


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("summary.accuracy", "no 'summary.accuracy' (score score); 'summary' has acc, "),
        ("zzz", "no 'zzz' (score score); the file has summary, rows, "),
        ("rows.2.f1", "'rows' is a list of 2"),
        ("rows.f1", "no 'rows.f1' (score score); 'rows' is a list of 2"),
        ("summary.n.x", "'summary.n' is 7"),
        ("summary", "'summary' (score score) is a mapping, not a number"),
        ("rows", "is a list, not a number"),
        ("summary.ok", "is True, not a number"),
        ("summary.empty", "is empty, not a number"),
    ],
)
def test_a_path_that_leads_nowhere_is_named_with_what_there_is(path: str, problem: str) -> None:
    with pytest.raises(ResultsError) as caught:
        at(path)
    assert caught.value.message.startswith("out.json: ")
    assert problem in caught.value.message


def test_all_paths_that_lead_nowhere_are_named_at_once() -> None:
    file = ResultFile(format=ResultFormat.JSON, scores={"a": "x", "b": "summary.acc", "c": "y"})
    with pytest.raises(ResultsError, match=r"no 'x' \(score a\).*no 'y' \(score c\)"):
        parse_results(json.dumps(DATA), "out.json", file)


def test_a_file_of_ones_own_needs_paths() -> None:
    with pytest.raises(ResultsError, match=r"harness\.results\.scores"):
        parse_results("{}", "out.json", ResultFile(format=ResultFormat.JSON))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    file = ResultFile(file="deep/out.json", format=ResultFormat.JSON, scores={"a": "x"})
    with pytest.raises(ResultsError) as caught:
        read_results(tmp_path, file)
    assert caught.value.message == f"{tmp_path}/deep/out.json: there is no result file"
