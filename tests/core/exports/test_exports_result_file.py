"""evalyard.exports.result_file: files that grow without duplicates."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from evalyard.exports.result_file import DamagedFileError, merged_csv, merged_json
from evalyard.scoring.flat import SCORE_FIELDS
from evalyard.scoring.records import JobResults, Score
from tests.core.scoring.jobs import job, score

FIRST, SECOND = "a1b2c3d4.1", "b1b2c3d4.1"


def every(result: JobResults) -> tuple[Score, ...]:
    return result.scores


def jobs(text: str) -> dict[str, list[float | None]]:
    return {job["job"]: [score["value"] for score in job["scores"]] for job in json.loads(text)["jobs"]}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_jobs_are_added_and_exported_again_they_are_replaced_in_their_place() -> None:
    text = merged_json("", "f", [job(score(0.1), name=FIRST)], every)
    text = merged_json(text, "f", [job(score(0.2), name=SECOND)], every)
    text = merged_json(text, "f", [job(score(0.3), score(0.4, metric="f1"), name=FIRST, attempt=2)], every)
    assert jobs(text) == {FIRST: [0.3, 0.4], SECOND: [0.2]}
    assert json.loads(text)["jobs"][0]["attempt"] == 2


def test_what_somebody_added_to_other_jobs_stays() -> None:
    data = json.loads(merged_json("", "f", [job(score(), name=FIRST)], every))
    data["jobs"][0]["note"] = "mine"
    text = merged_json(json.dumps(data), "f", [job(score(), name=SECOND)], every)
    assert json.loads(text)["jobs"][0]["note"] == "mine"


def test_a_job_without_scores_is_there_with_its_problem() -> None:
    (found,) = json.loads(merged_json("", "f", [job(name=FIRST, problem="none left")], every))["jobs"]
    assert (found["job"], found["problem"], found["scores"]) == (FIRST, "none left", [])


def test_what_is_no_number_is_null_in_json_and_the_text_is_strict_json() -> None:
    text = merged_json("", "f", [job(score(math.nan), score(math.inf, metric="b"), name=FIRST)], every)
    assert jobs(text) == {FIRST: [None, None]}
    json.loads(text, parse_constant=pytest.fail)


def test_rows_of_csv_are_added_and_replaced() -> None:
    text = merged_csv("", "f", [job(score(0.1), score(0.2, metric="f1"), name=FIRST)], every)
    text = merged_csv(text, "f", [job(score(0.3), name=SECOND)], every)
    text = merged_csv(text, "f", [job(score(0.4), name=FIRST)], every)
    assert [(row["job"], row["value"]) for row in rows(text)] == [(SECOND, "0.3"), (FIRST, "0.4")]
    assert text.splitlines()[0].split(",") == list(SCORE_FIELDS)


def test_columns_that_somebody_added_or_an_older_version_lacked_are_kept_and_filled() -> None:
    text = merged_csv("job,note\nold.1,mine\n", "f", [job(score(0.1), name=FIRST)], every)
    assert text.splitlines()[0].startswith("job,note,task,metric")
    assert [(row["job"], row["note"], row["value"]) for row in rows(text)] == [
        ("old.1", "mine", ""),
        (FIRST, "", "0.1"),
    ]


def test_cells_hold_line_breaks_and_mappings() -> None:
    text = merged_csv("", "f", [job(score(metric="a,b"), name=FIRST, card={"parameters": {"p": "x\r\ny"}})], every)
    text = merged_csv(text, "f", [job(score(), name=SECOND)], every)
    first = rows(text)[0]
    assert first["metric"] == "a,b"
    assert json.loads(first["parameters"]) == {"p": "x\r\ny"}


@pytest.mark.parametrize(
    "before", ["{", "[]", '{"jobs": 3}', '{"jobs": [{"no": 1}]}', '{"jobs": ["x"]}', "job,a\n1,2\n"]
)
def test_what_is_no_file_of_ours_is_refused(before: str) -> None:
    with pytest.raises(DamagedFileError, match="f is not a JSON object"):
        merged_json(before, "f", [job(name=FIRST)], every)


@pytest.mark.parametrize("before", ['{"jobs": []}', "a,b\n1,2\n", "job,a\n1\n", "job,a\n1,2,3\n", 'job\n"open\n'])
def test_what_is_no_csv_of_ours_is_refused(before: str) -> None:
    with pytest.raises(DamagedFileError, match="f is not CSV"):
        merged_csv(before, "f", [job(name=FIRST)], every)
