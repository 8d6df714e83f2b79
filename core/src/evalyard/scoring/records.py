"""What harnesses measured."""

from __future__ import annotations

from attrs import frozen

from evalyard.records.jobs import JobCard
from evalyard.states import JobState


@frozen(kw_only=True)
class Score:
    """One number of a result file."""

    task: str
    """The task, or the group of tasks, that it was measured on: the harness's own name for it."""
    metric: str
    score: str
    """Which of the metric's numbers; often named like the metric."""
    value: float
    """NaN where the harness wrote something that is no number."""
    stderr: float | None = None
    """Standard error of the value; None = not stated."""
    n: int | None = None
    """How many samples it rests on; None = not stated."""
    group: bool = False
    """Whether it sums up several tasks."""


@frozen(kw_only=True)
class JobResults:
    """What one job measured, and where its numbers come from: all that tables, reports and exporters work on."""

    card: JobCard
    """What was asked."""
    state: JobState
    attempt: int = 1
    reason: str = ""
    """Of the state."""
    scores: tuple[Score, ...] = ()
    problem: str = ""
    """Why there are no scores; empty when there are some."""
    started_at: str = ""
    """UTC, ISO 8601."""
    ended_at: str = ""
    image_digest: str = ""
    """Of the image that really ran; empty = no container, or not known."""
    artifacts: str = ""
    """The folder on this machine's disk."""
    log: str = ""
    """The harness's log file on this machine's disk."""
    config: str = ""
    """The resolved configuration's file on this machine's disk; empty = not known."""

    @property
    def limited(self) -> bool:
        """Whether only a part of the benchmark was asked: its scores are no result of the benchmark."""
        return self.card.limit_samples is not None
