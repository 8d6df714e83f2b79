"""What the tests of the configuration share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from evalyard.config import load_text
from evalyard.specs import RunSpec

BASE = """
execution: {type: local, output_dir: /out}
target: {api_endpoint: {url: http://localhost:8000/v1/chat/completions}}
evaluation: {tasks: [smoke]}
"""

Load = Callable[..., RunSpec]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a text as the file `f`, with overrides; groups are looked for in the test's own folder."""

    def call(text: str, *overrides: str, environ: Mapping[str, str] | None = None) -> RunSpec:
        return load_text(dedent(text), "f", overrides, environ=environ or {}, folder=tmp_path)

    return call


@pytest.fixture
def base() -> str:
    """The least that runs: an executor, an endpoint, a task."""
    return BASE
