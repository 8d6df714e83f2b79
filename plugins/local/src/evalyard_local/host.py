"""Jobs and servers as host processes: between core's records and the processes themselves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from evalyard import (
    SERVER_FOLDER,
    BackendError,
    EvalyardError,
    ExitRecord,
    Handle,
    InvalidJob,
    JobState,
    LaunchError,
    LogChunk,
    Need,
    NeedKind,
    Observation,
    Plan,
    attempt_folder,
    attempts_in,
    read_exit,
    read_log,
    read_start,
)
from evalyard_local import processes
from evalyard_local.plans import HOST
from evalyard_local.ports import free_port
from evalyard_local.processes import Attempt

KILLED = "the job script was killed before it could record how it ended"
RESTARTED = "this machine was restarted while it ran"


def start_job(plan: Plan) -> Handle | LaunchError:
    """Start one job's script, or adopt the one that runs already."""
    attempt = Attempt(directory=Path(plan.directory), number=plan.attempt, mark=plan.mark)
    try:
        record = processes.start(attempt, plan.argv, plan.environment)
    except EvalyardError as error:
        return LaunchError(message=error.message, transient=error.transient)
    return _handle(plan.name, attempt, record.pid, grace_s=plan.grace_s)


def start_server(need: Need) -> Handle:
    """Start the model server, or adopt the one that runs already.

    Raises:
        InvalidJob: its script could not begin.
    """
    directory = Path(need.directory)
    attempt = Attempt(directory=directory, number=need.attempt, mark=need.mark)
    port = _settled_port(attempt, int(need.payload["port"]))
    record = processes.start(attempt, need.argv, {**need.environment, "PORT": str(port)})
    return _server_handle(need.name, attempt, record.pid, grace_s=float(need.payload["grace_s"]))


def find(run_dir: Path, names: Mapping[str, str]) -> dict[str, Handle]:
    """Return the handles of attempts below a run directory that carry these marks."""
    wanted = {mark: name for name, mark in names.items()}
    found: dict[str, Handle] = {}
    for attempts in run_dir.glob("*/attempts"):
        for number in attempts_in(attempts.parent):
            record = read_start(attempts.parent, number)
            if record is None or record.mark not in wanted:
                continue
            name = wanted[record.mark]
            attempt = Attempt(directory=attempts.parent, number=number, mark=record.mark)
            make = _server_handle if _port_file(attempt).exists() else _handle
            found[name] = make(name, attempt, record.pid)
    return found


def observe(handle: Handle) -> Observation | None:
    """Say where an attempt stands, or None when nothing of it is to be found."""
    if handle.kind == NeedKind.FILES:
        there = Path(handle.data["directory"]).is_dir()
        return Observation(state=JobState.RUNNING) if there else None
    attempt = _attempt(handle)
    # Looked at before the exit file: one that ends in between would look killed.
    alive = processes.leader(attempt) is not None
    ended = read_exit(attempt.directory, attempt.number)
    if ended is not None and ended.mark == attempt.mark:
        return Observation(state=_state(ended), reason=ended.reason, exit=ended)
    started = read_start(attempt.directory, attempt.number)
    if started is None or started.mark != attempt.mark:
        return None
    if alive:
        return Observation(state=JobState.RUNNING, progress=_progress(attempt), started_at=started.started_at)
    if processes.restarted_since(started.started_at):
        return Observation(state=JobState.LOST, reason=RESTARTED)
    return Observation(state=JobState.FAILED, reason=KILLED)


def read_logs(handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
    """Read on in the log of a job, or of the server beside it."""
    attempt = _attempt(handle)
    alive = processes.leader(attempt) is not None
    if role == "server" and handle.kind == "job":
        folder = attempt.directory.parent / SERVER_FOLDER
        return read_log(folder / "logs" / "server.log", cursor, limit, writer_ended=not alive)
    file = "server.log" if handle.kind == NeedKind.SERVER else "stdout.log"
    path = attempt_folder(attempt.directory, attempt.number) / "logs" / file
    return read_log(path, cursor, limit, writer_ended=not alive)


def end(handles: Sequence[Handle], deadline: float) -> tuple[Handle, ...]:
    """End whatever of these still lives, side by side; return those that could not be ended."""
    processes_of = [handle for handle in handles if handle.kind != NeedKind.FILES]
    left = processes.end(
        {handle.name: _attempt(handle) for handle in processes_of},
        {handle.name: float(handle.data["grace_s"]) for handle in processes_of},
        deadline,
    )
    return tuple(handle for handle in handles if handle.name in left)


def _handle(
    name: str,
    attempt: Attempt,
    pid: int,
    *,
    grace_s: float = 10.0,
    kind: str = "job",
    outputs: Mapping[str, str] | None = None,
) -> Handle:
    return Handle(
        name=name,
        mark=attempt.mark,
        kind=kind,
        id=str(pid),
        outputs=outputs or {},
        data={"directory": str(attempt.directory), "attempt": str(attempt.number), "grace_s": str(grace_s)},
    )


def _server_handle(name: str, attempt: Attempt, pid: int, *, grace_s: float = 10.0) -> Handle:
    outputs = {
        "base_url": f"http://{HOST}:{_port_file(attempt).read_text(encoding='utf-8')}",
        "exit_file": str(attempt.directory / "attempts" / str(attempt.number) / "exit.json"),
    }
    return _handle(name, attempt, pid, grace_s=grace_s, kind=NeedKind.SERVER, outputs=outputs)


def _attempt(handle: Handle) -> Attempt:
    return Attempt(directory=Path(handle.data["directory"]), number=int(handle.data["attempt"]), mark=handle.mark)


def _state(record: ExitRecord) -> JobState:
    return JobState.SUCCEEDED if record.exit_code == 0 and record.results else JobState.FAILED


def _progress(attempt: Attempt) -> str:
    try:
        text = (attempt.directory / "artifacts" / "progress").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if len(text) < 40 else ""


def _port_file(attempt: Attempt) -> Path:
    return attempt.directory / "attempts" / str(attempt.number) / "port"


def _settled_port(attempt: Attempt, wanted: int) -> int:
    """Return the port of this attempt: settled once, in a file, so that an adopted server has the same one."""
    file = _port_file(attempt)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            draft = file.with_name(f".port.{os.getpid()}")
            draft.write_text(str(wanted or free_port(HOST)), encoding="utf-8")
            # A link, not a rename: it never replaces the port that somebody else settled in the meantime.
            with contextlib.suppress(FileExistsError):
                file.hardlink_to(draft)
            draft.unlink()
        return int(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BackendError(f"cannot write {error.filename or file}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidJob(f"{file} does not hold a port; remove it") from error
