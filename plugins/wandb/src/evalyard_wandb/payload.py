"""What jobs become at W&B: the runs, and what is logged to each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from evalyard import JobResults, full_name, task_folder
from evalyard_wandb.settings import WandbSettings


@frozen(kw_only=True)
class RunData:
    """One W&B run and the jobs that go there."""

    id: str
    name: str
    group: str
    config: Mapping[str, Any]
    results: tuple[JobResults, ...]
    shared: bool
    """Whether other jobs go there too, now or later."""


def runs(results: Sequence[JobResults], settings: WandbSettings) -> tuple[RunData, ...]:
    """Return the W&B runs that these jobs go to. Ids follow from the jobs', so that a second export finds the first."""
    shared = settings.log_mode == "multi_task" or settings.run_id is not None
    groups: dict[str, list[JobResults]] = {}
    for result in results:
        own = f"ey-{result.card.invocation if shared else result.card.job.replace('.', '-')}"
        groups.setdefault(settings.run_id or own, []).append(result)
    return tuple(_run(run_id, group, settings, shared=shared) for run_id, group in groups.items())


def metrics(result: JobResults, settings: WandbSettings, *, shared: bool) -> dict[str, float]:
    """Return the numbers of a job by name; where jobs share a run, below the name of the job's folder."""
    # Two tasks of one name have folders of different names.
    prefix = f"{task_folder(result).name}/" if shared else ""
    found: dict[str, float] = {}
    for score in settings.scores(result):
        name = prefix + full_name(score)
        found[name] = score.value
        if score.stderr is not None:
            found[f"{name}.stderr"] = score.stderr
        if score.n is not None:
            found[f"{name}.n"] = score.n
    return found


def _run(run_id: str, group: Sequence[JobResults], settings: WandbSettings, *, shared: bool) -> RunData:
    first = group[0].card
    about = {task_folder(result).name: _about(result) for result in group} if shared else _about(group[0])
    return RunData(
        id=run_id,
        name=settings.name or (f"eval-{first.invocation}" if shared else f"{first.task}-{first.job}"),
        group=settings.group or first.invocation,
        config={**about, **settings.extra_metadata},
        results=tuple(group),
        shared=shared,
    )


def _about(result: JobResults) -> dict[str, Any]:
    card = result.card
    about = {
        "job": card.job,
        "attempt": result.attempt,
        "invocation": card.invocation,
        "task": card.task,
        "model_id": card.model_id,
        "harness": card.harness,
        "image": card.image,
        "image_digest": result.image_digest,
        "package": card.package,
        "executor": card.executor,
        "deployment": card.deployment,
        "endpoint_url": card.endpoint_url,
        "endpoint_type": card.endpoint_type,
        "limit_samples": card.limit_samples,
        "parameters": dict(card.parameters),
        "evalyard_version": card.evalyard_version,
    }
    return {name: value for name, value in about.items() if value not in ("", None)}
