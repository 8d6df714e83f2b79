"""The executor of this machine keeps the contract, without containers."""

from typing import ClassVar

from evalyard.testing import Conformance


class TestLocalHostMode(Conformance):
    executor = "local"
    settings: ClassVar = {"use_docker": False}
    serves = True
    not_offered = frozenset({"fetch"})
