"""Whole runs by the real command, at the stand-in: to a score, and nothing is left."""

from __future__ import annotations

import json
import shutil
import signal

import pytest

from evalyard.config import examples
from tests.cli.yard import Yard, until
from tests.plugins.lepton.desk import LEAVE, config
from tests.plugins.lepton.service.server import Service

SMOKE = {
    "name": "smoke",
    "container": "python:3.12-slim",
    "nemo_evaluator_config": {"config": {"params": {"limit_samples": 5}}},
}
DEMO = {"type": "demo", "image": "python:3.12-slim", "lepton_config": {"resource_shape": "gpu.1xh200"}}


@pytest.mark.parametrize("newer", [False, True], ids=["deployments", "endpoints"])
def test_a_served_model_is_evaluated_to_its_score_and_nothing_is_left(
    service: Service, yard: Yard, newer: bool
) -> None:
    service.newer = newer
    invocation = yard.run(config(yard, SMOKE, deployment=DEMO), "--wait")
    rows = json.loads(yard.call("results", "--json", invocation).out)
    # What the same five questions score on any host.
    assert {row["task"]: row["value"] for row in rows}["smoke"] == 0.8
    assert (yard.run_dir(invocation) / "smoke" / "artifacts" / "results.yml").is_file()
    assert "listening on" in yard.call("logs", "--role", "server", invocation).out
    assert "evalyard-home" not in yard.call("logs", invocation).out
    assert (service.live_endpoints(), service.live_jobs(), service.secrets) == ([], [], {})


def test_each_task_has_an_endpoint_of_its_own_when_asked_for(service: Service, yard: Yard) -> None:
    tasks = [{"name": name, "container": "i", "harness": {"command": LEAVE}} for name in ("one", "other")]
    apart = {"share_endpoint": False}
    yard.run(config(yard, *tasks, deployment=DEMO, execution=apart), "--wait", "--allow-unlisted")
    assert len(service.endpoints) == 2
    assert (service.live_endpoints(), service.secrets) == ([], {})


def test_the_keeper_releases_the_endpoint_after_the_last_job(service: Service, yard: Yard) -> None:
    invocation = yard.run(config(yard, SMOKE, deployment=DEMO))
    yard.await_states(invocation, "SUCCEEDED")
    until(lambda: not service.live_endpoints() and not service.secrets, "endpoint and key are gone")
    assert json.loads(yard.call("results", "--json", invocation).out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_launcher_nothing_is_left(service: Service, yard: Yard, number: signal.Signals) -> None:
    task = {"name": "long", "container": "i", "harness": {"command": "sleep 600"}}
    with yard.start(
        "evalyard", "run", "-c", config(yard, task, deployment=DEMO), "--wait", "--allow-unlisted"
    ) as process:
        until(lambda: any(job.replicas for job in service.jobs.values()), "the job runs", process=process)
        process.send_signal(number)
        process.communicate(timeout=90)
    if number is signal.SIGKILL:
        (row,) = yard.jobs()
        yard.call("kill", row["job"].split(".")[0])
    assert (service.live_endpoints(), service.live_jobs(), service.secrets) == ([], [], {})
    assert service.processes() == []


def test_what_is_in_no_record_is_removed_by_gc(service: Service, yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "a-value")
    task = {"name": "long", "container": "i", "harness": {"command": "sleep 600"}, "env_vars": {"T": "host:MY_TOKEN"}}
    words = ("-c", config(yard, task, deployment=DEMO), "--wait", "--allow-unlisted")
    with yard.start("evalyard", "run", *words) as process:
        until(lambda: any(job.replicas for job in service.jobs.values()), "the job runs", process=process)
        process.kill()
    assert len(service.secrets) == 2
    shutil.rmtree(yard.home / "runs")
    yard.call("gc")
    assert (service.live_endpoints(), service.live_jobs(), service.secrets) == ([], [], {})


def test_keep_endpoint_keeps_it_and_says_how_it_is_removed(service: Service, yard: Yard) -> None:
    task = {"name": "one", "container": "i", "harness": {"command": LEAVE}}
    words = ("--wait", "--allow-unlisted", "-o", "+execution.keep_endpoint=true")
    done = yard.call("run", "-c", config(yard, task, deployment=DEMO), *words)
    (name,) = service.live_endpoints()
    assert f"lep endpoint remove --name {name}" in done.err
    assert service.endpoints[name].view()["status"]["endpoint"]["external_endpoint"] in done.err
    assert service.secrets == {}
    yard.call("gc", code=None)
    assert service.live_endpoints() == [name]


def test_a_secret_reaches_the_job_by_the_workspace_and_is_deleted(
    service: Service, yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "canary-value")
    command = f'test "$(printf %s "$HF_TOKEN" | wc -c)" -eq 12 && test "$OWN" = theirs && {LEAVE}'
    task = {"name": "one", "container": "i", "harness": {"command": command}, "env_vars": {"HF_TOKEN": "host:MY_TOKEN"}}
    service.secrets["MINE"] = {"name": "MINE", "value": "theirs"}
    ours = {"lepton_platform": {"tasks": {"env_vars": {"OWN": {"value_from": {"secret_name_ref": "MINE"}}}}}}
    yard.run(config(yard, task, execution=ours), "--wait", "--allow-unlisted")
    assert set(service.secrets) == {"MINE"}
    sent = [json.dumps(request.body) for request in service.requests if request.path != "/usersecrets"]
    assert not any("canary-value" in text for text in sent)


def test_storage_holds_the_run_and_datasets_are_mounted(service: Service, yard: Yard) -> None:
    mount = {"from": "node-nfs:fs", "path": "/team", "mount_path": "/workspace"}
    task = {
        "name": "one",
        "container": "i",
        "harness": {"command": LEAVE},
        "dataset_dir": "/workspace/data/mine",
        "dataset_mount_path": "/datasets",
    }
    platform = {"lepton_platform": {"tasks": {"mounts": [mount]}}}
    invocation = yard.run(config(yard, task, execution=platform), "--wait", "--allow-unlisted")
    (job,) = service.jobs.values()
    assert [(m["path"], m["mount_path"]) for m in job.body["spec"]["mounts"]] == [
        ("/team", "/workspace"),
        ("/team/data/mine", "/datasets"),
    ]
    there = service.root / "storage" / "node-nfs_fs" / "team" / "evalyard" / yard.run_dir(invocation).name
    assert (there / "one" / "exit.json").is_file()
    assert (yard.run_dir(invocation) / "one" / "artifacts" / "results.yml").is_file()


BIG = f'head -c 200000 /dev/urandom >"$EVALYARD_OUTPUT_DIR/big"; {LEAVE}'
"""Leaves more than `archive_limit_mb: 0.1`, however it is packed."""
KINDS = {"small": LEAVE, "large": BIG}
MOUNTED = {"lepton_platform": {"tasks": {"mounts": [{"from": "node-nfs:fs", "mount_path": "/workspace"}]}}}


@pytest.mark.parametrize("storage", [False, True], ids=["without storage", "with storage"])
def test_it_is_said_which_way_results_came(service: Service, yard: Yard, storage: bool) -> None:
    tasks = [{"name": name, "container": "i", "harness": {"command": command}} for name, command in KINDS.items()]
    limited = {**(MOUNTED if storage else {}), "archive_limit_mb": 0.1}
    done = yard.call("run", "-c", config(yard, *tasks, execution=limited), "--wait", "--allow-unlisted")
    run = yard.run_dir(done.out.strip())
    there = f"/workspace/evalyard/{run.name}"
    small = f"; they are in {there}, too" if storage else ""
    assert f".1: all that it left came home through the log{small}\n" in done.err
    large = f"they are in {there}, in the storage that is mounted" if storage else "they are gone with the container"
    assert f".2: only the result file came home: the others are larger than execution.archive_limit_mb; {large}\n" in (
        done.err
    )
    assert sorted(path.name for path in run.glob("*/artifacts/*")) == ["results.yml", "results.yml"]
    assert "tail -f" not in done.err  # there was no file here while it ran
    kept = service.root / "storage" / "node-nfs_fs" / "evalyard" / run.name / "large" / "artifacts" / "big"
    assert kept.is_file() is storage


def test_a_log_is_shown_while_the_job_runs(service: Service, yard: Yard) -> None:
    gate = yard.folder / "gate"
    command = f"echo begun; until [ -e '{gate}' ]; do sleep 0.05; done; echo over; {LEAVE}"
    task = {"name": "one", "container": "i", "harness": {"command": command}}
    invocation = yard.run(config(yard, task), "--allow-unlisted")
    with yard.start("evalyard", "logs", "-f", invocation) as process:
        assert process.stdout is not None
        assert any("begun" in line for line in process.stdout)
        assert service.live_jobs()
        gate.touch()
        assert "over" in process.stdout.read()
    assert process.returncode == 0


def test_resume_is_the_next_attempt_and_keeps_the_first_ones_files(yard: Yard) -> None:
    command = f'echo "$EVALYARD_ATTEMPT" > $EVALYARD_OUTPUT_DIR/attempt; test "$EVALYARD_ATTEMPT" = 2 && {LEAVE}'
    task = {"name": "one", "container": "i", "harness": {"command": command}}
    done = yard.call("run", "-c", config(yard, task), "--wait", "--allow-unlisted", code=1)
    invocation = done.out.split()[0]
    yard.call("resume", "--wait", invocation)
    assert yard.states(invocation) == ["SUCCEEDED"]
    folder = yard.run_dir(invocation) / "one"
    assert (folder / "artifacts" / "attempt").read_text() == "2\n"
    assert (folder / "attempts" / "1" / "artifacts" / "attempt").read_text() == "1\n"


SET = {
    "lepton_none": ["target.api_endpoint.url=http://h/v1/chat/completions", "target.api_endpoint.model_id=m"],
    "lepton_vllm": ["execution.lepton_platform.deployment.node_group=group"],
    "lepton_nim": ["execution.lepton_platform.deployment.node_group=group"],
}


@pytest.mark.parametrize("name", SET)
def test_a_shipped_example_is_planned_without_the_sdk_and_asks_nobody(
    service: Service, yard: Yard, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert {one.name for one in examples() if one.name.startswith("lepton")} == set(SET)
    monkeypatch.setenv("MY_API_KEY", "k")
    (yard.folder / "leptonai").mkdir()
    (yard.folder / "leptonai" / "__init__.py").write_text("raise SystemExit('the SDK was imported')")
    words = [
        word for given in [*SET[name], "execution.lepton_platform.tasks.node_group=group"] for word in ("-o", given)
    ]
    done = yard.call("run", "--config", name, *words, "--dry-run", env={"PYTHONPATH": str(yard.folder)})
    assert "ifeval" in done.out
    assert service.requests == []


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"lepton_platform": {"tasks": {"mount": []}}}, "unknown key; did you mean 'mounts'?"),
        ({"lepton_platform": {"deployment": {"platform_defaults": {"helth": {}}}}}, "did you mean 'health'?"),
        ({"evaluation_tasks": {"timeout": "soon"}}, "execution.evaluation_tasks.timeout"),
        ({"lepton_platform": {"tasks": {"env_vars": {"LEPTON_JOB_NAME": "x"}}}}, "cannot be a variable's name"),
    ],
)
def test_a_mistake_is_told_with_its_place(yard: Yard, section: dict[str, object], complaint: str) -> None:
    task = {"name": "one", "container": "i", "harness": {"command": LEAVE}}
    done = yard.call("run", "-c", config(yard, task, execution=section), "--dry-run", "--allow-unlisted", code=2)
    assert complaint in done.err


def test_a_dataset_without_storage_is_refused(yard: Yard) -> None:
    task = {"name": "one", "container": "i", "harness": {"command": LEAVE}, "dataset_dir": "/data"}
    done = yard.call("run", "-c", config(yard, task), "--dry-run", "--allow-unlisted", code=2)
    assert "is in no mount of execution.lepton_platform.tasks.mounts (there are: none)" in done.err


def test_doctor_copes_without_any_workspace(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEPTON_WORKSPACE_ID", "LEPTON_WORKSPACE_TOKEN"):
        monkeypatch.delenv(name)
    done = yard.call("doctor", code=None)
    assert "no workspace is named" in done.text
    assert "lep login" in done.text


def test_doctor_finds_the_login_the_node_group_and_the_shape(yard: Yard) -> None:
    task = {"name": "one", "container": "i", "harness": {"command": LEAVE}}
    tasks = {"lepton_platform": {"tasks": {"node_group": "group"}}}
    name = config(yard, task, execution=tasks, deployment=DEMO)
    said = yard.call("doctor", "--config", name, code=None).text
    for words in ("standin-ws answers", "group is there", "cpu.small is there", "gpu.1xh200 is there"):
        assert words in said
    wrong = ("execution.lepton_platform.tasks.node_group=grup", "deployment.lepton_config.resource_shape=gpu.9x")
    said = yard.call("doctor", "--config", name, *(word for given in wrong for word in ("-o", given)), code=None).text
    assert "there is no node group 'grup'; there are: group, other" in said
    assert "correct node_group in execution.lepton_platform" in said
    assert "no shape 'gpu.9x'; there are: cpu.small, gpu.1xh200" in said
