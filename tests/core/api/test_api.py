"""evalyard from Python: `evalyard.run`, `status`, `results` and `scores`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import evalyard
from evalyard import JobState
from tests.backends import require_backend
from tests.cli.yard import until

RESULTS = "results: {tasks: {t: {metrics: {acc: {scores: {acc: {value: 0.5}}}}}}}"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration of one task that leaves a score."""
    require_backend("local")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.yaml"
    path.write_text(
        "execution: {type: local, use_docker: false, output_dir: runs}\n"
        'target: {api_endpoint: {url: "http://127.0.0.1:9/v1/chat/completions", model_id: m}}\n'
        "evaluation:\n  tasks:\n    - name: one\n"
        f"      harness: {{command: 'echo \"{RESULTS}\" > $EVALYARD_OUTPUT_DIR/results.yml'}}\n"
    )
    return path


def test_a_run_is_started_seen_through_and_read(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = evalyard.run(config, ["config.params.limit_samples=10"])
    assert [(job.job, job.state) for job in run.jobs] == [(f"{run.id}.1", JobState.SUCCEEDED)]
    assert [status.id for status in evalyard.status(run.id)] == [run.id]
    (result,) = evalyard.results(run.id)
    assert (result.card.model_id, result.limited, result.scores[0].value) == ("m", True, 0.5)
    (row,) = evalyard.scores(run.id)
    assert (row["task"], row["metric"], row["value"], row["limit_samples"]) == ("t", "acc", 0.5, 10)
    (folder,) = Path("runs").glob(f"*-{run.id}")
    assert evalyard.scores(folders=[folder])[0]["job"] == f"{run.id}.1"
    assert capfd.readouterr() == ("", "")


def test_without_waiting_the_run_is_left_to_itself(config: Path) -> None:
    run = evalyard.run(config, wait=False)
    until(lambda: evalyard.status(run.id)[0].ended, "the end of the run")
    assert evalyard.status(run.id)[0].jobs[0].state is JobState.SUCCEEDED


def test_a_job_that_fails_is_a_state_and_no_error(config: Path) -> None:
    run = evalyard.run(config, ["evaluation.tasks[0].harness.command='exit 3'"])
    assert run.jobs[0].state is JobState.FAILED
    (result,) = evalyard.results(run.id)
    assert (result.scores, result.problem) == ((), "FAILED: exit code 3")
    assert evalyard.scores(run.id) == []


def test_what_cannot_start_is_an_error_and_leaves_no_record(config: Path) -> None:
    (config.parent / "file").touch()
    with pytest.raises(evalyard.EvalyardError, match="nothing was started"):
        evalyard.run(config, ["execution.output_dir=file"])
    with pytest.raises(evalyard.ConfigError, match="pre_cmd"):
        evalyard.run(config, ["evaluation.tasks[0].pre_cmd=true"])
    assert evalyard.status() == ()


def test_ids_and_folders_exclude_each_other() -> None:
    with pytest.raises(evalyard.EvalyardError, match="exclude each other"):
        evalyard.scores("latest", folders=["."])


def test_no_public_name_is_one_of_a_module() -> None:
    # A module that is imported becomes an attribute of the package, in place of a function of its name.
    modules = {path.stem for path in Path(evalyard.__file__).parent.iterdir()}
    assert modules & set(evalyard.__all__) == set()


def test_importing_evalyard_loads_nothing_else() -> None:
    code = (
        "import sys, evalyard; print([name for name in sys.modules if name.startswith(('evalyard.', 'attr', 'yaml'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
