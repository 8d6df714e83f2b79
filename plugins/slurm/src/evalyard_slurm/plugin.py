"""The hooks, each a few lines over the modules that do the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import define, field

from evalyard import (
    API,
    Context,
    Finding,
    Handle,
    Job,
    LaunchError,
    LogChunk,
    Need,
    NeedKind,
    Observation,
    Plan,
    hookimpl,
)
from evalyard_slurm import checks, cluster
from evalyard_slurm.plans import plan_job
from evalyard_slurm.settings import Settings as SlurmSettings


@define
class Slurm:
    """Runs each task as a job of a Slurm cluster."""

    api = API
    Settings = SlurmSettings
    _logs: cluster.Logs = field(factory=cluster.Logs, init=False)

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
        """Look at ssh, Slurm's commands, what sbatch says of the jobs, the output folder, mounts, the runtime."""
        return checks.findings(ctx, plans)

    @hookimpl
    def plan(self, settings: SlurmSettings, job: Job) -> Plan:
        """Render one attempt."""
        return plan_job(settings, job)

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        """Write the run directory, with one stream."""
        cluster.write(ctx, need)
        return Handle(name=need.name, mark=need.mark, kind=NeedKind.FILES, data={"directory": need.directory})

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        """Submit all jobs, with one command."""
        return cluster.submit(ctx, plans)

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        """Look for what was submitted with these marks, in the run directory and in the queue."""
        return cluster.find(ctx, names)

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        """Ask the queue, accounting for what the queue has forgotten, and the jobs' own files, with one command."""
        return cluster.status(ctx, handles)

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read on in a log file."""
        return self._logs.read(ctx, handle, role, cursor, limit)

    @hookimpl
    def fetch(self, ctx: Context, handle: Handle, dest: Path) -> Sequence[str]:
        """Bring a task's files home, with one stream."""
        return cluster.fetch(ctx, handle, dest)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """Ask jobs to end: scancel, which is SIGTERM and after the cluster's KillWait SIGKILL."""
        return cluster.end(ctx, handles, wait=False)

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """End jobs and see them gone; what was sent and not heard of will not begin."""
        return cluster.end(ctx, handles, wait=True)

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
        """Look in the queue for jobs that this launcher submitted and that are in no record."""
        return cluster.orphans(ctx, known)
