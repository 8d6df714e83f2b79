"""evalyard_wandb.tracking: the real client, offline; what it wrote is read back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evalyard import BackendError, JobResults, Transient
from evalyard.exports.destination import destination
from evalyard.exports.records import Exported
from evalyard.exports.sending import Sending
from evalyard.specs import Section
from tests.plugins.left import RUN, job_left
from tests.plugins.wandb.conftest import Logged, read_log


def send(tmp_path: Path, *results: JobResults, timeout_s: float = 60.0, **settings: Any) -> tuple[Exported, ...]:
    """Export as evalyard does, in a process of its own."""
    chosen = destination("wandb", [Section(name="wandb", path="export.wandb", data=settings)])
    kept, lock = tmp_path / "kept", tmp_path / "lock"
    return Sending(chosen, results, environ=os.environ, folder=kept, lock=lock, timeout_s=timeout_s).answer()


def logged(exported: Exported) -> Logged:
    (log,) = Path(exported.where).glob("*.wandb")
    return read_log(log)


def test_a_job_becomes_a_run_with_its_scores_and_provenance(tmp_path: Path) -> None:
    (exported,) = send(tmp_path, job_left(tmp_path / "run"))
    assert Path(exported.where).is_relative_to(tmp_path / "kept")
    found = logged(exported)
    assert (found.run.project, found.run.run_id) == ("evalyard", f"ey-{RUN}-1")
    assert (found.run.display_name, found.run.run_group, found.run.job_type) == (f"first-{RUN}.1", RUN, "evaluation")
    scores = {"first.accuracy": 0.75, "first.accuracy.stderr": 0.02, "first.accuracy.n": 100, "first.pass@1/mean": 0.5}
    assert found.history == [scores]
    assert scores.items() <= found.summary.items()
    assert found.exit_code == 0
    expected = {"job": f"{RUN}.1", "model_id": "some/model", "limit_samples": 10, "attempt": 1}
    assert expected.items() <= found.config.items()
    assert found.config["parameters"] == {"temperature": 0.5, "extra": {"seed": 7}}


def test_per_task_each_job_has_a_run_of_its_own(tmp_path: Path) -> None:
    exported = send(tmp_path, job_left(tmp_path / "run"), job_left(tmp_path / "run", 2, "second"))
    assert [logged(one).run.run_id for one in exported] == [f"ey-{RUN}-1", f"ey-{RUN}-2"]


def test_multi_task_all_jobs_go_to_one_run_and_tasks_of_one_name_are_told_apart(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    results = [job_left(run_dir, 1, "same.0"), job_left(run_dir, 2, "same.1")]
    exported = send(tmp_path, *results, log_mode="multi_task", log_metrics=["accuracy"])
    assert exported[0].where == exported[1].where
    found = logged(exported[0])
    assert (found.run.run_id, found.run.display_name) == (f"ey-{RUN}", f"eval-{RUN}")
    assert {name: value for name, value in found.summary.items() if name.endswith("accuracy")} == {
        "same.0/same.0.accuracy": 0.75,
        "same.1/same.1.accuracy": 0.75,
    }
    assert {"same.0", "same.1"} <= found.config.keys()


def test_a_second_export_goes_on_with_the_same_run(tmp_path: Path) -> None:
    result = job_left(tmp_path / "run")
    ids = {logged(one).run.run_id for one in (*send(tmp_path, result), *send(tmp_path, result))}
    assert ids == {f"ey-{RUN}-1"}


def test_names_and_metadata_are_the_users(tmp_path: Path) -> None:
    (exported,) = send(
        tmp_path,
        job_left(tmp_path / "run"),
        entity="team",
        project="mine",
        name="named",
        group="grouped",
        job_type="nightly",
        tags=["a", "b"],
        description="why",
        extra_metadata={"commit": "abc"},
        run_id="given",
    )
    found = logged(exported)
    run = found.run
    assert (run.entity, run.project, run.display_name) == ("team", "mine", "named")
    assert (run.run_group, run.job_type, list(run.tags), run.notes) == ("grouped", "nightly", ["a", "b"], "why")
    assert run.run_id == "given"
    assert found.config["commit"] == "abc"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"job.json", "run_config.yml", "config.yaml", "artifacts/results.yml"}),
        ({"copy_artifacts": False}, None),
        ({"copy_artifacts": False, "copy_logs": True}, {"logs/stdout.log"}),
    ],
)
def test_files_go_along_as_the_settings_say(
    tmp_path: Path, settings: dict[str, Any], expected: set[str] | None
) -> None:
    (exported,) = send(tmp_path, job_left(tmp_path / "run"), **settings)
    assert logged(exported).artifacts.get(f"first-{RUN}.1") == expected


def test_nothing_of_this_machine_is_sent(tmp_path: Path) -> None:
    (exported,) = send(tmp_path, job_left(tmp_path / "run"))
    written = {path.name for path in Path(exported.where).rglob("*") if path.is_file()}
    assert "wandb-metadata.json" not in written
    assert "requirements.txt" not in written


def test_without_a_key_the_refusal_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(BackendError) as caught:
        send(tmp_path, job_left(tmp_path / "run"))
    assert not isinstance(caught.value, Transient)
    assert "WANDB_API_KEY" in (caught.value.hint or "")


def test_a_server_that_does_not_answer_may_do_so_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    with pytest.raises(Transient):
        send(tmp_path, job_left(tmp_path / "run"), timeout_s=8.0)


def test_the_command_line_exports_a_folder(tmp_path: Path) -> None:
    job_left(tmp_path / "run")
    program = Path(sys.executable).with_name("evalyard")
    done = subprocess.run(
        [program, "export", "-d", "wandb", "--job-dirs", str(tmp_path / "run"), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["job"], row["destination"]) == (f"{RUN}.1", "wandb")
    assert Path(row["where"]).is_dir()
