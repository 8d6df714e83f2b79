"""How often something that failed was tried, and when it may be tried again."""

from __future__ import annotations

import math
import time

from attrs import define, field

from evalyard.orchestrator.steps import Matter

MOST_TRIES = 6
"""How often a request without an answer is made before it has failed."""
FIRST_PAUSE_S = 1.0


@define
class Patience:
    """How often something was tried, and until when it rests; doubles the pause every time."""

    tries: dict[Matter, int] = field(factory=dict)
    until: dict[Matter, float] = field(factory=dict)

    def again(self, key: Matter) -> bool:
        """Note a failure; return whether another try is due later."""
        self.tries[key] = self.tries.get(key, 0) + 1
        self.rest(key, FIRST_PAUSE_S * 2 ** (self.tries[key] - 1) if self.tries[key] < MOST_TRIES else math.inf)
        return self.tries[key] < MOST_TRIES

    def rest(self, key: Matter, pause_s: float) -> None:
        """Let something rest for a while, without counting it as a failure."""
        self.until[key] = time.monotonic() + pause_s

    def done(self, key: Matter) -> None:
        """Forget failures: it worked."""
        self.tries.pop(key, None)
        self.until.pop(key, None)

    def spent(self, key: Matter) -> bool:
        """Whether it was tried as often as it will be."""
        return self.tries.get(key, 0) >= MOST_TRIES

    def resting(self) -> frozenset[Matter]:
        """Return what is not to be tried yet."""
        now = time.monotonic()
        return frozenset(key for key, until in self.until.items() if until > now)
