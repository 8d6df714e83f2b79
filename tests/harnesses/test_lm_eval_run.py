"""lm-eval itself, installed as `run` installs it, on a task of ours against the demo endpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalyard.cli.app import call
from evalyard.scoring.parse import read_results
from evalyard.scoring.records import Score
from evalyard.specs import ResultFile, ResultFormat

pytestmark = pytest.mark.harness

TASKS = Path(__file__).parent / "lm_eval_tasks"
RESULTS = ResultFile(file="results.json", format=ResultFormat.LM_EVAL)


def test_lm_eval_scores_chat_and_completions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    (tmp_path / "tasks").mkdir()
    text = (TASKS / "sums.yaml").read_text().replace("@FOLDER@", str(TASKS))
    (tmp_path / "tasks" / "sums.yaml").write_text(text)
    params = {
        "include_path": f"{tmp_path}/tasks",
        "limit_samples": 8,
        "temperature": 0.1,
        "top_p": 0.9,
        "max_new_tokens": 40,
        "parallelism": 2,
        "request_timeout": 30,
        "max_retries": 1,
    }
    config = {
        "execution": {"type": "local", "use_docker": False, "output_dir": "runs", "mode": "sequential"},
        "deployment": {"type": "demo", "port": 0},
        "evaluation": {
            "nemo_evaluator_config": {"config": {"params": params}},
            "tasks": [
                {"name": "lm-eval.evalyard_sums"},
                {"name": "lm-eval.evalyard_sums", "endpoint_type": "completions"},
            ],
        },
    }
    (tmp_path / "run.yaml").write_text(json.dumps(config))
    assert call(["run", "--config", "run.yaml", "--wait"]) == 0
    for number in (1, 2):
        artifacts = tmp_path / "runs" / "latest" / f"lm-eval.evalyard_sums.{number}" / "artifacts"
        (score,) = read_results(artifacts, RESULTS)
        # Two of the eight expect a wrong sum.
        assert score == Score(
            task="evalyard_sums", metric="exact_match", score="number", value=0.75, stderr=score.stderr, n=8
        )
        assert score.stderr == pytest.approx(0.1637, abs=1e-4)
        settings = json.loads((artifacts / "results.json").read_text())["config"]
        assert settings["limit"] == 8
        assert settings["gen_kwargs"] == {"temperature": 0.1, "top_p": 0.9, "max_gen_toks": 40}
