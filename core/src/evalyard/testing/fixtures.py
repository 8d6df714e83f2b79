"""pytest fixtures around the fake executor: `pytest_plugins = ["evalyard.testing.fixtures"]`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evalyard.testing.fake import Fake, FakeSettings
from evalyard.testing.fake_backend import FakeBackend
from evalyard.testing.rig import Rig, rigged


@pytest.fixture
def fake_backend() -> Iterator[FakeBackend]:
    """The backend that `FakeSettings` means by default, empty and without faults; its processes end with the test."""
    backend = FakeBackend.at(FakeSettings(output_dir="").connection())
    yield backend
    backend.close()


@pytest.fixture
def fake_rig(fake_backend: FakeBackend, tmp_path: Path) -> Iterator[Rig]:
    """The fake executor with a folder and a store of its own."""
    with rigged(Fake, "fake", {"backend": fake_backend.name}, tmp_path) as rig:
        yield rig
