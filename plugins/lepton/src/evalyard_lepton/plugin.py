"""The hooks, each a few lines over the modules that do the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evalyard import (
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
    write_run_dir,
)
from evalyard_lepton import archive, checks, endpoints, jobs, server_logs, workspace_secrets
from evalyard_lepton.gateway import Gateway
from evalyard_lepton.names import part_of
from evalyard_lepton.plans import SECRETS_NEED, SERVER_KEY, SERVER_NEED, plan_job
from evalyard_lepton.settings import Settings as LeptonSettings


class Lepton:
    """Runs each task as a job in a workspace of DGX Cloud Lepton."""

    api = 1
    Settings = LeptonSettings
    server_key = SERVER_KEY
    runs_here = False

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
        """Look at the login, the workspace, node groups, shapes, and what would be sent."""
        return checks.findings(ctx, plans)

    @hookimpl
    def plan(self, settings: LeptonSettings, job: Job) -> Plan:
        """Render one attempt."""
        return plan_job(settings, job)

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        """Write the run directory here, create secrets, or create the endpoint."""
        if need.kind is NeedKind.FILES:
            write_run_dir(need, ctx.content)
            return Handle(name=need.name, mark=need.mark, kind=need.kind, data={"directory": need.directory})
        if need.kind is NeedKind.RESOURCE:
            return workspace_secrets.provide(ctx, Gateway(ctx), need)
        return endpoints.provide(ctx, Gateway(ctx), need)

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        """Create each job."""
        return jobs.launch(Gateway(ctx), plans, ctx.owner)

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        """Look for jobs, endpoints and secrets of these marks."""
        gateway, of_jobs, of_servers, of_secrets = Gateway(ctx), {}, {}, {}
        for name, mark in names.items():
            part = part_of(name)
            if part.isdecimal():
                of_jobs[name] = mark
            elif part.startswith(SERVER_NEED):
                of_servers[name] = mark
            elif part == SECRETS_NEED:
                of_secrets[name] = mark
        return {
            **jobs.find(gateway, of_jobs),
            **endpoints.find(gateway, of_servers),
            **workspace_secrets.find(gateway, of_secrets),
        }

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        """Ask once for all jobs, and once for each endpoint."""
        gateway = Gateway(ctx)
        seen = jobs.observe(gateway, [handle for handle in handles if handle.kind == "job"])
        return (
            seen
            | endpoints.observe_all(gateway, [h for h in handles if h.kind == NeedKind.SERVER])
            | {handle.name: workspace_secrets.ALIVE for handle in handles if handle.kind == NeedKind.RESOURCE}
        )

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read on in the log of a job, or of the endpoint that it asks."""
        if role == "server" or handle.kind == NeedKind.SERVER:
            return server_logs.read(ctx, handle, cursor, limit)
        return jobs.read_log(Gateway(ctx), handle, cursor, limit)

    @hookimpl
    def fetch(self, ctx: Context, handle: Handle, dest: Path) -> Sequence[str]:
        """Bring results home through the log."""
        return archive.fetch(ctx, Gateway(ctx), handle, dest)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """Ask jobs to stop."""
        return jobs.cancel(Gateway(ctx), [handle for handle in handles if handle.kind == "job" and handle.id])

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """End jobs that run, remove endpoints and secrets; gone is what the service says is gone."""
        gateway = Gateway(ctx)
        left = jobs.end(ctx, gateway, [handle for handle in handles if handle.kind == "job"])
        left += endpoints.release_all(ctx, gateway, [h for h in handles if h.kind == NeedKind.SERVER])
        return left + workspace_secrets.release_all(gateway, [h for h in handles if h.kind == NeedKind.RESOURCE])

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
        """Look for jobs, endpoints and secrets that this launcher made and that are in no record."""
        gateway = Gateway(ctx)
        servers = endpoints.orphans(gateway, ctx.owner, known)
        with_servers = {handle.name for handle in servers}  # a key goes with its endpoint
        secrets = workspace_secrets.orphans(gateway, ctx.owner, known)
        return (
            *jobs.orphans(gateway, ctx.owner, known),
            *servers,
            *(handle for handle in secrets if handle.name not in with_servers),
        )
