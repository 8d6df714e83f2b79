"""Jobs that have ended, with their folders: what exporters are tested on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import evolve

from evalyard import JobCard, JobResults, JobState, Score
from evalyard.scoring.card import render_card

RUN = "a1b2c3d4"
CONFIG = """
execution: {type: local, output_dir: /runs}
target: {api_endpoint: {url: http://h/v1, model_id: m, api_key_name: MY_KEY}}
evaluation: {tasks: [{name: first, params: {deep: {deeper: [1, two]}}}]}
"""
RESULTS = """
results: {tasks: {TASK: {metrics: {accuracy: {scores: {accuracy: {value: 0.75, stats: {stderr: 0.02, count: 100}}}}}}}}
"""


def job_left(run_dir: Path, number: int = 1, task: str = "first", **changes: Any) -> JobResults:
    """Return a job that succeeded, and make the folder that it left."""
    folder = run_dir / task
    artifacts, logs = folder / "artifacts", folder / "logs"
    for made in (artifacts / "cache", logs):
        made.mkdir(parents=True, exist_ok=True)
    (artifacts / "results.yml").write_text(RESULTS.replace("TASK", task))
    (artifacts / "cache" / "answers.bin").write_bytes(b"\0\1")
    (logs / "stdout.log").write_text("said\n")
    (folder / "run_config.yml").write_text("config: {}\n")
    config = run_dir / "config.yaml"
    config.write_text(CONFIG)
    card = JobCard(
        job=f"{RUN}.{number}",
        task=task,
        executor="local",
        harness="smoke",
        model_id="some/model",
        endpoint_url="http://h/v1/chat/completions",
        endpoint_type="chat",
        parameters={"temperature": 0.5, "extra": {"seed": 7}},
        limit_samples=10,
        created_at="2026-01-02T03:04:05+00:00",
        evalyard_version="0.1.0",
    )
    (folder / "job.json").write_text(render_card(card))
    _leave_evidence(folder)
    result = JobResults(
        card=card,
        state=JobState.SUCCEEDED,
        scores=(
            Score(task=task, metric="accuracy", score="accuracy", value=0.75, stderr=0.02, n=100),
            Score(task=task, metric="pass@1", score="mean", value=0.5),
        ),
        started_at="2026-01-02T03:04:06+00:00",
        ended_at="2026-01-02T03:05:06+00:00",
        artifacts=str(artifacts),
        log=str(logs / "stdout.log"),
        config=str(config),
    )
    return evolve(result, **changes)


def _leave_evidence(folder: Path) -> None:
    """Leave what a job script leaves: who took the attempt, and how it ended."""
    attempt = folder / "attempts" / "1"
    attempt.mkdir(parents=True, exist_ok=True)
    common = {"attempt": 1, "mark": "", "by_hand": False, "started_at": "2026-01-02T03:04:06Z"}
    (attempt / "started.json").write_text(json.dumps(common | {"pid": 1}))
    ended = {"exit_code": 0, "signal": "", "reason": "", "results": True, "ended_at": "2026-01-02T03:05:06Z"}
    (attempt / "exit.json").write_text(json.dumps(common | ended))
