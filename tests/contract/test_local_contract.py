"""The executor of this machine keeps the contract, without containers."""

from pathlib import Path
from typing import ClassVar

import pytest

from evalyard.testing import Conformance, Sweep
from evalyard.testing.pytest_plugin import NOT_OFFERED

NEVER_OFFERED = frozenset({"fetch", "foreign words", "outage"})
"""All that this executor may leave out: its run directories are on the disk of whoever launches, its processes are
looked at and ended without asking anybody, and nobody has words for their states."""


class TestLocalHostMode(Conformance):
    executor = "local"
    settings: ClassVar = {"use_docker": False, "kill_grace_s": 2}
    impatient: ClassVar = {"endpoint_readiness_timeout": 2}
    stored = Path(__file__).parent / "stored" / "local"
    serves = True
    not_offered = NEVER_OFFERED - {"foreign words"}

    @pytest.fixture(autouse=True)
    def _nothing_else_is_left_out(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        skipped = pytest.skip.Exception

        def skip(reason: str) -> None:
            assert reason.removeprefix(NOT_OFFERED) in NEVER_OFFERED, reason
            raise skipped(reason)

        monkeypatch.setattr(pytest, "skip", skip)


class TestLocalSwept(Sweep):
    executor = "local"
    settings: ClassVar = {"use_docker": False, "kill_grace_s": 2}
    serves = True
    sample = 3
