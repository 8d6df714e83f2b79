"""evalyard_local.settings: the `execution:` section of `type: local`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest

from evalyard import ConfigError, Connection, Mounts
from evalyard.config import structure
from evalyard.specs import Section
from evalyard_local.settings import Keep, Mode, Pull, Settings


def read(**data: Any) -> Settings:
    section = Section(name="local", path="execution", data={"output_dir": "out", "use_docker": False, **data})
    return structure(section, Settings)


def test_defaults_are_parallel_over_all_cpus_with_ten_seconds_of_grace() -> None:
    assert read() == Settings(
        output_dir="out",
        mode=Mode.PARALLEL,
        max_parallel=os.cpu_count() or 1,
        use_docker=False,
        extra_docker_args="",
        pull=Pull.MISSING,
        mounts=Mounts(deployment={}, evaluation={}),
        keep=Keep.FAILED,
        cpus=None,
        memory="",
        shm_size="",
        gpus="auto",
        publish_port=None,
        kill_grace_s=10.0,
        endpoint_readiness_timeout=600,
    )


def test_on_a_machine_that_does_not_know_its_cpus_one_job_runs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert read().concurrency == 1


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"output_dir": [7]}, "execution.output_dir: a list is not a text"),
        ({"mode": "both"}, "execution.mode: 'both' is none of parallel, sequential"),
        ({"max_parallel": 0}, "execution.max_parallel: 'max_parallel' must be >= 1: 0"),
        ({"max_parallel": "4"}, "execution.max_parallel: '4' is not an integer"),
        ({"use_docker": "maybe"}, "execution.use_docker: 'maybe' is not true or false"),
        (
            {"extra_docker_args": "--env 'A=1"},
            "execution.extra_docker_args: cannot be split into flags: No closing quotation",
        ),
        (
            {"extra_docker_args": ["--gpus=all", "--name=mine"]},
            "execution.extra_docker_args: --name is not yours to set: the name is how evalyard finds it again",
        ),
        ({"pull": "sometimes"}, "execution.pull: 'sometimes' is none of missing, always, never"),
        ({"keep": "some"}, "execution.keep: 'some' is none of failed, all, none"),
        ({"cpus": 0}, "execution.cpus: 'cpus' must be > 0: 0.0"),
        ({"memory": "lots"}, "execution.memory: 'lots' is no size for memory; write it as in 512m or 16g"),
        ({"shm_size": "16 GB"}, "execution.shm_size: '16 GB' is no size for shm_size; write it as in 512m or 16g"),
        ({"publish_port": 0}, "execution.publish_port: 'publish_port' must be in range(1, 65536) (got 0)"),
        ({"kill_grace_s": -1}, "execution.kill_grace_s: 'kill_grace_s' must be >= 0: -1.0"),
        (
            {"endpoint_readiness_timeout": 0},
            "execution.endpoint_readiness_timeout: 'endpoint_readiness_timeout' must be >= 1: 0",
        ),
        ({"mounts": {"evaluations": {}}}, "execution.mounts.evaluations: unknown key; did you mean 'evaluation'?"),
        ({"kill_grace": 3}, "execution.kill_grace: unknown key; did you mean 'kill_grace_s'?"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_does_not_fit_is_named(data: Mapping[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**data)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].endswith(complaint)


def test_the_output_folder_must_be_given() -> None:
    with pytest.raises(ConfigError, match=r"execution\.output_dir: missing; set it in the file"):
        structure(Section(name="local", path="execution", data={"use_docker": False}), Settings)


def test_left_out_use_docker_asks_for_containers() -> None:
    section = Section(name="local", path="execution", data={"output_dir": "out"})
    assert structure(section, Settings).use_docker


@pytest.mark.parametrize("size", ["", "64", "64b", "512m", "1.5g", "16G"])
def test_sizes_are_written_as_docker_reads_them(size: str) -> None:
    assert read(memory=size, shm_size=size).memory == size


@pytest.mark.parametrize(
    ("data", "concurrency"),
    [
        ({"max_parallel": 3}, 3),
        ({"mode": "parallel", "max_parallel": 1}, 1),
        ({"mode": "sequential"}, 1),
        ({"mode": "sequential", "max_parallel": 8}, 1),
    ],
    ids=["three", "one", "sequential", "sequential whatever max_parallel says"],
)
def test_concurrency_follows_mode_and_max_parallel(data: Mapping[str, Any], concurrency: int) -> None:
    assert read(**data).concurrency == concurrency


@pytest.mark.parametrize(
    ("data", "ignored"),
    [
        ({}, ()),
        ({"pull": "missing", "extra_docker_args": "", "mounts": {}}, ()),
        ({"extra_docker_args": "--gpus all"}, ("extra_docker_args",)),
        ({"extra_docker_args": ["--gpus", "all"]}, ("extra_docker_args",)),
        ({"pull": "always"}, ("pull",)),
        ({"keep": "none"}, ("keep",)),
        ({"cpus": 2, "memory": "1g", "shm_size": "1g"}, ("cpus", "memory", "shm_size")),
        ({"gpus": "none", "publish_port": 8000}, ("gpus", "publish_port")),
        ({"mounts": {"deployment": {"/models": "/models"}}}, ("mounts",)),
        ({"mounts": {"evaluation": {"/data": "/data"}}}, ("mounts",)),
        (
            {"pull": "always", "mounts": {"evaluation": {"/a": "/b"}}, "extra_docker_args": "-i"},
            ("extra_docker_args", "mounts", "pull"),
        ),
    ],
    ids=[
        "none",
        "defaults",
        "text",
        "list",
        "pull",
        "keep",
        "limits",
        "of a server",
        "mounts of the server",
        "mounts of the harness",
        "all",
    ],
)
def test_settings_of_containers_are_ignored_only_when_given(data: Mapping[str, Any], ignored: tuple[str, ...]) -> None:
    assert read(**data).ignored == ignored


def test_every_run_on_this_machine_has_one_connection() -> None:
    assert read().connection() == read(max_parallel=2, mode="sequential").connection() == Connection(executor="local")
