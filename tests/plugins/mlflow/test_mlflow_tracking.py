"""evalyard_mlflow.tracking, against a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from evalyard import BackendError, ConfigError, ExportContext, Exported, JobResults, Score, Transient
from evalyard_mlflow.plugin import Mlflow
from evalyard_mlflow.settings import MlflowSettings
from tests.plugins.left import RUN, job_left
from tests.plugins.mlflow.conftest import Server

NOBODY = "http://127.0.0.1:9"


def send(server: Server, *results: JobResults, **settings: Any) -> list[Exported]:
    given = {"tracking_uri": server.url, "experiment_name": server.experiment} | settings
    ctx = ExportContext(folder=Path("/nowhere"), deadline=time.monotonic() + 60)
    return list(Mlflow().export(ctx, MlflowSettings(**given), results))


def test_a_job_becomes_a_run_with_its_scores_and_provenance(server: Server, tmp_path: Path) -> None:
    (exported,) = send(server, job_left(tmp_path))
    (run,) = server.runs()
    assert exported == Exported(
        job=f"{RUN}.1", where=f"{server.url}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    )
    assert (run.info.run_name, run.info.status) == (f"first-{RUN}.1", "FINISHED")
    assert run.info.end_time - run.info.start_time == 60_000
    assert run.data.metrics == {
        "first.accuracy": 0.75,
        "first.accuracy.stderr": 0.02,
        "first.accuracy.n": 100,
        "first.pass_1/mean": 0.5,
    }
    assert run.data.params == {
        "task": "first",
        "model_id": "some/model",
        "harness": "smoke",
        "executor": "local",
        "endpoint_url": "http://h/v1/chat/completions",
        "endpoint_type": "chat",
        "limit_samples": "10",
        "parameters.temperature": "0.5",
        "parameters.extra.seed": "7",
    }
    assert run.data.tags["evalyard.job"] == f"{RUN}.1"
    assert run.data.tags["evalyard.attempt"] == "1"


def test_each_job_has_a_run_of_its_own(server: Server, tmp_path: Path) -> None:
    send(server, job_left(tmp_path), job_left(tmp_path, 2, "second"))
    assert {run.data.tags["evalyard.job"] for run in server.runs()} == {f"{RUN}.1", f"{RUN}.2"}


def test_a_second_export_replaces_the_first(server: Server, tmp_path: Path) -> None:
    result = job_left(tmp_path)
    send(server, result)
    better = Score(task="first", metric="accuracy", score="accuracy", value=0.9)
    send(server, evolve(result, attempt=2, scores=(better,)), extra_metadata={"harness": "other"})
    (run,) = server.runs()
    assert run.data.metrics == {"first.accuracy": 0.9}
    assert run.data.tags["evalyard.attempt"] == "2"


def test_a_run_that_broke_off_is_removed_by_the_next_export(server: Server, tmp_path: Path) -> None:
    send(server, job_left(tmp_path, 2, "second"))
    experiment = server.runs()[0].info.experiment_id
    server.client.create_run(experiment, tags={"evalyard.job": f"{RUN}.1"})
    send(server, job_left(tmp_path), skip_existing=True)
    assert sorted((run.data.tags["evalyard.job"], run.info.status) for run in server.runs()) == [
        (f"{RUN}.1", "FINISHED"),
        (f"{RUN}.2", "FINISHED"),
    ]


def test_skip_existing_leaves_the_run_of_the_same_attempt_alone(server: Server, tmp_path: Path) -> None:
    result = job_left(tmp_path)
    (first,) = send(server, result)
    (second,) = send(server, result, skip_existing=True)
    assert second == evolve(first, skipped="it is there already (skip_existing)")
    (third,) = send(server, evolve(result, attempt=2), skip_existing=True)
    assert third.skipped == ""
    assert len(server.runs()) == 1


def test_names_description_tags_and_metadata_are_the_users(server: Server, tmp_path: Path) -> None:
    send(
        server,
        job_left(tmp_path),
        run_name="mine",
        description="why",
        tags={"team/x": "a", "odd:key@": "b"},
        extra_metadata={"commit": "abc", "nested": {"n": 1}},
    )
    (run,) = server.runs()
    assert run.info.run_name == "mine"
    assert run.data.tags["mlflow.note.content"] == "why"
    assert (run.data.tags["team/x"], run.data.tags["odd_key_"]) == ("a", "b")
    assert (run.data.params["commit"], run.data.params["nested.n"]) == ("abc", "1")


def test_log_metrics_chooses_scores(server: Server, tmp_path: Path) -> None:
    send(server, job_left(tmp_path), log_metrics=("pass@*",))
    assert server.runs()[0].data.metrics == {"first.pass_1/mean": 0.5}


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (None, {"config.target.api_endpoint.model_id": "m", "config.evaluation.tasks.0.params.deep.deeper.1": "two"}),
        (1, {"config.evaluation": '{"tasks": [{"name": "first", "params": {"deep": {"deeper": [1, "two"]}}}]}'}),
        (2, {"config.execution.type": "local"}),
    ],
)
def test_the_configuration_becomes_parameters(
    server: Server, tmp_path: Path, depth: int | None, expected: dict[str, str]
) -> None:
    send(server, job_left(tmp_path), log_config_params=True, log_config_params_max_depth=depth)
    parameters = server.runs()[0].data.params
    assert expected.items() <= parameters.items()


def test_more_than_a_request_holds_and_longer_than_a_value_may_be_are_taken(server: Server, tmp_path: Path) -> None:
    many = {f"p{n}": n for n in range(250)} | {"long": "x" * 7000, "k" * 300: "v"}
    scores = tuple(Score(task="t", metric=f"m{n}", score=f"m{n}", value=float(n)) for n in range(230))
    send(server, job_left(tmp_path, scores=scores), extra_metadata=many)
    (run,) = server.runs()
    assert run.data.params["p249"] == "249"
    assert run.data.params["long"] == "x" * 5997 + "..."
    assert run.data.params["k" * 250] == "v"
    assert len(run.data.metrics) == 230


def test_scores_that_are_no_number_are_taken(server: Server, tmp_path: Path) -> None:
    odd = tuple(Score(task="t", metric=name, score=name, value=float(name)) for name in ("nan", "inf", "-inf"))
    send(server, job_left(tmp_path, scores=odd))
    assert len(server.runs()[0].data.metrics) == 3


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"job.json", "run_config.yml", "config.yaml", "artifacts/results.yml"}),
        ({"copy_artifacts": False}, set()),
        ({"copy_artifacts": False, "copy_logs": True}, {"logs/stdout.log"}),
        (
            {"only_required": False, "exclude_patterns": ("*.yml",)},
            {"job.json", "config.yaml", "artifacts/cache/answers.bin"},
        ),
        (
            {"only_required": False, "exclude_patterns": ("artifacts/cache/*", "job.json")},
            {"run_config.yml", "config.yaml", "artifacts/results.yml"},
        ),
    ],
)
def test_files_go_along_as_the_settings_say(
    server: Server, tmp_path: Path, settings: dict[str, Any], expected: set[str]
) -> None:
    send(server, job_left(tmp_path), **settings)
    assert server.files(server.runs()[0]) == expected


def test_the_server_may_be_named_by_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="no server is named"):
        send(server, job_left(tmp_path), tracking_uri=None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    (exported,) = send(server, job_left(tmp_path), tracking_uri=None)
    assert exported.where.startswith(server.url)


def test_a_server_that_does_not_answer_may_do_so_later(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Transient) as caught:
        send(server, job_left(tmp_path), tracking_uri="http://me:secret@127.0.0.1:9")
    assert caught.value.message.startswith(f"mlflow: {NOBODY}: ")
    assert "secret" not in str(caught.value)


def test_a_deleted_experiment_is_a_refusal(server: Server, tmp_path: Path) -> None:
    send(server, job_left(tmp_path))
    server.client.delete_experiment(server.runs()[0].info.experiment_id)
    with pytest.raises(BackendError, match="is deleted") as caught:
        send(server, job_left(tmp_path))
    assert not caught.value.transient


def evalyard(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("evalyard")
    environ = os.environ | variables
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, env=environ, timeout=120)


def test_the_command_line_exports_a_folder(server: Server, tmp_path: Path) -> None:
    job_left(tmp_path)
    chosen = ["-o", f"experiment_name={server.experiment}", "--job-dirs", str(tmp_path)]
    done = evalyard("export", "--dest", "mlflow", *chosen, "--json", MLFLOW_TRACKING_URI=server.url)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    (run,) = server.runs()
    assert (row["job"], row["destination"], row["where"].rpartition("/")[2]) == (
        f"{RUN}.1",
        "mlflow",
        run.info.run_id,
    )
    assert run.data.metrics["first.accuracy"] == 0.75


def test_the_command_line_says_that_nobody_answers(tmp_path: Path) -> None:
    job_left(tmp_path)
    silent = {"MLFLOW_TRACKING_URI": NOBODY, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = evalyard("export", "-d", "mlflow", "--job-dirs", str(tmp_path), **silent)
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: mlflow: {NOBODY}: ")
