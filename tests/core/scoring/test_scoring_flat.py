"""evalyard.scoring.flat: one flat row a score, with where it comes from."""

from __future__ import annotations

import json

from evalyard.scoring.flat import SCORE_FIELDS, score_rows

from .jobs import failed, job, score


def test_every_row_has_the_fields_in_their_order() -> None:
    jobs = [job(score(), score(metric="f1")), failed(), job(score(), name="b.1")]
    found = score_rows(jobs)
    assert [(row["job"], row["metric"]) for row in found] == [
        ("a1b2c3d4.1", "accuracy"),
        ("a1b2c3d4.1", "f1"),
        ("b.1", "accuracy"),
    ]
    assert {tuple(row) for row in found} == {SCORE_FIELDS}


def test_rows_are_plain_json() -> None:
    (row,) = score_rows([job(score(n=10), card={"parameters": {"temperature": 0.5}, "limit_samples": 10})])
    assert json.loads(json.dumps(row)) == row
    assert (type(row["state"]), row["limit_samples"]) == (str, 10)
