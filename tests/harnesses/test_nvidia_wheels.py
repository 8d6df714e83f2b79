"""NVIDIA's wheels of harnesses, installed as `run` installs them, on data of ours: their own programs, to a score."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from evalyard.cli.app import call
from evalyard.scoring.parse import read_results
from evalyard.specs import ResultFile
from tests.core.harness.smoke_servers import Answer, scripted_endpoint

pytestmark = pytest.mark.harness

HERE = Path(__file__).parent
OFFLINE = {"HF_DATASETS_OFFLINE": "lit:1", "HF_HUB_OFFLINE": "lit:1"}
SUMS = ((12, 30), (7, 8), (50, 1), (13, 4))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    return tmp_path


def run(folder: Path, **sections: Any) -> Path:
    """Run one task as a process of this machine; return its artifacts."""
    config = {"execution": {"type": "local", "use_docker": False, "output_dir": "runs"}, **sections}
    (folder / "run.yaml").write_text(json.dumps(config))
    code = call(["run", "--config", "run.yaml", "--wait", "--trust-pre-cmd"])
    (card,) = (folder / "runs" / "latest").glob("*/job.json")
    task = card.parent
    assert code == 0, (task / "logs" / "stdout.log").read_text()[-2000:]
    return task / "artifacts"


def test_nvidia_lm_eval_scores_a_task_of_ours(folder: Path) -> None:
    tasks = folder / "tasks"
    tasks.mkdir()
    text = (HERE / "lm_eval_tasks" / "sums.yaml").read_text().replace("@FOLDER@", str(HERE / "lm_eval_tasks"))
    (tasks / "sums.yaml").write_text(text)
    params = {
        "limit_samples": 8,
        "parallelism": 2,
        "task": "evalyard_sums",
        "extra": {"args": f"--include_path {tasks}"},
    }
    artifacts = run(
        folder,
        deployment={"type": "demo"},
        evaluation={
            "env_vars": OFFLINE,
            "nemo_evaluator_config": {"config": {"params": params}},
            "tasks": ["lm-evaluation-harness.ifeval"],
        },
    )
    scores = {score.value for score in read_results(artifacts, ResultFile())}
    # Two of the eight expect a wrong sum.
    assert 0.75 in scores


def _sum(_number: int, body: dict[str, Any], _headers: dict[str, str]) -> Answer:
    one, other = map(int, re.findall(r"What is (\d+) plus (\d+)", body["messages"][-1]["content"])[-1])
    wrong = one == 13
    message = {"role": "assistant", "content": f"Easy.\n\nAnswer: {one + other + wrong}"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return 200, {"Content-Type": "application/json"}, json.dumps(reply).encode()


def test_nvidia_simple_evals_scores_with_a_judge_that_the_run_serves(folder: Path) -> None:
    # A folder of that name stands for the data set of a hub.
    data = folder / "hub" / "AI-MO" / "aimo-validation-aime"
    data.mkdir(parents=True)
    rows = ({"problem": f"What is {a} plus {b}?", "answer": str(a + b), "url": "at/2024_AIME_I"} for a, b in SUMS)
    (data / "train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    told = folder / "told"
    judge = {"url": "auxiliary_deployments.judge.chat_url", "model_id": "auxiliary_deployments.judge.model_id"}
    params = {"parallelism": 1, "max_retries": 1, "request_timeout": 30, "extra": {"judge": judge}}
    with scripted_endpoint(_sum) as endpoint:
        artifacts = run(
            folder,
            target={"api_endpoint": {"url": endpoint.url, "model_id": "m"}},
            auxiliary_deployments={
                "judge": {
                    "type": "generic",
                    "command": f"exec python3 {HERE}/judge.py {{port}} {told}",
                    "served_model_name": "the-judge",
                    "port": 0,
                }
            },
            evaluation={
                "env_vars": OFFLINE,
                "pre_cmd": f"cd {folder}/hub",
                "nemo_evaluator_config": {"config": {"params": params}},
                "tasks": ["simple_evals.AIME_2024"],
            },
        )
    (score,) = [found for found in read_results(artifacts, ResultFile()) if found.score == "micro"]
    assert score.value == 0.75
    assert sorted(told.read_text().splitlines()) == ["the-judge No", *["the-judge Yes"] * 3]
