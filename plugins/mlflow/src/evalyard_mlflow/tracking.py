"""Talking to MLflow: the only module that imports its client, in a process that is the exporter's own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import mlflow
from attrs import define
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from evalyard import (
    BackendError,
    ConfigError,
    ExportContext,
    Exported,
    JobResults,
    Transient,
    export_files,
)
from evalyard_mlflow.payload import ATTEMPT_TAG, JOB_TAG, RunData, run_data
from evalyard_mlflow.settings import MlflowSettings

T = TypeVar("T")

BATCH = 100
"""How many parameters or tags one request may hold; metrics may be more."""
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
"""Less than the client's own: evalyard tries again, later, and meanwhile says why."""
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500
_FINISHED = "FINISHED"


def export(ctx: ExportContext, settings: MlflowSettings, results: Sequence[JobResults]) -> list[Exported]:
    """Make a run for each job.

    Raises:
        ConfigError: nobody says where the server is.
        Transient: it does not answer.
        BackendError: it refuses.
    """
    uri = settings.tracking_uri or ctx.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        raise ConfigError(["export.mlflow: no server is named"], hint="set tracking_uri, or MLFLOW_TRACKING_URI")
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    with _told_apart(uri):
        # Older clients ask this, and not themselves, where artifacts go that the server passes on.
        mlflow.set_tracking_uri(uri)
        client = MlflowClient(tracking_uri=uri)
        tracker = _Tracker(client, settings, _experiment(client, settings.experiment_name))
        return [Exported(job=result.card.job, **tracker.export(result, _address(uri))) for result in results]


@define
class _Tracker:
    client: MlflowClient
    settings: MlflowSettings
    experiment: str

    def export(self, result: JobResults, address: str) -> dict[str, str]:
        """Make the run of a job; return where it is, and why it was left alone if it was."""
        there = self._runs_of(result.card.job)
        page = f"{address}/#/experiments/{self.experiment}/runs"
        if self.settings.skip_existing:
            for run in there:
                if run.info.status == _FINISHED and run.data.tags.get(ATTEMPT_TAG) == str(result.attempt):
                    return {"where": f"{page}/{run.info.run_id}", "skipped": "it is there already (skip_existing)"}
        data = run_data(result, self.settings, _configuration(result) if self.settings.log_config_params else {})
        run_id = self._make(result, data)
        # Only now: an export that breaks off leaves the earlier run. MLflow keeps what is deleted for a while.
        for run in there:
            self.client.delete_run(run.info.run_id)
        return {"where": f"{page}/{run_id}"}

    def _runs_of(self, job: str) -> list[Run]:
        wanted = f"tags.`{JOB_TAG}` = '{job}'"
        return list(self.client.search_runs([self.experiment], filter_string=wanted))

    def _make(self, result: JobResults, data: RunData) -> str:
        # With the tag that tells whose run it is, so that one that breaks off is found, and removed, by the next try.
        whose = {JOB_TAG: result.card.job}
        run = self.client.create_run(self.experiment, start_time=data.started_ms, run_name=data.name, tags=whose)
        run_id: str = run.info.run_id
        moment = data.ended_ms or round(time.time() * 1000)
        for tags in _batches([RunTag(*item) for item in data.tags.items()]):
            self.client.log_batch(run_id, tags=tags)
        for parameters in _batches([Param(*item) for item in data.parameters.items()]):
            self.client.log_batch(run_id, params=parameters)
        for metrics in _batches([Metric(*item, moment, 0) for item in data.metrics.items()]):
            self.client.log_batch(run_id, metrics=metrics)
        for file in export_files(result, self.settings, self.settings.exclude_patterns):
            folder = PurePosixPath(file.name).parent
            self.client.log_artifact(run_id, str(file.path), None if folder == PurePosixPath() else str(folder))
        self.client.set_terminated(run_id, _FINISHED, moment)
        return run_id


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            made: str = client.create_experiment(name)
        except MlflowException:
            found = client.get_experiment_by_name(name)  # somebody else was faster
            if found is None:
                raise
        else:
            return made
    if found.lifecycle_stage != "active":
        raise BackendError(f"mlflow: the experiment '{name}' is deleted", hint="restore it, or set experiment_name")
    return str(found.experiment_id)


def _configuration(result: JobResults) -> Mapping[str, Any]:
    try:
        data = YAML(typ="safe", pure=True).load(Path(result.config)) if result.config else {}
    except (OSError, YAMLError):
        return {}
    return data if isinstance(data, Mapping) else {}


def _batches(items: list[T]) -> Iterator[list[T]]:
    rest = iter(items)
    return iter(lambda: list(islice(rest, BATCH)), [])


def _address(uri: str) -> str:
    """Return the server's address for a person: without what may be secret in it."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


@contextmanager
def _told_apart(uri: str) -> Iterator[None]:
    """Turn the client's one kind of error into those that say whether trying again may help."""
    try:
        yield
    except MlflowException as error:
        status: Callable[[], int] = error.get_http_status_code
        kind = Transient if status() >= _SERVER_ERRORS or status() == _TOO_MANY_REQUESTS else BackendError
        # The message quotes the address as it was given.
        said = str(error.message).replace(uri.rstrip("/"), _address(uri))
        raise kind(f"mlflow: {_address(uri)}: {said}") from error
