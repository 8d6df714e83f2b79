"""evalyard_slurm.plans: one job to everything that is written and submitted for it, purely."""

import os
import subprocess
from pathlib import Path

import pytest
from attrs import evolve

from evalyard import (
    ConfigError,
    EndpointSpec,
    Harness,
    NeedKind,
    Plan,
    TaskSpec,
    inside_script,
    inside_server_script,
    job_script,
)
from evalyard_slurm.batch_script import flush_s
from evalyard_slurm.plans import plan_job
from evalyard_slurm.settings import ContainerRuntime, Mounts, Settings
from tests.plugins.slurm.goldens import EVERYTHING, HOST, PODMAN, PYXIS, settings, text_of
from tests.plugins.slurm.jobs import MARK, make_job, make_server, served_job


def paths(plan: Plan) -> set[str]:
    return {file.path for need in plan.needs for file in need.files}


def test_a_host_process_is_the_jobs_own_script() -> None:
    job = make_job()
    plan = plan_job(HOST, job)
    assert (plan.name, plan.mark, plan.directory) == ("ey-a1b2c3d4-1-1", MARK, "/shared/out/run/smoke")
    assert plan.argv == ("sbatch", "--parsable", "--job-name=ey-a1b2c3d4-1-1", "job.sbatch", "1")
    assert text_of(plan, "smoke/run.sh") == job_script(job, ready_timeout_s=3600)
    assert [(need.kind, need.directory) for need in plan.needs] == [(NeedKind.FILES, "/shared/out/run")]
    assert paths(plan) == {
        *("smoke/run.sh", "smoke/job.sbatch", "smoke/.secrets.env", "smoke/run_config.yml"),
        *("harness/smoke/x.py", "config.yaml"),
    }
    assert (plan.image, plan.concurrency, dict(plan.environment), dict(plan.bindings)) == ("", None, {}, {})


def test_a_container_runs_what_is_inside_of_it() -> None:
    job = make_job()
    plan = plan_job(PODMAN, job)
    assert text_of(plan, "smoke/inside.sh") == inside_script(job)
    assert "podman run" in text_of(plan, "smoke/run.sh")
    assert plan.image == "registry.example/harness:1"


def test_a_model_server_is_started_in_the_job_and_is_no_need() -> None:
    job = served_job()
    plan = plan_job(PODMAN, job)
    assert [need.kind for need in plan.needs] == [NeedKind.FILES]
    assert job.server is not None
    assert text_of(plan, "deployment/inside.sh") == inside_server_script(job.server, job.invocation)
    assert {"deployment/serve.sh", "deployment/with_server.sh"} <= paths(plan)
    assert "servers='EVALYARD ../deployment /health -'" in text_of(plan, "smoke/run.sh")


def test_a_model_server_of_several_nodes_listens_to_all() -> None:
    job = served_job(image=None)
    assert "export HOST='127.0.0.1'" in text_of(plan_job(HOST, job), "deployment/serve.sh")
    assert "export HOST='0.0.0.0'" in text_of(plan_job(evolve(HOST, num_nodes=2), job), "deployment/serve.sh")


def test_the_wait_for_the_server_is_as_long_as_the_job_unless_it_is_set() -> None:
    assert "ready_timeout=3600 " in text_of(plan_job(HOST, make_job()), "smoke/run.sh")
    short = evolve(HOST, endpoint_readiness_timeout=77)
    assert "ready_timeout=77 " in text_of(plan_job(short, make_job()), "smoke/run.sh")


def test_a_subproject_is_part_of_the_name_that_slurm_sees() -> None:
    assert plan_job(EVERYTHING, make_job()).payload["job_name"] == "nvr it's-evals.ey-a1b2c3d4-1-1"
    assert plan_job(settings(subproject="evals"), make_job()).payload["job_name"] == "evals.ey-a1b2c3d4-1-1"


def test_jobs_without_a_server_may_have_a_partition_of_their_own_and_no_gpus() -> None:
    given = settings(cpu_partition="cpu", partition="gpu", num_nodes=2)
    alone = text_of(plan_job(given, make_job()), "smoke/job.sbatch")
    assert "#SBATCH --partition=cpu\n" in alone
    assert "#SBATCH --nodes=1\n" in alone
    assert "--gres" not in alone
    served = text_of(plan_job(given, served_job()), "smoke/job.sbatch")
    assert "#SBATCH --partition=gpu\n" in served
    assert "#SBATCH --gres=gpu:8\n" in served


def test_a_secret_is_in_no_text() -> None:
    for given in (HOST, PODMAN, PYXIS):
        plan = plan_job(given, served_job(image_by_default=True))
        texts = [file.text for need in plan.needs for file in need.files if not file.secrets]
        assert not any("HF_TOKEN" in text for text in texts)
        assert not any("KEY" in text and "MY_KEY" in text for text in texts)


def test_what_jobs_mount_is_to_be_there_before() -> None:
    given = settings(mounts=Mounts(deployment={"/weights": "/w"}, evaluation={"/sets": "/s"}))
    job = served_job()
    plan = plan_job(given, evolve(job, task=evolve(job.task, dataset_dir="/data/set")))
    assert plan.needs[0].payload["mounts"] == ["/sets", "/models/m", "/weights"]
    assert plan.payload["mounts"] == ["/sets", "/models/m", "/weights", "/data/set"]


def test_an_image_that_is_a_file_is_to_be_there_before() -> None:
    harness = Harness(name="x", script="x", image="/images/harness.sqsh")
    job = evolve(served_job(image="/images/server.sqsh"), harness=harness, contained=harness)
    assert plan_job(settings(), job).payload["mounts"] == ["/models/m", "/images/server.sqsh", "/images/harness.sqsh"]
    on_the_host = evolve(job, server=make_server(image=None))
    assert plan_job(HOST, on_the_host).payload["mounts"] == ["/models/m"]


def test_settings_that_mean_nothing_are_noted() -> None:
    assert plan_job(settings(proxy={"type": "haproxy"}), make_job()).notes == (
        "these settings mean nothing in this version: proxy",
    )
    harness = Harness(name="lm-eval", script="lm_eval", program="lm_eval", package="lm-eval==0.4.13")
    assert plan_job(HOST, make_job(harness=harness, contained=harness)).notes == (
        "'lm_eval' has to be on PATH where the job runs",
    )


@pytest.mark.parametrize(("walltime_s", "before"), [(60, 6), (300, 30), (3600, 60), (9, 1)])
def test_a_short_job_is_told_of_its_end_late_enough_to_have_begun(walltime_s: int, before: int) -> None:
    assert flush_s(walltime_s) == before


def test_a_task_without_an_image_needs_another_way() -> None:
    job = make_job(harness=Harness(name="command", script="x"), contained=Harness(name="command", script="x"))
    with pytest.raises(ConfigError, match="names no container image") as raised:
        plan_job(PYXIS, job)
    assert "container_runtime=none" in (raised.value.hint or "")


def test_a_server_without_an_image_needs_one_in_a_container() -> None:
    with pytest.raises(ConfigError, match=r"deployment\.image: type vllm needs an image"):
        plan_job(PYXIS, served_job(image=None))


def test_an_image_that_somebody_asked_for_is_not_left_out_in_silence() -> None:
    with pytest.raises(ConfigError, match="container_runtime is none"):
        plan_job(HOST, served_job())
    plan_job(
        HOST, make_job(server=make_server(image_by_default=True), endpoint=EndpointSpec(model_id="m", type="chat"))
    )


WRONG: dict[str, tuple[Settings, str]] = {
    "a relative output folder": (Settings(output_dir="out"), "not an absolute path"),
    "a relative mount": (settings(mounts=Mounts(evaluation={"data": "/d"})), "'data' must be an absolute path"),
    "a relative target": (settings(mounts=Mounts(evaluation={"/d": "data"})), "'data' must be an absolute path"),
    "a comma for pyxis": (settings(mounts=Mounts(evaluation={"/a,b": "/d"})), "pyxis cannot mount"),
    "a colon for podman": (
        settings(container_runtime=ContainerRuntime.PODMAN, mounts=Mounts(evaluation={"/a:b": "/d"})),
        "podman cannot mount",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_path_that_cannot_be_is_refused(case: str) -> None:
    given, complaint = WRONG[case]
    with pytest.raises(ConfigError, match=complaint):
        plan_job(given, make_job())


def test_an_odd_name_of_a_task_is_quoted_for_slurm() -> None:
    job = make_job(task=TaskSpec(name='naïve "x" \\ # $(touch y)'))
    assert '#SBATCH --job-name="naïve \\"x\\" \\\\ # $(touch y)"\n' in text_of(plan_job(HOST, job), "smoke/job.sbatch")
    two_lines = make_job(task=TaskSpec(name="a\n#SBATCH --uid=0"))
    assert "\n#SBATCH --uid" not in text_of(plan_job(HOST, two_lines), "smoke/job.sbatch")


@pytest.mark.parametrize(("first", "noted"), [("17", True), ("16", False)], ids=["the same job", "another one"])
def test_a_job_whose_attempt_has_begun_does_nothing_and_leaves_the_record_to_the_first(
    tmp_path: Path, first: str, noted: bool
) -> None:
    record = tmp_path / "smoke" / "attempts" / "1"
    record.mkdir(parents=True)
    (record / "job").write_text(f"{first}\n")
    script = text_of(plan_job(HOST, make_job(run_dir=str(tmp_path))), "smoke/job.sbatch")
    environment = {"PATH": os.environ["PATH"], "SLURM_JOB_ID": "17"}
    done = subprocess.run(["bash", "-c", script, "bash", "1"], env=environment, timeout=60, check=False)
    assert (done.returncode, (record / "why").exists()) == (75, noted)
    assert (record / "job").read_text() == f"{first}\n"
