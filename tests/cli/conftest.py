"""A yard for each test of the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import require_backend
from tests.cli.yard import Yard


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """Return a folder and a state home of the test's own; whatever it leaves running is ended."""
    require_backend("local")
    yard = Yard(tmp_path)
    try:
        yield yard
    finally:
        yard.end_everything()
