"""Words of the backend: every one that is not in the table is unknown, and no news is never success."""

import pytest
from evalyard import ExitRecord, JobState, StartRecord

from evalyard_example.states import observation

STARTED = StartRecord(attempt=1, mark="0" * 32, by_hand=False, pid=1, started_at="2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("word", "state"),
    [("running", JobState.RUNNING), ("sleeping", JobState.RUNNING), ("dreaming", JobState.UNKNOWN)],
)
def test_a_word_is_a_state(word: str, state: JobState) -> None:
    assert observation(word, STARTED, None).state is state


def test_an_unlisted_word_is_shown() -> None:
    assert "dreaming" in observation("dreaming", STARTED, None).reason


def test_the_exit_file_outranks_the_word() -> None:
    ended = ExitRecord(attempt=1, exit_code=0, results=True)
    assert observation("dreaming", STARTED, ended).state is JobState.SUCCEEDED


def test_what_is_gone_without_an_exit_file_has_not_succeeded() -> None:
    assert observation("", STARTED, None).state is JobState.FAILED
