"""How often a backend is asked: often when that is cheap and things change, seldom otherwise; never by all at once."""

from __future__ import annotations

import random

from attrs import define

FASTEST_POLL_S = 0.1
SLOWEST_POLL_S = 30.0
GROWTH = 1.1
FAILURE_GROWTH = 2.0
LOOK_SHARE = 0.01
"""Looking takes at most about this share of the time: a cheap backend is asked often, a slow one seldom."""
SPREAD = 0.25
"""How much longer than it needs to be a pause may be, so that launchers that began together do not stay together."""


@define
class Pace:
    """The pauses between looks at one backend."""

    _pause_s: float = FASTEST_POLL_S
    _failing: bool = False

    def pause_s(self, took_s: float, *, interval_s: float = 0.0, changed: bool = False, failed: bool = False) -> float:
        """Return how long to wait before the next look.

        Args:
            took_s: how long the last look took.
            interval_s: the shortest pause that the backend asks for; 0 = it has nobody else to answer.
            changed: whether the look saw something new.
            failed: whether the backend did not answer.
        """
        fastest = max(FASTEST_POLL_S, took_s, interval_s)
        if failed:
            self._pause_s = max(fastest, min(self._pause_s * FAILURE_GROWTH, SLOWEST_POLL_S))
        elif changed or self._failing:
            self._pause_s = fastest
        else:
            slowest = max(FASTEST_POLL_S, min(took_s / LOOK_SHARE, SLOWEST_POLL_S))
            self._pause_s = max(interval_s, min(self._pause_s * GROWTH, slowest))
        self._failing = failed
        return spread(self._pause_s) if failed or interval_s else self._pause_s


def spread(pause_s: float) -> float:
    """Return a pause that is a little longer by chance."""
    return pause_s * random.uniform(1, 1 + SPREAD)
