"""The hooks of an executor for a batch scheduler, to inherit from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from evalyard.batch import checks
from evalyard.batch.cluster import Cluster
from evalyard.batch.logs import Logs
from evalyard.batch.plans import plan_batch
from evalyard.batch.system import BatchSystem
from evalyard.plugins.context import Context
from evalyard.plugins.markers import hookimpl
from evalyard.records.findings import Finding
from evalyard.records.handles import Handle, LaunchError
from evalyard.records.jobs import Job
from evalyard.records.observations import LogChunk, Observation
from evalyard.records.plans import Need, NeedKind, Plan


class BatchExecutor:
    """Runs each task as a job of a batch scheduler; a subclass says which.

    Besides `system` it sets `api` and `Settings`, which inherits from `BatchSettings`, and says in `header` or in
    `command` what a job asks for. It may replace any hook, marked with `hookimpl` again; a hook that it sets to None is
    one that it does not offer.

    Attributes:
        system: the scheduler.
        cluster: what works at its login node.
    """

    system: ClassVar[BatchSystem]
    runs_here: ClassVar[bool] = False
    cluster: Cluster

    def __init__(self) -> None:
        self.cluster = Cluster(self.system)
        self._logs = Logs(self.cluster)

    def header(self, settings: Any, job: Job) -> Sequence[str]:
        """Return what the scheduler reads in a job's script, without the sign that begins each line; pure."""
        del settings, job
        return ()

    def command(self, settings: Any, job: Job) -> Sequence[str]:
        """Return further words of the command that submits a job, which come right after its program; pure."""
        del settings, job
        return ()

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
        """Look at ssh, the scheduler's commands, the output folder and mounts."""
        return checks.findings(self.cluster, ctx, plans)

    @hookimpl
    def plan(self, settings: Any, job: Job) -> Plan:
        """Render one attempt of a process of the nodes."""
        return plan_batch(settings, self.system, job, self.header(settings, job), self.command(settings, job))

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        """Write the run directory, with one stream."""
        self.cluster.write(ctx, need)
        return Handle(name=need.name, mark=need.mark, kind=NeedKind.FILES, data={"directory": need.directory})

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        """Submit all jobs, with one command."""
        return self.cluster.submit(ctx, plans)

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        """Look for what was submitted with these marks, in the run directory and in the queue."""
        return self.cluster.find(ctx, names)

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        """Ask the queue, accounting for what the queue has forgotten, and the jobs' own files, with one command."""
        return self.cluster.status(ctx, handles)

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read on in a log file."""
        return self._logs.read(ctx, handle, role, cursor, limit)

    @hookimpl
    def fetch(self, ctx: Context, handle: Handle, dest: Path) -> Sequence[str]:
        """Bring a task's files home, with one stream."""
        return self.cluster.fetch(ctx, handle, dest)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """Ask jobs to end."""
        return self.cluster.end(ctx, handles, wait=False)

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """End jobs and see them gone; what was sent and not heard of will not begin."""
        return self.cluster.end(ctx, handles, wait=True)

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
        """Look in the queue for jobs that this launcher submitted and that are in no record."""
        return self.cluster.orphans(ctx, known)
