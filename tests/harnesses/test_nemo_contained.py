"""nemo-evaluator itself in a container: its adapter and cache, how runs end, and that it does what it does without."""

from __future__ import annotations

import compileall
import json
import os
import py_compile
import sysconfig
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.backends import require_backend
from tests.cli.yard import until
from tests.core.harness.smoke_servers import ScriptedServer, demo_endpoint
from tests.docker.dockyard import Dockyard, docker
from tests.docker_images import add_file, add_tree, extended, libraries
from tests.harnesses.endpoint import refusing_endpoint, thinking_endpoint

# The ways in which it ends are told apart by `make test-harnesses` alone: each takes many seconds.
pytestmark = pytest.mark.docker

PACKAGES = Path(__file__).parent / "packages"
SITE = "opt/site"
QUESTIONS = 6
_PROGRAM = """#!/usr/bin/python3
import sys
from nemo_evaluator.core.entrypoint import run_eval
if __name__ == "__main__":
    sys.exit(run_eval())
"""


def nemo_image(programs: Path, base: str, program: str) -> str:
    """Return an image with nemo-evaluator under a name, and a harness of ours."""
    # A container would compile everything each time.
    compiled = py_compile.PycInvalidationMode.UNCHECKED_HASH
    site = Path(sysconfig.get_path("purelib", vars={"base": str(programs.parent)}))

    compileall.compile_dir(site, quiet=1, invalidation_mode=compiled)

    def write(archive: tarfile.TarFile) -> None:
        add_tree(archive, site, SITE, compiled=True)
        add_tree(archive, PACKAGES, SITE)
        for library in sorted(libraries(site.rglob("*.so"))):
            if not library.startswith(str(site)):
                add_file(archive, library.lstrip("/"), Path(library).read_bytes())
        add_file(archive, "bin/bash", b'#!/bin/sh\nexec sh "$@"\n')
        add_file(archive, f"usr/bin/{program}", _PROGRAM.encode())

    return extended(program, base, write, f"ENV PYTHONPATH=/{SITE}", "ENV PYTHONDONTWRITEBYTECODE=1")


class NemoYard(Dockyard):
    """A yard whose tasks are those of the harness, for one endpoint."""

    def __init__(self, folder: Path, image: str, server: ScriptedServer) -> None:
        super().__init__(folder, image)
        self.endpoint = server

    def sums(self, adapter: Mapping[str, Any], *, server: ScriptedServer | None = None, **more: Any) -> str:
        """Write a configuration of one task with this adapter configuration."""
        target = {"url": (server or self.endpoint).url, "model_id": "m", "adapter_config": adapter}
        params = more.pop("params", {})
        task = {"name": "tally.sums", "nemo_evaluator_config": {"config": {"params": params}}, **more}
        return self.config(task, target={"api_endpoint": target})

    def scores(self, invocation: str) -> list[tuple[Any, ...]]:
        """Return the scores of a run."""
        rows = json.loads(self.call("results", "--json", invocation).out)
        return [(row["task"], row["metric"], row["value"], row["n"]) for row in rows]

    def artifact(self, invocation: str, name: str) -> Path:
        return self.task_folder(invocation, "tally.sums") / "artifacts" / name


@pytest.fixture
def yard(tmp_path: Path, nemo_programs: Path, python_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[NemoYard]:
    require_backend("local")
    monkeypatch.setenv("EVALYARD_ALLOW_UNLISTED", "1")
    image = nemo_image(nemo_programs, python_image, "nemo-evaluator")
    with thinking_endpoint() as server:
        yard = NemoYard(tmp_path, image, server)
        try:
            yield yard
        finally:
            yard.end_everything()
            yard.remove_everything()


KEPT = {
    "interceptors": [
        {"name": "reasoning"},
        {"name": "caching", "config": {"cache_dir": "./evaluation_cache", "reuse_cached_responses": True}},
        {"name": "request_logging", "config": {"max_requests": 4}},
    ]
}


def test_the_shipped_examples_adapters_act_and_a_second_run_asks_nothing(yard: NemoYard) -> None:
    yard.sums(KEPT)
    first = yard.run("run.yaml", "--wait")
    assert len(yard.endpoint.requests) == QUESTIONS
    second = yard.run("run.yaml", "--wait")
    assert len(yard.endpoint.requests) == QUESTIONS
    for invocation in (first, second):
        assert yard.scores(invocation) == [("sums", "exact", 1.0, QUESTIONS)]
        answers = yard.artifact(invocation, "answers.json").read_text()
        assert "<think>" not in answers
        assert yard.log(invocation, "tally.sums").count("Incoming request") == 4
    cache = yard.folder / "runs" / "evaluation_cache"
    made = [cache, *cache.rglob("*"), *yard.artifact(second, ".").rglob("*")]
    assert len(made) > 2
    assert {path.stat().st_uid for path in made} == {os.getuid()}


def test_under_its_older_name_it_does_what_it_does_without_docker(
    yard: NemoYard, nemo_programs: Path, python_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{nemo_programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(PACKAGES))
    # Older images have it under this name alone.
    yard.sums(KEPT, container=nemo_image(nemo_programs, python_image, "eval-factory"))
    sums = [yard.run("run.yaml", "--wait", *more) for more in ([], ["--no-docker"])]
    inside, outside = [(yard.task_folder(run, "tally.sums") / "run_config.yml").read_text() for run in sums]
    assert inside != outside
    assert inside.replace("/evalyard/output/", "../../").replace("/results/", "artifacts/") == outside
    with demo_endpoint(models=("m",)) as url:
        target = {"api_endpoint": {"url": f"{url}/v1/chat/completions", "model_id": "m"}}
        yard.config({"name": "smoke", "container": python_image}, target=target)
        smoke = [yard.run("run.yaml", "--wait", *more) for more in ([], ["--no-docker"])]
    for contained, beside in (sums, smoke):
        assert yard.scores(contained) == yard.scores(beside)
        assert yard.scores(contained)


@pytest.mark.harness
def test_its_progress_shows_and_a_killed_run_is_cancelled(yard: NemoYard) -> None:
    yard.sums({"interceptors": ["progress_tracking"]}, params={"extra": {"wait_s": 600}})
    invocation = yard.run("run.yaml")

    def progress() -> str:
        (row,) = yard.jobs(invocation)
        return str(row["progress"])

    until(lambda: progress().startswith(str(QUESTIONS)), lambda: f"progress {progress()!r}")
    yard.call("kill", invocation)
    assert yard.states(invocation) == ["CANCELLED"]


END_PROGRAM = "kill $(ps -o pid,args | sed -n 's/^ *\\([0-9]*\\) .*[n]emo-evaluator run_eval.*/\\1/p')"


@pytest.mark.harness
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["stop"], "its container was stopped"),
        # It alone is told to end: then it exits with 0.
        (["exec", "sh", "-c", END_PROGRAM], "nemo-evaluator was interrupted"),
    ],
    ids=["stopped", "interrupted"],
)
def test_what_is_ended_from_outside_is_no_success(yard: NemoYard, command: list[str], reason: str) -> None:
    yard.sums({"use_caching": False}, params={"extra": {"wait_s": 600}})
    invocation = yard.run("run.yaml")
    until(yard.artifact(invocation, "answers.json").exists, "answers")
    docker(command[0], *yard.containers(invocation), *command[1:])
    (row,) = yard.await_states(invocation, "FAILED")
    assert row["reason"].startswith(reason)


@pytest.mark.harness
def test_an_endpoint_that_refuses_for_good_is_the_reason(yard: NemoYard) -> None:
    with refusing_endpoint() as server:
        yard.sums({"interceptors": ["raise_client_errors"]}, server=server)
        (row,) = yard.jobs(yard.run("run.yaml", "--wait", code=1))
    assert row["reason"].startswith("the endpoint failed for good: ")
