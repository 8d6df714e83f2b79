"""evalyard.plugins.context: what a hook may know."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from evalyard.errors import SecretError
from evalyard.plugins.context import Context
from evalyard.records.connections import Connection
from evalyard.records.files import PlannedFile, SecretRef
from evalyard.secrets import SecretSource

HERE = Connection(executor="any")


def context(run_dir: Path | None = None, **environ: str) -> Context:
    return Context(connection=HERE, secrets=SecretSource(environ=environ, run_dir=run_dir))


def test_time_left_is_never_negative() -> None:
    assert Context(connection=HERE, deadline=time.monotonic() - 5).remaining_s == 0
    assert 0 < Context(connection=HERE).remaining_s <= 120


def test_a_secret_comes_by_name_and_its_absence_is_named() -> None:
    assert context(KEY="value-of-key").secret("KEY") == "value-of-key"
    with pytest.raises(SecretError, match="KEY is not set"):
        context().secret("KEY")


def test_the_content_of_a_plain_file_is_its_text() -> None:
    assert context().content(PlannedFile(path="a/run.sh", text="true\n")) == "true\n"


def test_the_content_of_a_secrets_file_is_made_from_the_environment_on_demand() -> None:
    file = PlannedFile(path="a/.secrets.env", mode=0o600, secrets=(SecretRef(name="B", variable="X"),))
    assert context(X="it's").content(file) == "B='it'\\''s'\n"
    with pytest.raises(SecretError, match="X is not set"):
        context().content(file)


def test_a_later_process_makes_the_secrets_file_from_the_one_that_is_there(tmp_path: Path) -> None:
    file = PlannedFile(path="a/.secrets.env", mode=0o600, secrets=(SecretRef(name="B", variable="X"),))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".secrets.env").write_text(context(X="once given").content(file))
    assert context(tmp_path).content(file) == "B='once given'\n"


def test_a_context_shows_no_secret_when_it_is_printed() -> None:
    assert "canary" not in repr(context(KEY="canary"))
