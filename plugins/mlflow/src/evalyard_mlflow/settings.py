"""The section `export.mlflow`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from evalyard import ExportSettings


@frozen(kw_only=True)
class MlflowSettings(ExportSettings):
    """How results get to an MLflow server."""

    tracking_uri: str | None = None
    """The server's address, such as `http://localhost:5000`; by default what MLFLOW_TRACKING_URI says."""
    experiment_name: str = "evalyard"
    """Made when it is not there."""
    run_name: str | None = None
    """By default `<task>-<job>`."""
    description: str | None = None
    tags: Mapping[str, str] = field(factory=dict)
    extra_metadata: Mapping[str, Any] = field(factory=dict)
    """Further parameters of every run."""
    log_config_params: bool = False
    """Whether the resolved configuration's keys become parameters, as `config.<key>`."""
    log_config_params_max_depth: int | None = field(default=None)
    """How many levels of keys get parameters of their own; what lies deeper is one JSON text. None = all."""
    skip_existing: bool = False
    """Whether a run of the same attempt stays as it is, instead of being replaced."""
    exclude_patterns: tuple[str, ...] = ()
    """Files that do not go along: names (`*.bin`) or paths (`artifacts/cache/*`)."""

    @log_config_params_max_depth.validator
    def _check_depth(self, _: object, value: int | None) -> None:
        if value is not None and value < 1:
            raise ValueError("must be at least 1")
