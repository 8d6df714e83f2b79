"""Jobs and servers as host processes: between core's records and the processes themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evalyard import (
    REVOKED_FOLDER,
    SERVER_FOLDER,
    BackendError,
    EvalyardError,
    ExitRecord,
    Handle,
    JobState,
    LaunchError,
    LogChunk,
    Need,
    NeedKind,
    Observation,
    Plan,
    StartRecord,
    attempt_folder,
    attempts_in,
    read_exit,
    read_log,
    read_start,
)
from evalyard_local import processes
from evalyard_local.plans import HOST
from evalyard_local.processes import Attempt
from evalyard_local.settled import Settled, settle, settled

KILLED = "the job script was killed before it could record how it ended"
RESTARTED = "this machine was restarted while it ran"


def start_job(plan: Plan) -> Handle | LaunchError:
    """Start one job's script, or adopt the one that runs already."""
    attempt = Attempt(directory=Path(plan.directory), number=plan.attempt, mark=plan.mark)
    try:
        choices = settle(attempt, grace_s=plan.grace_s)
        record = processes.start(attempt, plan.argv, plan.environment, withheld=plan.payload.get("withheld", ()))
    except EvalyardError as error:
        return LaunchError(message=error.message, transient=error.transient)
    return _handle(plan.name, attempt, record, choices)


def start_server(need: Need) -> Handle:
    """Start the model server, or adopt the one that runs already.

    Raises:
        InvalidJob: its script could not begin.
        BackendError: its folder cannot be written.
    """
    attempt = Attempt(directory=Path(need.directory), number=need.attempt, mark=need.mark)
    choices = settle(attempt, grace_s=float(need.payload["grace_s"]), port=int(need.payload["port"]))
    environment = {**need.environment, "PORT": str(choices.port)}
    record = processes.start(attempt, need.argv, environment, withheld=need.payload.get("withheld", ()))
    return _handle(need.name, attempt, record, choices)


def find(run_dir: Path, names: Mapping[str, str]) -> dict[str, Handle]:
    """Return the handles of attempts below a run directory that carry these marks."""
    wanted = {mark: name for name, mark in names.items()}
    found: dict[str, Handle] = {}
    for attempts in run_dir.glob("*/attempts"):
        for number in attempts_in(attempts.parent):
            record = read_start(attempts.parent, number)
            if record is None or record.mark not in wanted:
                continue
            attempt = Attempt(directory=attempts.parent, number=number, mark=record.mark)
            name = wanted[record.mark]
            found[name] = _handle(name, attempt, record, settled(attempt) or Settled())
    return found


def observe(handle: Handle) -> Observation | None:
    """Say where an attempt stands, or None when nothing of it is to be found."""
    if handle.kind == NeedKind.FILES:
        there = Path(handle.data["directory"]).is_dir()
        return Observation(state=JobState.RUNNING) if there else None
    if handle.kind == NeedKind.ENVIRONMENT:
        return Observation(state=JobState.RUNNING)
    attempt = _attempt(handle)
    # Looked at before the exit file: one that ends in between would look killed.
    alive = processes.leader(attempt) is not None
    ended = read_exit(attempt.directory, attempt.number)
    if ended is not None and ended.mark == attempt.mark:
        return Observation(state=_state(ended), reason=ended.reason, exit=ended)
    started = read_start(attempt.directory, attempt.number)
    if started is None or started.mark != attempt.mark:
        return None
    if started.elsewhere:
        reason = f"it runs {started.elsewhere}, out of sight from here: ask evalyard there"
        return Observation(state=JobState.UNKNOWN, reason=reason)
    if alive:
        return Observation(state=JobState.RUNNING, progress=_progress(attempt), started_at=started.started_at)
    if started.restarted or processes.restarted_since(started):
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


def end(handles: Sequence[Handle], deadline: float, run_dir: Path) -> tuple[Handle, ...]:
    """End whatever of these still lives, side by side; return those that could not be ended.

    Handles without data stand for scripts that were started and have not been heard of: those are revoked.
    """
    held = [handle for handle in handles if handle.kind in ("job", NeedKind.SERVER)]
    for handle in (handle for handle in held if not handle.data):
        revoke(run_dir, handle.mark)
    begun = find(run_dir, {handle.name: handle.mark for handle in held if not handle.data})
    known = [begun.get(handle.name, handle) for handle in held]
    left = processes.end(
        {handle.name: _attempt(handle) for handle in known if handle.data},
        {handle.name: float(handle.data["grace_s"]) for handle in known if handle.data},
        deadline,
    )
    return tuple(handle for handle in known if handle.name in left)


def revoke(run_dir: Path, mark: str) -> None:
    """Keep a script that has not taken its attempt yet from ever doing its work.

    The script looks for this file right after it took its attempt, and we look for that attempt right after we made
    the file: one of the two sees the other.

    Raises:
        BackendError: the run directory cannot be written.
    """
    if not run_dir.is_dir():
        return  # no script of this run is anywhere
    folder = run_dir / REVOKED_FOLDER
    try:
        folder.mkdir(exist_ok=True)
        (folder / mark).touch()
    except OSError as error:
        raise BackendError(f"cannot write {folder}: {error.strerror}") from error


def _handle(name: str, attempt: Attempt, record: StartRecord, choices: Settled) -> Handle:
    outputs = {}
    if choices.port is not None:
        exit_file = attempt.directory / "attempts" / str(attempt.number) / "exit.json"
        outputs = {"base_url": f"http://{HOST}:{choices.port}", "exit_file": str(exit_file)}
    return Handle(
        name=name,
        mark=attempt.mark,
        kind="job" if choices.port is None else NeedKind.SERVER,
        id=str(record.pid),
        outputs=outputs,
        data={"directory": str(attempt.directory), "attempt": str(attempt.number), "grace_s": str(choices.grace_s)},
    )


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
