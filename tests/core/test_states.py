"""evalyard.states: forward only, terminal for ever, UNKNOWN never recorded."""

from __future__ import annotations

from itertools import product

import pytest

from evalyard.states import FINAL, JobState, may_follow

S = JobState
FORWARD = [S.PENDING, S.PROVISIONING, S.QUEUED, S.RUNNING, S.COLLECTING]
ACTIVE = [*FORWARD, S.UNKNOWN]


def test_states_that_end_an_attempt_are_these_five() -> None:
    assert {S.SUCCEEDED, S.FAILED, S.CANCELLED, S.TIMED_OUT, S.LOST} == FINAL
    assert [state for state in S if state.final] == [state for state in S if state not in ACTIVE]


@pytest.mark.parametrize(("old", "new"), list(product(FORWARD, FORWARD)), ids=str)
def test_an_attempt_moves_forward_with_gaps_and_never_back(old: JobState, new: JobState) -> None:
    assert may_follow(old, new) is (FORWARD.index(new) > FORWARD.index(old))


@pytest.mark.parametrize("end", sorted(FINAL))
def test_a_terminal_state_can_follow_every_other_and_nothing_follows_it(end: JobState) -> None:
    assert all(may_follow(state, end) for state in FORWARD)
    assert not any(may_follow(end, state) for state in S)


@pytest.mark.parametrize("old", list(S))
def test_unknown_is_never_recorded(old: JobState) -> None:
    assert not may_follow(old, S.UNKNOWN)
