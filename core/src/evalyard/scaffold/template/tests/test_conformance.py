"""The executor keeps the contract, also when it is killed at any line of its own."""

from typing import ClassVar

from evalyard import Observation, StartRecord
from evalyard.testing import Conformance, Sweep

from evalyard_example.states import observation

STARTED = StartRecord(attempt=1, mark="0" * 32, by_hand=False, pid=1, started_at="2026-01-01T00:00:00Z")


class TestConformance(Conformance):
    executor = "example"
    serves = True
    impatient: ClassVar = {"endpoint_readiness_timeout": 2}
    # REPLACE: what yours does not do. `fetch` is for backends that share no disk with the machine that launches,
    # `outage` for those that can be out of reach: processes of this machine cannot.
    not_offered = frozenset({"fetch", "outage"})

    def observation_of(self, word: str) -> Observation:
        return observation(word, STARTED, None)


class TestSweep(Sweep):
    """A sample of the lines; EVALYARD_SWEEP=all tries every one."""

    executor = "example"
    serves = True
