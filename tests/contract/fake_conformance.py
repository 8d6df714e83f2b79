"""The kit around the executor in memory: its backend is in this process, so its weather is made there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from evalyard import Connection
from evalyard.testing import Conformance, Weather
from evalyard.testing.fake import Fake
from evalyard.testing.fake_backend import FakeBackend


class FakeConformance(Conformance):
    """For the executor in memory, and for what is made of it."""

    executor_class: ClassVar[type[Fake] | None] = Fake
    settings: ClassVar = {"backend": "contract"}
    serves = True
    impatient: ClassVar = {"endpoint_readiness_timeout": 1}
    stored = Path(__file__).parent / "stored" / "fake"
    hang_s = 0.5
    not_offered = frozenset({"discovery", "fetch"})

    @property
    def backend(self) -> FakeBackend:
        """The backend that the settings mean."""
        return FakeBackend.at(Connection(executor="fake", address={"backend": self.settings["backend"]}))

    def weather(self, kind: Weather) -> AbstractContextManager[Sequence[str]]:
        return self._weather(kind)

    @contextmanager
    def _weather(self, kind: Weather) -> Iterator[Sequence[str]]:
        faults, calls = self.backend.faults, self.backend.calls
        before, disturbed = len(calls), list[str]()
        match kind:
            case Weather.HANGING:
                faults.hanging = True
            case Weather.UNREACHABLE:
                faults.unreachable = "no way there"
            case _:
                faults.omitted = set(self.backend.book)
        try:
            yield disturbed
        finally:
            disturbed += calls[before:]
            faults.hanging, faults.unreachable, faults.omitted = False, "", set()

    @pytest.fixture(autouse=True)
    def _closed_backend(self) -> Iterator[None]:
        yield
        self.backend.close()
