"""The hooks, each a few lines over the modules that do the work."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from evalyard_local import checks, environments, host
from evalyard_local.docker import checks as docker_checks, containers, images
from evalyard_local.docker.plans import plan_contained
from evalyard_local.plans import plan_job
from evalyard_local.settings import Settings as LocalSettings

MOST_AT_ONCE = 16
"""How many scripts are started side by side."""


class Local:
    """Runs each task on this machine: in a container, or as a process."""

    api = 1
    Settings = LocalSettings
    auxiliary_servers = True

    def __init__(self) -> None:
        self._trust = containers.Trust()

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
        """Look at the shell, the output folder, its disk, fixed ports, and the Docker engine."""
        here = checks.findings(plans, which=shutil.which)
        return (*here, *docker_checks.findings(ctx, plans, which=shutil.which))

    @hookimpl
    def plan(self, settings: LocalSettings, job: Job) -> Plan:
        """Render one attempt."""
        return plan_contained(settings, job) if settings.use_docker else plan_job(settings, job)

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        """Write the run directory, pull an image, install a harness, or start the model server."""
        if need.kind is NeedKind.FILES:
            write_run_dir(need, ctx.content)
            return Handle(name=need.name, mark=need.mark, kind=need.kind, data={"directory": need.directory})
        if need.kind is NeedKind.ENVIRONMENT:
            return images.provide(ctx, need) if "image" in need.payload else environments.provide(ctx, need)
        return host.start_server(need, ctx.owner)

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        """Start each job's script, side by side: each is waited for until it has its attempt."""
        if len(plans) == 1:
            return {plans[0].name: host.start_job(plans[0], ctx.owner, ctx.deadline)}
        with ThreadPoolExecutor(min(len(plans), MOST_AT_ONCE)) as pool:
            answers = pool.map(lambda plan: host.start_job(plan, ctx.owner, ctx.deadline), plans)
            return {plan.name: answer for plan, answer in zip(plans, answers, strict=True)}

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        """Look for attempts of these marks in the run directory."""
        return host.find(Path(ctx.run_dir), names)

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        """Read exit files, look for the processes, and ask the Docker engine at most once about all containers."""
        seen = {handle.name: host.observe(handle) for handle in handles}
        told = {name: observation for name, observation in seen.items() if observation is not None}
        return told | containers.observe(ctx, containers.contained(handles), seen, self._trust)

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read the log file."""
        alive = host.lives(handle) or any(containers.running(ctx, held) for held in containers.contained([handle]))
        return host.read_logs(handle, role, cursor, limit, alive=alive)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """SIGTERM, the grace, SIGKILL; side by side."""
        held = containers.contained(handles)
        unasked = [handle.name for handle in held if not host.lives(handle)]
        left = host.end(handles, ctx.deadline, Path(ctx.run_dir))
        return _united(left, containers.end(ctx, held, unasked))

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """End servers and what a dead job left running; remove containers that are not to be kept."""
        held = containers.contained(handles)
        unasked = [handle.name for handle in held if not host.lives(handle)]
        left = host.end(handles, ctx.deadline, Path(ctx.run_dir))
        succeeded = [handle.name for handle in held if host.succeeded(handle)]
        return _united(left, containers.remove(ctx, held, unasked, succeeded))

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
        """Look for processes, containers and networks that this launcher made and that are in no record."""
        running = host.orphans(ctx.owner, known)
        return (*running, *containers.orphans(ctx, {**known, **{handle.name: handle.mark for handle in running}}))


def _united(one: Sequence[Handle], other: Sequence[Handle]) -> Sequence[Handle]:
    return tuple({handle.name: handle for handle in (*one, *other)}.values())
