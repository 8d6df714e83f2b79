"""Jobs with images, and what a plan says about their containers."""

from __future__ import annotations

import shlex
from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve

from evalyard import ConfigError, Job, Plan, ResultFile
from evalyard.records.programs import Server
from evalyard_local.docker.plans import plan_contained
from evalyard_local.settings import Settings
from tests.plugins.local.attempts import make_job, make_server

SETTINGS = Settings(output_dir="/out", max_parallel=3, kill_grace_s=4.5, endpoint_readiness_timeout=77)
IMAGE, SERVER_IMAGE = "img:1", "srv:1"


def contained_job(*, server: Server | None = None, url: str | None = None, **harness: Any) -> Job:
    """Return a job with an image; its harness for a process is not its harness for a container."""
    job = make_job("on the machine", results="process.yml", server=server)
    inside = evolve(job.harness, script="in the container", image=IMAGE, results=ResultFile(file="results.yml"))
    endpoint = job.endpoint if url is None else evolve(job.endpoint, url=url)
    return evolve(job, endpoint=endpoint, contained=evolve(inside, **harness), secret_variables=("MY_KEY",))


def model_server(**more: Any) -> Server:
    """Return a model server with an image."""
    return evolve(make_server(image=SERVER_IMAGE), **{"port": 0, **more})


def text_of(plan: Plan, path: str = "smoke/run.sh") -> str:
    """Return what a plan writes into a file."""
    (file,) = [file for need in plan.needs for file in need.files if file.path == path]
    return file.text


def words_of(plan: Plan, path: str = "smoke/run.sh") -> list[str]:
    """Return the words of the container's `set --`; what a shell would put in stays as it is written."""
    text = text_of(plan, path).partition("set -- \\\n")[2]
    return shlex.split(text.partition("\n\n")[0].replace("\\\n", " "))


def mounts_of(plan: Plan, path: str = "smoke/run.sh") -> list[str]:
    """Return the mounts, without what all of them begin with."""
    words = words_of(plan, path)
    found = [after for word, after in pairwise(words) if word == "--mount"]
    return [word.removeprefix("type=bind,source=") for word in found]


def problem(settings: Settings, job: Job) -> str:
    """Return why a job cannot be planned."""
    with pytest.raises(ConfigError) as caught:
        plan_contained(settings, job)
    (said,) = caught.value.problems
    return said
