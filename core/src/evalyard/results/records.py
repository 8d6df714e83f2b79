"""What a harness measured."""

from __future__ import annotations

from attrs import frozen


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
