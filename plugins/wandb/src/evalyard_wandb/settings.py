"""The section `export.wandb`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

from evalyard import ExportSettings


@frozen(kw_only=True)
class WandbSettings(ExportSettings):
    """How results get to Weights & Biases."""

    entity: str | None = None
    """User or team; by default what WANDB_ENTITY says, else the key's own."""
    project: str = "evalyard"
    log_mode: Literal["per_task", "multi_task"] = "per_task"
    """A W&B run for each job, or one for all jobs of a run."""
    name: str | None = None
    """Of the W&B run; by default `<task>-<job>`, or `eval-<invocation>` of all jobs."""
    group: str | None = None
    """By default the invocation."""
    job_type: str = "evaluation"
    tags: tuple[str, ...] = ()
    description: str | None = None
    extra_metadata: Mapping[str, Any] = field(factory=dict)
    """Further entries of the W&B run's configuration."""
    run_id: str | None = None
    """A W&B run to go on with: all jobs go there."""
