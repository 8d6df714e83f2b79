"""The executor in memory keeps the contract."""

from collections.abc import Iterator
from typing import ClassVar

import pytest

from evalyard import Connection
from evalyard.testing import Conformance
from evalyard.testing.fake import Fake
from evalyard.testing.fake_backend import FakeBackend


class TestFake(Conformance):
    executor_class = Fake
    settings: ClassVar = {"backend": "contract"}
    serves = True
    not_offered = frozenset({"discovery", "fetch"})

    @pytest.fixture(autouse=True)
    def _closed_backend(self) -> Iterator[None]:
        yield
        FakeBackend.at(Connection(executor="fake", address={"backend": "contract"})).close()
