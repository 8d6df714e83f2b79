"""evalyard.report.plots: bars begin and end where their numbers are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from evalyard.report.plots import BLOCK_ROWS, UNIT_AXIS, Bar, Panel, nice_axis, panels
from evalyard.report.scores import shown_scores
from evalyard.scoring.records import JobResults
from tests.core.report.made_up import OTHER_RUN, RUN, job, score


def plotted(*jobs: JobResults, runs: Sequence[str] = (RUN, OTHER_RUN)) -> tuple[Panel, ...]:
    return panels(shown_scores(jobs, runs))


def only_bar(value: float, stderr: float | None = None) -> Bar:
    (panel,) = plotted(job(score(value=value, stderr=stderr)))
    ((row,),) = panel.blocks
    (bar,) = row.bars
    return bar


def test_a_share_is_a_bar_from_0_on_the_axis_from_0_to_1() -> None:
    bar = only_bar(0.62, stderr=0.05)
    assert (bar.left, bar.width, bar.whisker) == (0, 62, (57, 67))


def test_a_whisker_ends_with_the_axis() -> None:
    assert only_bar(0.98, stderr=0.05).whisker == (93, 100)


def test_without_a_standard_error_there_is_no_whisker() -> None:
    assert only_bar(0.5).whisker is None


def test_a_negative_number_is_a_bar_to_the_left_of_0() -> None:
    (panel,) = plotted(job(score(value=-1.0), score("other", 3.0)))
    bars = [bar for block in panel.blocks for row in block for bar in row.bars]
    assert panel.axis.labels == ("-1", "0", "1", "2", "3")
    assert [(bar.left, bar.width) for bar in bars] == [(0, 25), (25, 75)]


def test_a_metric_that_leaves_0_to_1_anywhere_has_an_axis_of_its_own() -> None:
    shares, perplexity = plotted(
        job(score(value=1.0), score("a", 0.9, metric="ppl"), score("b", 12.0, metric="ppl", stderr=0.5))
    )
    assert shares.axis is UNIT_AXIS
    assert (perplexity.title, perplexity.rows) == ("ppl", 2)
    assert perplexity.axis.high >= 12.5


def test_the_same_score_of_two_runs_is_one_row_and_the_first_run_comes_first() -> None:
    (panel,) = plotted(
        job(score(value=0.5), score(value=0.6)), job(score(value=0.7), score("extra", 0.1), run=OTHER_RUN)
    )
    (rows,) = panel.blocks
    assert [(row.task, [(bar.score.run, bar.width) for bar in row.bars]) for row in rows] == [
        ("ifeval", [(0, 50), (1, 70)]),
        ("ifeval", [(0, 60)]),
        ("extra", [(1, 10)]),
    ]


def test_a_task_and_a_group_of_one_name_are_two_rows() -> None:
    (panel,) = plotted(job(score("mmlu", 0.5), score("mmlu", 0.6, group=True)))
    assert [row.group for block in panel.blocks for row in block] == [False, True]


def test_what_is_no_number_has_no_bar() -> None:
    assert plotted(job(score(value=math.nan), score(value=math.inf), score(value=1.7e308))) == ()


def test_many_rows_come_in_blocks() -> None:
    (panel,) = plotted(job(*(score(f"task {number}") for number in range(BLOCK_ROWS + 1))))
    assert [len(block) for block in panel.blocks] == [BLOCK_ROWS, 1]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([93.1], ("0", "20", "40", "60", "80", "100")),
        ([0.0], ("0", "0.2", "0.4", "0.6", "0.8", "1")),
        ([12.0], ("0", "2.5", "5", "7.5", "10", "12.5")),
        ([-3, 4], ("-4", "-2", "0", "2", "4")),
    ],
)
def test_ticks_are_at_round_numbers(values: list[float], labels: tuple[str, ...]) -> None:
    assert nice_axis(values).labels == labels


@given(st.lists(st.floats(-1e299, 1e299), min_size=1))
def test_an_axis_holds_0_and_every_value_and_few_ticks(values: list[float]) -> None:
    axis = nice_axis(values)
    slack = 1e-6 * (axis.high - axis.low)
    assert axis.low <= min(0, *values) + slack
    assert axis.high >= max(0, *values) - slack
    assert 1 <= axis.steps <= 8
    assert all(0 <= axis.percent(value) <= 100 for value in values)
