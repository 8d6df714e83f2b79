"""Samples to scores, statistics, the records of `results.yml`, and the lines for a reader."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Sequence

from .evaluate import Sample
from .questions import WHOLE_TASK, task_name

NOTE = "smoke test on bundled data, NOT a benchmark"


def scores(samples: Sequence[Sample], task: str) -> dict[str, Any]:
    """The `results` section: a task for each kind and, where all kinds were asked for, the group of all of them."""
    kinds = dict.fromkeys(sample.kind for sample in samples)
    tasks = {task_name(kind): _accuracy([s for s in samples if s.kind == kind]) for kind in kinds}
    return {"tasks": tasks, "groups": {WHOLE_TASK: _accuracy(samples)} if task == WHOLE_TASK else {}}


def _accuracy(samples: Sequence[Sample]) -> dict[str, Any]:
    count = len(samples)
    mean = sum(sample.score or 0 for sample in samples) / count
    stderr = math.sqrt(mean * (1 - mean) / (count - 1)) if count > 1 else None
    stats = {"count": count, "mean": mean, "stderr": stderr}
    return {"metrics": {"accuracy": {"scores": {"accuracy": {"value": mean, "stats": stats}}}}}


def statistics(samples: Sequence[Sample], *, asked: int, duration_s: float) -> dict[str, Any]:
    """Counts, rates, latency of the requests that succeeded (seconds), and tokens where the server reports them."""
    finished = len(samples)
    failed = sum(sample.error is not None for sample in samples)
    requests = sum(sample.attempts for sample in samples)
    failed_requests = requests - (finished - failed)
    return {
        "samples": asked,
        "samples_finished": finished,
        "samples_without_reply": failed,
        "replies_without_answer": sum(s.error is None and s.extracted is None for s in samples),
        "requests": requests,
        "retries": requests - finished,
        "request_error_rate": failed_requests / requests if requests else 0.0,
        "sample_error_rate": failed / finished if finished else 0.0,
        "latency_s": _latency(sorted(s.latency_s for s in samples if s.latency_s is not None)),
        "prompt_tokens": _total([s.prompt_tokens for s in samples]),
        "completion_tokens": _total([s.completion_tokens for s in samples]),
        "duration_s": duration_s,
    }


def _latency(ascending: list[float]) -> dict[str, Any]:
    def percentile(share: float) -> float | None:
        return ascending[math.ceil(share * len(ascending)) - 1] if ascending else None

    mean = sum(ascending) / len(ascending) if ascending else None
    return {"mean": mean, "p50": percentile(0.5), "p95": percentile(0.95), "max": percentile(1.0)}


def _total(counts: Sequence[int | None]) -> int | None:
    reported = [count for count in counts if count is not None]
    return sum(reported) if reported else None


def causes(samples: Sequence[Sample]) -> list[str]:
    """Why samples got no reply: one line for each distinct cause, the commonest first."""
    counted = Counter(sample.error for sample in samples if sample.error is not None)
    return [f"{count} x {cause}" for cause, count in counted.most_common()]


def progress_line(samples: Sequence[Sample], total: int) -> str:
    """How far the run is and how it goes, in a line."""
    graded = [sample.score for sample in samples if sample.score is not None]
    so_far = f"accuracy so far {sum(graded) / len(graded):.2f}" if graded else "no reply so far"
    failed = len(samples) - len(graded)
    return f"{len(samples)}/{total} samples, {so_far}" + (f", {failed} without reply" if failed else "")


def table(results: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """The scores in columns, then one line each about latency and requests."""
    rows = [("task", "n", "accuracy", "stderr")]
    for name, entry in [*results["tasks"].items(), *results["groups"].items()]:
        accuracy = entry["metrics"]["accuracy"]["scores"]["accuracy"]
        stderr = accuracy["stats"]["stderr"]
        shown_stderr = "-" if stderr is None else f"{stderr:.3f}"
        rows.append((name, str(accuracy["stats"]["count"]), f"{accuracy['value']:.3f}", shown_stderr))
    width = max(len(row[0]) for row in rows)
    latency = measured["latency_s"]
    return [
        *(f"{name:<{width}}  {count:>5}  {value:>8}  {stderr:>6}" for name, count, value, stderr in rows),
        f"latency: mean {latency['mean']:.3f} s, median {latency['p50']:.3f} s, 95% {latency['p95']:.3f} s",
        f"requests: {measured['requests']}, of these {measured['retries']} retries",
    ]
