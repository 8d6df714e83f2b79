"""The entry point: what the exporter is called and takes. The client is imported when there is something to send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalyard_mlflow.settings import MlflowSettings

if TYPE_CHECKING:
    from evalyard import ExportContext, Exported, JobResults


class Mlflow:
    """One MLflow run for each job."""

    api = 1
    Settings = MlflowSettings
    variables = (
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_TRACKING_INSECURE_TLS",
        "MLFLOW_TRACKING_SERVER_CERT_PATH",
        "MLFLOW_TRACKING_CLIENT_CERT_PATH",
        "MLFLOW_S3_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "DATABRICKS_HOST",
        "DATABRICKS_TOKEN",
    )

    def export(self, ctx: ExportContext, settings: MlflowSettings, results: Sequence[JobResults]) -> Sequence[Exported]:
        """Make a run for each job, in place of an earlier one of the same job."""
        from evalyard_mlflow.tracking import export

        return export(ctx, settings, results)
