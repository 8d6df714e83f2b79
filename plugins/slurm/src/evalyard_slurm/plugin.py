"""The hooks: those of every batch scheduler, and what is Slurm's own."""

from __future__ import annotations

from collections.abc import Sequence

from evalyard import BatchExecutor, Context, Finding, Job, Plan, hookimpl
from evalyard_slurm import checks
from evalyard_slurm.plans import plan_job
from evalyard_slurm.settings import Settings as SlurmSettings
from evalyard_slurm.system import SLURM


class Slurm(BatchExecutor):
    """Runs each task as a job of a Slurm cluster."""

    api = 1
    Settings = SlurmSettings
    system = SLURM

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
        """Look at ssh, Slurm's commands, what sbatch says of the jobs, the output folder, mounts, the runtime."""
        return checks.findings(ctx, plans)

    @hookimpl
    def plan(self, settings: SlurmSettings, job: Job) -> Plan:
        """Render one attempt, in a container or as a process of the nodes."""
        return plan_job(settings, job)
