"""A yard with containers for each test of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import require_backend
from tests.docker.dockyard import Dockyard


@pytest.fixture
def yard(tmp_path: Path, busybox_image: str) -> Iterator[Dockyard]:
    """Return a folder and a state home of the test's own; whatever it leaves, process or container, is removed."""
    require_backend("local")
    yard = Dockyard(tmp_path, busybox_image)
    try:
        yield yard
    finally:
        yard.end_everything()
        yard.remove_everything()
