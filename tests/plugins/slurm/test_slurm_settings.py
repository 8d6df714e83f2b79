"""evalyard_slurm.settings: every key of `execution:` that users' files have, typed and checked."""

from typing import Any

import pytest

from evalyard import ConfigError, Connection, Section, walltime_seconds
from evalyard.config import structure
from evalyard_slurm.settings import ContainerRuntime, Settings

EVERY_KEY: dict[str, Any] = {
    "hostname": "login.example",
    "username": "me",
    "account": "0123",
    "output_dir": "/shared/out",
    "partition": "long",
    "cpu_partition": "cpu",
    "num_nodes": 2,
    "num_instances": 1,
    "ntasks_per_node": 1,
    "gres": None,
    "gpus_per_node": 8,
    "walltime": "04:00:00",
    "max_walltime": None,
    "endpoint_readiness_timeout": None,
    "subproject": "evals",
    "sbatch_comment": "who asked",
    "sbatch_extra_flags": {"exclusive": True, "qos": "high", "nice": 5, "mail_user": None, "oversubscribe": False},
    "container_runtime": "podman",
    "deployment": {"n_tasks": 2},
    "mounts": {
        "deployment": {"/a": "/b"},
        "evaluation": {"/c": "/d:ro"},
        "auxiliary": {"judge": {"/e": "/f"}},
        "mount_home": False,
    },
    "proxy": {"type": "haproxy", "config": {"haproxy_port": 5009}},
    "evaluation_gpu_visible": True,
    "poll_interval_s": 2.5,
}


def settings(**data: Any) -> Settings:
    return structure(Section(name="slurm", path="execution", data={"output_dir": "/out", **data}), Settings)


def test_every_key_of_users_files_is_read() -> None:
    read = settings(**EVERY_KEY)
    assert read.container_runtime is ContainerRuntime.PODMAN
    assert read.flags == {"--exclusive": "", "--qos": "high", "--nice": "5"}
    assert read.walltime_s == 4 * 3600
    assert read.ignored == ("mounts.auxiliary", "proxy")


def test_an_output_folder_is_all_that_is_needed() -> None:
    read = settings()
    assert (read.partition, read.gres, read.walltime, read.num_nodes) == ("batch", "gpu:8", "01:00:00", 1)
    assert read.flags == {"--exclusive": ""}
    assert read.ignored == ()


def test_the_connection_says_where_and_nothing_more() -> None:
    there = settings(hostname="login", username="me", account="x").connection()
    assert there == Connection(executor="slurm", address={"hostname": "login", "username": "me"})
    assert settings(hostname="login").connection().address == {"hostname": "login"}


def test_the_connection_says_how_seldom_the_cluster_wants_to_be_asked() -> None:
    assert settings().connection().poll_interval_s == 5
    assert settings(poll_interval_s=2.5).connection().poll_interval_s == 2.5


def test_without_a_hostname_the_cluster_is_here_and_shares_the_disk() -> None:
    assert settings(username="me").connection() == Connection(executor="slurm", shares_disk=True)
    assert not settings(hostname="login").connection().shares_disk


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("10:30", 630),
        ("01:02:03", 3723),
        ("2-12", 216000),
        ("1-00:30", 88200),
        ("1-01:02:03", 90123),
    ],
)
def test_a_walltime_is_read_as_slurm_does(text: str, seconds: int) -> None:
    assert walltime_seconds(text) == seconds


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a time that is none": ({"walltime": "two hours"}, "'two hours' is no time"),
    "no time at all": ({"walltime": "0:00"}, "a walltime of 0"),
    "a flag that is ours": ({"sbatch_extra_flags": {"requeue": True}}, "requeue is not yours to set"),
    "the same with dashes": ({"sbatch_extra_flags": {"--job-name": "x"}}, "--job-name is not yours to set"),
    "a flag that is text": ({"sbatch_extra_flags": {"--qos=high\n#SBATCH -x": True}}, "no flag of sbatch"),
    "a value of two lines": ({"sbatch_extra_flags": {"qos": "a\nb"}}, "one line of text"),
    "a comment of two lines": ({"sbatch_comment": "a\n#SBATCH --uid=0"}, "sbatch_comment has to be one line"),
    "a host that is an option": ({"hostname": "-oProxyCommand=x"}, "'-oProxyCommand=x' is no hostname"),
    "several servers": ({"num_instances": 2}, "num_instances: this version starts one model server"),
    "no such runtime": ({"container_runtime": "docker"}, "pyxis"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_refused(case: str) -> None:
    data, complaint = WRONG[case]
    with pytest.raises(ConfigError, match=complaint):
        settings(**data)
