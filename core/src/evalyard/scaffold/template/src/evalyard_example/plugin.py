"""The hooks, each a few lines over the modules that do the work. Hooks get records and return records."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from evalyard import (
    Context,
    EvalyardError,
    Finding,
    Handle,
    Job,
    LaunchError,
    LogChunk,
    Need,
    NeedKind,
    Observation,
    Plan,
    Severity,
    attempt_folder,
    hookimpl,
    read_exit,
    read_log,
    read_start,
    server_folder,
    write_run_dir,
)

from evalyard_example import processes
from evalyard_example.plans import plan_job
from evalyard_example.settings import ExecutionSettings
from evalyard_example.states import observation


class Executor:
    """Runs each task as a process of this machine. REPLACE."""

    api = 1
    runs_here = True  # REPLACE: False where jobs run elsewhere
    auxiliary_servers = True  # it starts further model servers, such as a judge
    Settings = ExecutionSettings

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
        """Say whether the backend can take these plans; optional. REPLACE: does it answer, may we submit?"""
        if (shell := shutil.which("sh")) is None:
            remedy = "add the folder of sh (usually /bin) to PATH"
            return [Finding(severity=Severity.ERROR, subject="shell", message="no sh on PATH", remedy=remedy)]
        return [Finding(severity=Severity.OK, subject="shell", message=shell)]

    @hookimpl
    def plan(self, settings: ExecutionSettings, job: Job) -> Plan:
        """Render one attempt."""
        return plan_job(settings, job)

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        """Write the run directory, or start a model server. REPLACE: upload the files, create the server."""
        if need.kind is NeedKind.FILES:
            write_run_dir(need, ctx.content)
            return Handle(name=need.name, mark=need.mark, kind=need.kind, data={"directory": need.directory})
        port = processes.settle_port(Path(need.directory), need.attempt, need.payload.get("port", 0))
        return processes.start(ctx, need, port)

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        """Start jobs; one that is refused fails alone."""
        answers: dict[str, Handle | LaunchError] = {}
        for plan in plans:
            try:
                answers[plan.name] = processes.start(ctx, plan)
            except EvalyardError as error:
                answers[plan.name] = LaunchError(message=error.message, transient=error.transient)
        return answers

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        """Look for what carries these marks."""
        return processes.find(Path(ctx.run_dir), names)

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        """Ask once for all; what nobody knows is left out."""
        words, seen = processes.words(handles), dict[str, Observation]()
        for handle in handles:
            started = read_start(*processes.place(handle))
            if started is not None and started.mark == handle.mark:
                ended = read_exit(*processes.place(handle))
                seen[handle.name] = observation(words.get(handle.name, ""), started, ended)
        return seen

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read on in the log of the harness, or of a model server beside it."""
        ended = not processes.words([handle])  # before the file is read, or its end could be missed
        directory, attempt = processes.place(handle)
        if role != "client" and handle.kind == "job":
            path = directory.parent / server_folder("" if role == "server" else role) / "logs" / "server.log"
        else:
            file = "server.log" if handle.kind == NeedKind.SERVER else "stdout.log"
            path = attempt_folder(directory, attempt) / "logs" / file
        return read_log(path, cursor, limit, writer_ended=ended)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """End jobs; what has ended keeps its true result."""
        return processes.end(handles, ctx.deadline)

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """End what still lives of jobs and needs. Without data a handle stands for a request that nobody answered."""
        unheard = {handle.name: handle.mark for handle in handles if not handle.data}
        for mark in unheard.values():
            processes.revoke(Path(ctx.run_dir), mark)
        begun = processes.find(Path(ctx.run_dir), unheard).values()
        return processes.end([*begun, *(handle for handle in handles if handle.data)], ctx.deadline)

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
        """Find what is in no record; optional, for `evalyard gc`."""
        return processes.orphans(ctx, known)
