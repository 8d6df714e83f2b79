import math

import pytest

from evalyard.scoring.records import Score
from evalyard.scoring.table import Row, rows


def row(value: float, stderr: float | None = None, n: int | None = None, metric: str = "acc") -> Row:
    (made,) = rows([Score(task="t", metric=metric, score="acc", value=value, stderr=stderr, n=n)])
    return made


def test_a_row_holds_everything_that_was_measured() -> None:
    assert row(0.8, 0.04020151261036849, 100) == Row(
        task="t", metric="acc", value="0.8000", stderr="± 0.0402", n="100", group=False
    )


def test_absent_parts_are_empty() -> None:
    assert (row(0.5).stderr, row(0.5).n) == ("", "")


def test_metric_and_score_are_folded_when_equal() -> None:
    assert row(1.0).metric == "acc"
    assert row(1.0, metric="judge").metric == "judge/acc"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0000"),
        (1.0, "1.000"),
        (0.99999, "1.0000"),
        (0.0123456, "0.0123"),
        (0.00123456, "0.00123"),
        (-0.00123456, "-0.00123"),
        (1.23456e-9, "1.235e-09"),
        (6.54321, "6.543"),
        (71.23456, "71.23"),
        (812.3456, "812.3"),
        (12345.678, "12346"),
        (1.5e9, "1.500e+09"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_values_show_about_four_significant_digits(value: float, text: str) -> None:
    assert row(value).value == text


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [(71.23456, 1.23456, "± 1.23"), (0.00123456, 0.000456, "± 0.00046"), (math.nan, 0.1, "± 0.1000")],
)
def test_the_standard_error_has_the_decimals_of_its_value(value: float, stderr: float, text: str) -> None:
    assert row(value, stderr).stderr == text


def test_rows_keep_the_order_of_the_scores() -> None:
    scores = [Score(task=name, metric="m", score="m", value=0.0, group=name == "a") for name in ("b", "a")]
    assert [(made.task, made.group) for made in rows(scores)] == [("b", False), ("a", True)]
