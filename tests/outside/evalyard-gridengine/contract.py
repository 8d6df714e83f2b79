"""The Grid Engine executor keeps evalyard's contract, at the cluster that `qsub` finds:  pytest contract.py"""

from typing import ClassVar

from evalyard.testing import Conformance


class TestGridEngine(Conformance):
    executor = "gridengine"
    settings: ClassVar = {"walltime": "00:10:00", "poll_interval_s": 0.1}
    not_offered = frozenset({"deployments", "fetch"})
