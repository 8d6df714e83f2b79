"""What every group of claims stands on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from evalyard.plugins.discovery import load_executor
from evalyard.records import Plan


class Claims:
    """The attributes and methods that a plugin author sets or replaces; see `Conformance`."""

    executor: ClassVar[str] = ""
    executor_class: ClassVar[type[Any] | None] = None
    settings: ClassVar[Mapping[str, Any]] = {}
    serves: ClassVar[bool] = False
    image: ClassVar[str] = ""
    not_offered: ClassVar[frozenset[str]] = frozenset()
    heavy_modules: ClassVar[frozenset[str]] = frozenset(
        {"boto3", "botocore", "docker", "google", "grpc", "httpx", "kubernetes", "leptonai", "numpy", "paramiko"}
        | {"pandas", "requests", "torch"}
    )

    def loaded(self) -> type[Any]:
        """Return the executor's class."""
        return self.executor_class or load_executor(self.executor)

    def offered(self, capability: str, *, there: bool) -> None:
        """Skip the calling claim when the author says that a capability is not offered; fail when it is just absent."""
        if capability in self.not_offered:
            assert not there, f"'{capability}' is offered, and listed in not_offered"
            pytest.skip(f"not offered: {capability}")
        assert there, f"'{capability}' is not offered; if that is meant, list it in not_offered"

    def read_file(self, path: str) -> bytes:
        """Return the content of a file at the backend: replace it where the run directory is not on this machine.

        Raises:
            FileNotFoundError: there is none.
        """
        return Path(path).read_bytes()

    def file_mode(self, path: str) -> int:
        """Return the permission bits of a file at the backend."""
        return Path(path).stat().st_mode & 0o777

    def spoil(self, plan: Plan) -> None:
        """Make the backend refuse a provisioned job: here, a file stands where its directory was."""
        shutil.rmtree(plan.directory)
        Path(plan.directory).write_text("in the way", encoding="utf-8")

    def lines_of(self, path: str) -> list[str]:
        """Return the lines of a file at the backend; none when there is no file."""
        try:
            return self.read_file(path).decode().splitlines()
        except FileNotFoundError:
            return []
