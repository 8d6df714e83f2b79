"""A stand-in of the service for each test, and whoever asks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.yard import Yard
from tests.plugins.lepton.desk import Desk
from tests.plugins.lepton.service.server import Service


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    service = Service(root=tmp_path / "service").start()
    for name, value in service.variables.items():
        monkeypatch.setenv(name, value)
    yield service
    service.close()
    assert service.processes() == []
    assert service.containers() == []


@pytest.fixture
def desk(service: Service, tmp_path: Path) -> Desk:
    return Desk(service, tmp_path)


@pytest.fixture
def yard(service: Service, tmp_path: Path) -> Iterator[Yard]:
    assert service.base
    (tmp_path / "yard").mkdir()
    yard = Yard(tmp_path / "yard")
    yield yard
    yard.end_everything()
