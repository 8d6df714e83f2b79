"""evalyard.cli.progress: bars that promise nothing that is not known."""

from __future__ import annotations

from typing import Any

import pytest

from evalyard.cli.progress import estimated_total, progress_text
from evalyard.records.jobs import JobCard


@pytest.mark.parametrize(
    ("progress", "total", "text"),
    [
        ("40/100", None, "[########............] 40%  40/100"),
        ("40", 100, "[########............] 40%  40/~100"),
        ("0/100", None, "[....................]  0%  0/100"),
        ("40", None, "40"),
        ("40/100", 50, "[########............] 40%  40/100"),
    ],
)
def test_a_bar_has_its_count_behind_it(progress: str, total: float | None, text: str) -> None:
    assert progress_text(progress, total) == text


@pytest.mark.parametrize(("progress", "total"), [("100/100", None), ("100", 100), ("999/1000", None), ("995", 1000)])
def test_a_bar_is_never_full_before_the_end(progress: str, total: float | None) -> None:
    text = progress_text(progress, total)
    assert " 99%" in text
    assert ".]" in text


@pytest.mark.parametrize(
    ("progress", "total"),
    [("120", 100), ("120/100", None), ("3/0", None), ("0/0", None), ("nan/nan", None), ("half", 10), ("-1", 10)],
)
def test_what_makes_no_sense_as_a_share_is_shown_as_it_is(progress: str, total: float | None) -> None:
    assert progress_text(progress, total) == progress


@pytest.mark.parametrize(
    ("limit", "parameters", "total"),
    [
        (None, {"n_samples": 4}, None),
        (10, {}, 10),
        (10, {"extra": {"n_samples": 4}}, 40),
        (10, {"num_repeats": "3"}, 30),
        (10, {"n_samples": None}, 10),
        (0.5, {}, None),
    ],
)
def test_a_total_is_the_limit_times_the_repeats(
    limit: float | None, parameters: dict[str, Any], total: float | None
) -> None:
    assert estimated_total(JobCard(job="a.1", task="t", limit_samples=limit, parameters=parameters)) == total


def test_without_a_card_there_is_no_total() -> None:
    assert estimated_total(None) is None
