"""The entry point: what the exporter is called and takes. The client is imported when there is something to send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalyard_wandb.settings import WandbSettings

if TYPE_CHECKING:
    from evalyard import ExportContext, Exported, JobResults


class Wandb:
    """W&B runs: one for each job, or one for all jobs of a run."""

    api = 1
    Settings = WandbSettings
    variables = ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_ENTITY", "WANDB_PROJECT", "WANDB_MODE", "WANDB_DIR")

    def export(self, ctx: ExportContext, settings: WandbSettings, results: Sequence[JobResults]) -> Sequence[Exported]:
        """Log each job to its W&B run, which is the same one when it is exported again."""
        from evalyard_wandb.tracking import export

        return export(ctx, settings, results)
