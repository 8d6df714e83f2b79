"""How long claims wait for what is to come true."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 60.0
"""How long anything here is waited for, unless an author says otherwise: far longer than a healthy backend needs."""


def wait_until(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come true in time.
    """
    give_up = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < give_up, f"after {patience_s:.0f} s still not: {what}"
        time.sleep(0.02)
