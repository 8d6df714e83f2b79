"""A small executor of real processes, made of public names alone, and what becomes of it when it trusts its notes.

Found by metadata that the tests write, so that fresh processes can load it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from attrs import frozen

from evalyard import (
    BackendError,
    ConfigError,
    Connection,
    Context,
    Handle,
    Job,
    JobState,
    LaunchError,
    LogChunk,
    Need,
    NeedKind,
    Observation,
    Plan,
    PlannedFile,
    Transient,
    attempt_folder,
    hookimpl,
    job_script,
    read_exit,
    read_log,
    read_start,
    write_run_dir,
)

_children: list[subprocess.Popen[bytes]] = []
"""What this process started: to be reaped when it has ended."""


@frozen(kw_only=True)
class ProcessSettings:
    """Where run directories are."""

    output_dir: str

    def connection(self) -> Connection:
        """Here."""
        return Connection(executor="processes")


class Processes:
    """Starts each job's script as a process of this machine."""

    api = 1
    Settings = ProcessSettings

    @hookimpl
    def plan(self, settings: ProcessSettings, job: Job) -> Plan:
        if job.server is not None:
            raise ConfigError(["deployment: processes start no model server"], hint="give the endpoint of one")
        script = PlannedFile(path=f"{job.folder}/run.sh", text=job_script(job), mode=0o755)
        files = (script, *job.files, *job.harness.files)
        return Plan(
            job=job.id,
            task=job.task.name,
            attempt=job.attempt,
            name=job.name,
            mark=job.mark,
            directory=job.directory,
            argv=("sh", "run.sh"),
            needs=(Need(key="files", kind=NeedKind.FILES, directory=job.run_dir, files=files),),
            results=job.harness.results,
        )

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        write_run_dir(need, ctx.content)
        return Handle(name=need.name, mark=need.mark, kind=need.kind, data={"directory": need.directory})

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        answers: dict[str, Handle | LaunchError] = {}
        for plan in plans:
            try:
                answers[plan.name] = self.launch_one(ctx, plan)
            except OSError as error:
                answers[plan.name] = LaunchError(message=str(error))
        return answers

    def launch_one(self, ctx: Context, plan: Plan) -> Handle:
        """Start a script; the script itself sees to it that an attempt is taken once."""
        marks = {"EVALYARD_LAUNCH": plan.mark, "EVALYARD_ATTEMPT": str(plan.attempt)}
        process = subprocess.Popen(
            plan.argv,
            cwd=plan.directory,
            env={**os.environ, **plan.environment, **marks},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _children.append(process)
        while read_start(Path(plan.directory), plan.attempt) is None:
            if process.poll() is not None or ctx.remaining_s == 0:
                raise Transient("the script has not begun")
            time.sleep(0.01)
        return handle_of(plan.name, plan.mark, Path(plan.directory), plan.attempt)

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        found = {}
        for name, mark in names.items():
            attempt = int(name.rpartition("-")[2])
            for folder in Path(ctx.run_dir).glob("*/attempts"):
                started = read_start(folder.parent, attempt)
                if started is not None and started.mark == mark:
                    found[name] = handle_of(name, mark, folder.parent, attempt)
        return found

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        seen = {}
        for handle in (handle for handle in handles if handle.kind == "job"):
            process = leader(handle)
            ended = read_exit(Path(handle.data["directory"]), int(handle.data["attempt"]))
            if ended is not None and ended.mark == handle.mark:
                done = ended.exit_code == 0 and ended.results
                seen[handle.name] = Observation(state=JobState.SUCCEEDED if done else JobState.FAILED, exit=ended)
            elif process is not None:
                seen[handle.name] = Observation(state=JobState.RUNNING)
            elif Path(handle.data["directory"]).exists():
                started = read_start(Path(handle.data["directory"]), int(handle.data["attempt"]))
                if started is not None and started.mark == handle.mark:
                    seen[handle.name] = Observation(state=JobState.FAILED, reason="the script was killed")
        return seen

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        ended = leader(handle) is None
        if role != "client":
            return LogChunk(ended=True)
        folder = attempt_folder(Path(handle.data["directory"]), int(handle.data["attempt"]))
        return read_log(folder / "logs" / "stdout.log", cursor, limit, writer_ended=ended)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        for handle in handles:
            process = leader(handle)
            if process is not None:
                process.terminate()
        return ()

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        jobs = [handle for handle in handles if handle.kind == "job"]
        found = self.find(ctx, {handle.name: handle.mark for handle in jobs if not handle.data})
        for handle in (found.get(handle.name, handle) for handle in jobs if handle.data or handle.name in found):
            process = leader(handle)
            if process is not None:
                os.killpg(process.pid, signal.SIGKILL)
        return ()


class TrustsItsNotes(Processes):
    """Notes that a job is launched, launches it, and believes the note ever after."""

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        answers: dict[str, Handle | LaunchError] = {}
        for plan in plans:
            note = Path(plan.directory) / "launched"
            if note.exists():
                answers[plan.name] = handle_of(plan.name, plan.mark, Path(plan.directory), plan.attempt)
                continue
            note.touch()
            handle = self.launch_one(ctx, plan)
            answers[plan.name] = handle
        return answers


class AsksOnce(Processes):
    """Notes that a job was asked to end, asks it, and never asks again."""

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        for handle in handles:
            note = Path(handle.data["directory"]) / "asked"
            if not note.exists():
                note.touch()
                super().cancel(ctx, [handle])
        return ()


class MakesItsFolderOnce(Processes):
    """What is there already cannot be made: half of a run directory stays half."""

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        if Path(need.directory).exists():
            raise BackendError(f"{need.directory} exists")
        Path(need.directory).mkdir(parents=True)
        return super().provision(ctx, need)


def handle_of(name: str, mark: str, directory: Path, attempt: int) -> Handle:
    """Return the handle of an attempt."""
    return Handle(name=name, mark=mark, id=name, data={"directory": str(directory), "attempt": str(attempt)})


def leader(handle: Handle) -> psutil.Process | None:
    """Return the living process of an attempt."""
    for child in _children:
        child.poll()
    started = read_start(Path(handle.data["directory"]), int(handle.data["attempt"]))
    if started is None or started.mark != handle.mark:
        return None
    try:
        process = psutil.Process(started.pid)
        ours = process.environ().get("EVALYARD_LAUNCH") == handle.mark
    except psutil.Error:
        return None
    return process if ours and process.status() != psutil.STATUS_ZOMBIE else None
