"""evalyard.batch.system: a scheduler as data."""

import pytest
from attrs import evolve

from evalyard import JobRow, JobState
from tests.core.batch.toy import TOY


@pytest.mark.parametrize(
    ("pattern", "answer", "number"),
    [
        (r"<(\d+)>", "Job <12> is submitted to queue <normal>.", "12"),
        (r"^\d+$", "12", "12"),
        (r"^(\d+)(?:;|$)", "12;cluster", "12"),
        (r"\S+", "12.server", "12.server"),
        (r"^(\d+)$|^job (\d+)$", "job 12", "12"),
        (r"^\d+$", "try again later", ""),
        (r"^\d+$", "=12.server", "12.server"),
        (r"\S+", "-", ""),
        (r"^\d+$", "Welcome\x1e12\x1eYour quota is 80 %", "12"),
        (r"<(\d+)>", "Welcome, user <5>\x1eJob <12> is submitted.", "12"),
    ],
)
def test_a_jobs_number_is_found_in_what_the_scheduler_answers(pattern: str, answer: str, number: str) -> None:
    assert evolve(TOY, number=pattern).number_in(answer) == number


def test_a_word_that_is_not_listed_is_unknown() -> None:
    assert TOY.state_of("going") is JobState.RUNNING
    assert TOY.state_of("asleep") is JobState.UNKNOWN


def test_a_job_is_ours_by_its_whole_name_whatever_stands_before_a_dot() -> None:
    names = ("ey-1-1-1", "account-project.ey-1-1-1", "xey-1-1-1", "ey-1-1-11")
    rows = [JobRow(id="1", word="going", name=name) for name in names]
    assert [row.belongs_to("ey-1-1-1") for row in rows] == [True, True, False, False]


def test_words_are_told_on_one_line() -> None:
    assert TOY.plain(" it\n says\tno \n") == "it says no"
