"""How often a backend is asked."""

import random

import pytest

from evalyard.orchestrator.pace import FASTEST_POLL_S, SLOWEST_POLL_S, SPREAD, Pace, spread

QUICK_S = 0.001
SLOW_S = 2.0


def pauses(pace: Pace, count: int, took_s: float, **seen: object) -> list[float]:
    return [pace.pause_s(took_s, **seen) for _ in range(count)]  # type: ignore[arg-type]


def test_a_quick_backend_of_ones_own_is_asked_all_the_time() -> None:
    assert set(pauses(Pace(), 100, QUICK_S)) == {FASTEST_POLL_S}


def test_a_slow_one_is_asked_ever_less_until_something_changes() -> None:
    pace = Pace()
    assert pace.pause_s(SLOW_S, changed=True) == SLOW_S
    quiet = pauses(pace, 100, SLOW_S)
    assert quiet == sorted(quiet)
    assert quiet[-1] == SLOWEST_POLL_S
    assert pace.pause_s(SLOW_S, changed=True) == SLOW_S


def test_nothing_is_asked_more_often_than_it_wants() -> None:
    pace = Pace()
    pauses(pace, 3, QUICK_S)
    for changed in (True, False):
        assert all(5 <= pause <= 5 * (1 + SPREAD) for pause in pauses(pace, 50, QUICK_S, interval_s=5, changed=changed))
    assert min(pauses(pace, 50, QUICK_S, interval_s=60)) >= 60
    assert min(pauses(pace, 50, QUICK_S, interval_s=60, failed=True)) >= 60


def test_launchers_that_begin_together_do_not_stay_together() -> None:
    assert len(set(pauses(Pace(), 20, QUICK_S, interval_s=5))) > 10
    assert len({spread(1) for _ in range(20)}) > 10


def test_what_does_not_answer_is_asked_half_as_often_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, _high: low)
    pace = Pace()
    assert pauses(pace, 4, QUICK_S, failed=True) == [0.2, 0.4, 0.8, 1.6]
    assert pauses(pace, 10, QUICK_S, failed=True)[-1] == SLOWEST_POLL_S


def test_once_it_answers_again_it_is_asked_as_before() -> None:
    pace = Pace()
    pauses(pace, 10, SLOW_S, failed=True)
    assert pace.pause_s(SLOW_S) == SLOW_S
