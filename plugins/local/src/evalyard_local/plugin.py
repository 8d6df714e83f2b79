"""The hooks, each a few lines over the modules that do the work."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

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
from evalyard_local import checks, environments, host, rundir
from evalyard_local.plans import plan_job
from evalyard_local.settings import Settings as LocalSettings


class Local:
    """Runs each task as a process of this machine."""

    api = API
    Settings = LocalSettings

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
        """Look at the shell, the output folder, its disk, and fixed ports."""
        return checks.findings(plans, which=shutil.which)

    @hookimpl
    def plan(self, settings: LocalSettings, job: Job) -> Plan:
        """Render one attempt."""
        return plan_job(settings, job)

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        """Write the run directory, install a harness, or start the model server."""
        if need.kind is NeedKind.FILES:
            rundir.write(need, ctx.content)
            return Handle(name=need.name, mark=need.mark, kind=need.kind, data={"directory": need.directory})
        if need.kind is NeedKind.ENVIRONMENT:
            return environments.provide(ctx, need)
        return host.start_server(need)

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        """Start each job's script."""
        return {plan.name: host.start_job(plan) for plan in plans}

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        """Look for attempts of these marks in the run directory."""
        return host.find(Path(ctx.run_dir), names)

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        """Read exit files and look for the processes."""
        seen = {handle.name: host.observe(handle) for handle in handles}
        return {name: observation for name, observation in seen.items() if observation is not None}

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read the log file."""
        return host.read_logs(handle, role, cursor, limit)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """SIGTERM, the grace, SIGKILL; side by side."""
        return host.end(handles, ctx.deadline, Path(ctx.run_dir))

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """End servers, and what a dead job left running."""
        return host.end(handles, ctx.deadline, Path(ctx.run_dir))
