"""The executor of this machine keeps the contract, without containers."""

from evalyard.testing.contract import Conformance


class TestLocalHostMode(Conformance):
    executor = "local"
    settings = {"use_docker": False}
    serves = True
    not_offered = frozenset({"fetch", "orphans"})
