"""evalyard_local.docker.plans: which folders and files containers see, and what cannot be planned."""

from __future__ import annotations

import pytest
from attrs import evolve

from evalyard import Mounts, PlannedFile
from evalyard.records.files import SecretRef
from evalyard.records.programs import Mount
from evalyard_local.docker.plans import plan_contained
from tests.plugins.local.docker.planning import (
    SETTINGS,
    contained_job,
    model_server,
    mounts_of,
    problem,
    text_of,
)


def test_users_folders_are_mounted_where_they_say_and_as_they_say() -> None:
    mounts = Mounts(
        deployment={"/models": "/m:ro"}, evaluation={"/a b": "/a", "/c": "/c:ro", "/d": "/d:rw", "/e": "/e:f"}
    )
    plan = plan_contained(evolve(SETTINGS, mounts=mounts), contained_job(server=model_server()))
    users = [mount for mount in mounts_of(plan) if not mount.startswith("$here")]
    assert users == ["/a b,target=/a", "/c,target=/c,readonly", "/d,target=/d", "/e,target=/e:f"]
    assert [mount for mount in mounts_of(plan, "deployment/run.sh") if not mount.startswith("$here")] == [
        "/models,target=/m,readonly"
    ]


def test_the_tasks_data_are_there_to_be_read() -> None:
    job = contained_job()
    task = evolve(job.task, dataset_dir="/data/mine", dataset_mount_path="/where it wants")
    assert mounts_of(plan_contained(SETTINGS, evolve(job, task=task)))[-2:] == [
        "/data/mine,target=/where it wants,readonly",
        "$here/logs/stdout.log,target=/evalyard/log",
    ]


@pytest.mark.parametrize(
    ("name", "mount"),
    [("cache", "$here/../../cache,target=/evalyard/output/cache"), ("", "$here/../..,target=/evalyard/output")],
)
def test_a_lasting_folder_lies_below_the_output_folder_and_is_made(name: str, mount: str) -> None:
    plan = plan_contained(SETTINGS, contained_job(lasting=(name,)))
    assert mount in mounts_of(plan)
    made = mount.partition(",")[0].removeprefix("$here/")
    assert f"mkdir -p \"$here\"/'{made}'\n" in text_of(plan)
    assert mount.rpartition("=")[2] in text_of(plan, "smoke/inside.sh").partition("# What is run.")[0]


def test_a_servers_model_is_mounted_as_its_recipe_says() -> None:
    mount = Mount(source="/models/m", target="/checkpoint", read_only=True, variable="EVALYARD_CHECKPOINT")
    plan = plan_contained(SETTINGS, contained_job(server=model_server(mounts=(mount,))))
    assert "/models/m,target=/checkpoint,readonly" in mounts_of(plan, "deployment/run.sh")
    assert "export EVALYARD_CHECKPOINT='/checkpoint'" in text_of(plan, "deployment/run.sh")


def test_a_servers_own_files_and_secrets_are_beside_its_script() -> None:
    files = (PlannedFile(path="deployment/conf/a.yml"), PlannedFile(path="deployment/conf/b.yml"))
    served = model_server(files=files, secrets=(SecretRef(name="K", variable="K"),))
    mounts = mounts_of(plan_contained(SETTINGS, contained_job(server=served)), "deployment/run.sh")
    assert [mount for mount in mounts if "/evalyard/job/" in mount] == [
        "$here/.secrets.env,target=/evalyard/job/.secrets.env,readonly",
        "$here/conf,target=/evalyard/job/conf,readonly",
        "$here/inside.sh,target=/evalyard/job/inside.sh,readonly",
    ]


# --- what cannot be planned -------------------------------------------------------------------------------------------


def test_a_task_without_an_image_is_refused_with_what_to_do() -> None:
    job = contained_job(image=None)
    assert problem(SETTINGS, evolve(job, task=evolve(job.task, where="run.yaml:7"))) == (
        "run.yaml:7: 'smoke' names no container image: give the task container: IMAGE, or pass --no-docker"
    )


def test_a_server_without_an_image_is_refused_with_what_to_do() -> None:
    assert problem(SETTINGS, contained_job(server=model_server(image=None))) == (
        "deployment.image: type generic needs an image to serve in a container: set it, or pass --no-docker"
    )


@pytest.mark.parametrize("bad", ["/a,b", '/a"b', "/a\nb"], ids=["comma", "quote", "line break"])
@pytest.mark.parametrize("place", ["run", "source", "target", "data", "data in the container", "model", "cache"])
def test_a_path_that_docker_cannot_mount_is_named(place: str, bad: str) -> None:
    job, settings = contained_job(), SETTINGS
    match place:
        case "run":
            job = evolve(job, run_dir=bad)
        case "source":
            settings = evolve(settings, mounts=Mounts(evaluation={bad: "/x"}))
        case "target":
            settings = evolve(settings, mounts=Mounts(deployment={"/x": bad}))
        case "data":
            job = evolve(job, task=evolve(job.task, dataset_dir=bad))
        case "data in the container":
            job = evolve(job, task=evolve(job.task, dataset_dir="/data", dataset_mount_path=bad))
        case "model":
            job = contained_job(server=model_server(mounts=(Mount(source=bad, target="/checkpoint"),)))
        case _:
            job = contained_job(server=model_server(mounts=(Mount(source="/cache", target=bad),)))
    assert problem(settings, job) == f"'{bad}': Docker cannot mount a path with a comma, a quote or a line break in it"


@pytest.mark.parametrize(
    ("mounts", "said"),
    [
        (Mounts(evaluation={"data": "/data"}), "'data' must be an absolute path of this machine"),
        (Mounts(deployment={"/data": "data:ro"}), "'data:ro' must be an absolute path in the container"),
    ],
)
def test_a_mount_with_a_relative_path_is_named(mounts: Mounts, said: str) -> None:
    assert problem(evolve(SETTINGS, mounts=mounts), contained_job()) == f"execution.mounts: {said}"
