"""Talking to W&B: the only module that imports its client, in a process that is the exporter's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import wandb

from evalyard import BackendError, ExportContext, Exported, JobResults, Transient, export_files
from evalyard_wandb.payload import RunData, metrics, runs
from evalyard_wandb.settings import WandbSettings

LONGEST_SILENCE_S = 60.0
"""Until the server's first answer; evalyard tries again, later, and meanwhile says why."""
_OFFLINE = ("offline", "dryrun")


def export(ctx: ExportContext, settings: WandbSettings, results: Sequence[JobResults]) -> list[Exported]:
    """Log each job to its W&B run.

    Raises:
        Transient: W&B does not answer.
        BackendError: it refuses, as for want of a key.
    """
    offline = ctx.environ.get("WANDB_MODE") in _OFFLINE
    exported: list[Exported] = []
    with TemporaryDirectory() as passing:
        # What is to be synchronised by hand later must last.
        folder = Path(ctx.environ.get("WANDB_DIR") or (ctx.folder if offline else passing))
        folder.mkdir(parents=True, exist_ok=True)
        for data in runs(results, settings):
            try:
                where = _log(data, settings, folder, ctx.remaining_s)
            except wandb.errors.CommError as error:  # those of a wrong key are among them
                refused = isinstance(error, wandb.errors.AuthenticationError)
                raise (BackendError if refused else Transient)(f"wandb: {_one_line(error)}") from error
            except wandb.errors.UsageError as error:
                raise BackendError(f"wandb: {_one_line(error)}", hint="export WANDB_API_KEY=...") from error
            exported += [Exported(job=result.card.job, where=where) for result in data.results]
    return exported


def _log(data: RunData, settings: WandbSettings, folder: Path, timeout_s: float) -> str:
    """Log one run; return its page, or its folder where it stays on this machine."""
    run = wandb.init(
        entity=settings.entity,
        project=settings.project,
        id=data.id,
        resume="allow",
        name=data.name,
        group=data.group,
        job_type=settings.job_type,
        tags=list(settings.tags),
        notes=settings.description,
        config=dict(data.config),
        dir=str(folder),
        # It is a job's results that are sent, and nothing about this process and this machine.
        settings=wandb.Settings(
            console="off",
            disable_git=True,
            init_timeout=max(1.0, min(timeout_s / 2, LONGEST_SILENCE_S)),
            save_code=False,
            silent=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        ),
    )
    try:
        for result in data.results:
            values = metrics(result, settings, shared=data.shared)
            run.log(values)
            run.summary.update(values)
            files = export_files(result, settings)
            if files:
                artifact = wandb.Artifact(_artifact_name(result), type="evaluation")
                for file in files:
                    artifact.add_file(str(file.path), name=file.name)
                run.log_artifact(artifact)
        page, place = run.url, run.settings.sync_dir
    finally:
        run.finish()
    return str(page or place)


def _artifact_name(result: JobResults) -> str:
    name: str = re.sub(r"[^\w.-]", "_", f"{result.card.task}-{result.card.job}")
    return name[-128:]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
