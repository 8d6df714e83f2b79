"""evalyard.testing.claims."""

from typing import Any

import pytest
from evalyard_gridengine.plugin import GridEngine

from evalyard import JobState
from evalyard.testing import Conformance
from evalyard.testing.fake import Fake


def kit(executor: type[Any]) -> Conformance:
    class Tried(Conformance):
        executor_class = executor

    return Tried()


def test_the_words_of_a_batch_scheduler_are_known_without_the_authors_help() -> None:
    tried = kit(GridEngine)
    queued = tried.observation_of("qw")
    assert queued is not None
    assert queued.state is JobState.QUEUED
    tried.test_a_word_that_is_not_in_the_table_is_unknown_and_is_shown()


def test_where_there_are_no_words_that_is_shown_as_not_offered() -> None:
    with pytest.raises(pytest.skip.Exception, match="not offered: foreign words"):
        kit(Fake).test_a_word_that_is_not_in_the_table_is_unknown_and_is_shown()
