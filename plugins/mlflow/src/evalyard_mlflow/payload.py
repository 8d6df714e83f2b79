"""What a job becomes in MLflow: name, tags, parameters and metrics of one run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from evalyard import JobResults, full_name
from evalyard_mlflow.naming import LONGEST_PARAMETER, LONGEST_TAG, flat, key, keyed, text
from evalyard_mlflow.settings import MlflowSettings

JOB_TAG = "evalyard.job"
ATTEMPT_TAG = "evalyard.attempt"


@frozen(kw_only=True)
class RunData:
    """One run."""

    name: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    started_ms: int | None
    ended_ms: int | None


def run_data(result: JobResults, settings: MlflowSettings, config: Mapping[str, Any]) -> RunData:
    """Return the run that a job becomes.

    Args:
        config: the resolved configuration; read only where it is asked for.
    """
    return RunData(
        name=settings.run_name or f"{result.card.task}-{result.card.job}",
        tags=_tags(result, settings),
        parameters={
            name: text(value, LONGEST_PARAMETER) for name, value in keyed(_parameters(result, settings, config)).items()
        },
        metrics=keyed(_metrics(result, settings)),
        started_ms=_milliseconds(result.started_at),
        ended_ms=_milliseconds(result.ended_at),
    )


def _tags(result: JobResults, settings: MlflowSettings) -> dict[str, str]:
    tags = {key(name): text(value, LONGEST_TAG) for name, value in settings.tags.items()}
    if settings.description:
        tags["mlflow.note.content"] = text(settings.description, LONGEST_TAG)
    return tags | {
        JOB_TAG: result.card.job,
        ATTEMPT_TAG: str(result.attempt),
        "evalyard.invocation": result.card.invocation,
        "evalyard.task": text(result.card.task, LONGEST_TAG),
        "evalyard.version": result.card.evalyard_version,
    }


def _parameters(result: JobResults, settings: MlflowSettings, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    card = result.card
    about = {
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
    }
    yield from ((name, value) for name, value in about.items() if value not in ("", None))
    yield from flat(card.parameters, path="parameters")
    yield from flat(settings.extra_metadata)
    if settings.log_config_params:
        yield from flat(config, settings.log_config_params_max_depth, "config")


def _metrics(result: JobResults, settings: MlflowSettings) -> Iterator[tuple[str, float]]:
    for score in settings.scores(result):
        name = full_name(score)
        yield name, score.value
        if score.stderr is not None:
            yield f"{name}.stderr", score.stderr
        if score.n is not None:
            yield f"{name}.n", float(score.n)


def _milliseconds(moment: str) -> int | None:
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return None
