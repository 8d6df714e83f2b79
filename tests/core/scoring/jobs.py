"""Jobs with results, for tests of whatever is made of them."""

from __future__ import annotations

from typing import Any

from evalyard.records.jobs import JobCard
from evalyard.scoring.records import JobResults, Score
from evalyard.states import JobState


def score(value: float = 0.5, task: str = "ifeval", metric: str = "accuracy", **fields: Any) -> Score:
    """Return a score."""
    return Score(**{"task": task, "metric": metric, "score": metric, "value": value, **fields})


def job(*scores: Score, name: str = "a1b2c3d4.1", card: dict[str, Any] | None = None, **fields: Any) -> JobResults:
    """Return a job with these scores; without any and without a problem, its result file held none."""
    asked = JobCard(**{"job": name, "task": "ifeval", **(card or {})})
    return JobResults(**{"card": asked, "state": JobState.SUCCEEDED, "scores": scores, **fields})


def failed(name: str = "a1b2c3d4.1") -> JobResults:
    """Return a job that failed."""
    return job(name=name, state=JobState.FAILED, reason="exit code 1", problem="FAILED: exit code 1")
