"""Results as flat rows, one a score: what `results --json` prints, and what a data frame is made of. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evalyard.scoring.records import JobResults, Score

SCORE_FIELDS = (
    "job",
    "task",
    "metric",
    "score",
    "value",
    "stderr",
    "n",
    "group",
    "limit_samples",
    "invocation",
    "job_task",
    "state",
    "attempt",
    "started_at",
    "ended_at",
    "executor",
    "harness",
    "image",
    "image_digest",
    "package",
    "model_id",
    "endpoint_url",
    "endpoint_type",
    "deployment",
    "parameters",
    "source",
    "created_at",
    "evalyard_version",
    "artifacts",
    "log",
    "config",
)
"""The keys of a row, in their order."""


def score_rows(jobs: Iterable[JobResults]) -> list[dict[str, Any]]:
    """Return a dict for each score: the score itself, then where it comes from. Plain JSON types throughout."""
    return [{**_measured(job, score), **_provenance(job)} for job in jobs for score in job.scores]


def _measured(job: JobResults, score: Score) -> dict[str, Any]:
    return {
        "job": job.card.job,
        "task": score.task,
        "metric": score.metric,
        "score": score.score,
        "value": score.value,
        "stderr": score.stderr,
        "n": score.n,
        "group": score.group,
    }


def _provenance(job: JobResults) -> dict[str, Any]:
    card = job.card
    return {
        "limit_samples": card.limit_samples,
        "invocation": card.invocation,
        "job_task": card.task,
        "state": job.state.value,
        "attempt": job.attempt,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "executor": card.executor,
        "harness": card.harness,
        "image": card.image,
        "image_digest": job.image_digest,
        "package": card.package,
        "model_id": card.model_id,
        "endpoint_url": card.endpoint_url,
        "endpoint_type": card.endpoint_type,
        "deployment": card.deployment,
        "parameters": dict(card.parameters),
        "source": card.source,
        "created_at": card.created_at,
        "evalyard_version": card.evalyard_version,
        "artifacts": job.artifacts,
        "log": job.log,
        "config": job.config,
    }
