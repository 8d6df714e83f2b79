"""A folder in which somebody types commands, with an endpoint at hand."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from attrs import define

from evalyard.cli.app import call

ENOUGH = "+config.params.limit_samples=2"
MODEL = "model/another/one"


@define
class Desk:
    """A folder in which somebody types commands."""

    folder: Path
    url: str
    capture: pytest.CaptureFixture[str]

    def type(self, *words: str, code: int = 0) -> str:
        """Run a command; return what it says on stdout."""
        ended = call(words)
        said = self.capture.readouterr()
        assert ended == code, f"{words} exits with {ended}\n{said.out}{said.err}"
        self.said = said.err
        return said.out

    said: str = ""
    """What the last command said on stderr."""

    def endpoint(self) -> list[str]:
        """Return the options that fill in the endpoint."""
        return [
            "-o",
            f"target.api_endpoint.url={self.url}/v1/chat/completions",
            "-o",
            f"target.api_endpoint.model_id={MODEL}",
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Return the scores of the latest run."""
        rows: list[dict[str, Any]] = json.loads(self.type("results", "--json"))
        return rows

    def write(self, text: str, name: str = "mine.yaml") -> str:
        """Write a configuration in which `URL` and `MODEL` stand for the endpoint's."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).replace("URL", f"{self.url}/v1/chat/completions").replace("MODEL", MODEL))
        return name

    def run(self, text: str, *words: str) -> list[dict[str, Any]]:
        """Run a configuration to its end and return its scores."""
        self.type("run", "--config", self.write(text), "--wait", *words)
        return self.rows()

    def left(self, task: str, name: str) -> str:
        """Return what a task of the latest run left in a file."""
        (found,) = self.folder.glob(f"runs/latest/{task}/artifacts/{name}")
        return found.read_text()
