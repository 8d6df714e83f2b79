"""The executor keeps the contract, also when it is killed at any line of its own."""

from typing import ClassVar

from evalyard.testing import Conformance, Sweep


class TestConformance(Conformance):
    executor = "example"
    serves = True
    impatient: ClassVar = {"endpoint_readiness_timeout": 2}
    # REPLACE: what yours does not do. `fetch` is for backends that share no disk with the machine that launches,
    # `outage` for those that can be out of reach: processes of this machine cannot.
    not_offered = frozenset({"fetch", "outage"})


class TestSweep(Sweep):
    """A sample of the lines; EVALYARD_SWEEP=all tries every one."""

    executor = "example"
    serves = True
