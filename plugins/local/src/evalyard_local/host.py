"""Jobs and servers as host processes: between core's records and the processes themselves.

A container has such a process as well: the script that made it and stays until it ends.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import evolve

from evalyard import (
    REVOKED_FOLDER,
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
    server_folder,
)
from evalyard_local import processes
from evalyard_local.docker.script import CONTAINER_VARIABLE, KEEP_VARIABLE, NETWORK_VARIABLE, SERVER_CONTAINER
from evalyard_local.plans import HOST
from evalyard_local.processes import NAME_VARIABLE, OWNER_VARIABLE, Attempt
from evalyard_local.settled import Settled, settle, settled

KILLED = "the job script was killed before it could record how it ended"
RESTARTED = "this machine was restarted while it ran"


def start_job(plan: Plan, owner: str, deadline: float = math.inf) -> Handle | LaunchError:
    """Start one job's script, or adopt the one that runs already.

    Args:
        owner: the launcher that it belongs to.
        deadline: until when to wait for it, on the clock of `time.monotonic()`.
    """
    attempt = Attempt(directory=Path(plan.directory), number=plan.attempt, mark=plan.mark)
    wish = Settled(
        grace_s=plan.grace_s,
        container=plan.environment.get(CONTAINER_VARIABLE, ""),
        keep=plan.payload.get("keep", ""),
        results=plan.payload.get("results", ""),
    )
    variables = {OWNER_VARIABLE: owner, NAME_VARIABLE: plan.name, **plan.environment}
    try:
        choices = settle(attempt, wish)
        if choices.container:
            variables[KEEP_VARIABLE] = choices.keep
        record = processes.start(
            attempt, plan.argv, variables, withheld=plan.payload.get("withheld", ()), deadline=deadline
        )
    except EvalyardError as error:
        return LaunchError(message=error.message, transient=error.transient)
    return _handle(plan.name, attempt, record, choices)


def start_server(need: Need, owner: str) -> Handle:
    """Start the model server, or adopt the one that runs already.

    Args:
        owner: the launcher that it belongs to.

    Raises:
        InvalidJob: its script could not begin.
        BackendError: its folder cannot be written.
    """
    attempt = Attempt(directory=Path(need.directory), number=need.attempt, mark=need.mark)
    base_url = str(need.payload.get("base_url", ""))
    contained = {"base_url": base_url, "container": need.name, "network": need.name} if base_url else {}
    wish = Settled(
        grace_s=float(need.payload["grace_s"]),
        port=int(need.payload["port"]),
        container=need.name if base_url else "",
        keep=str(need.payload.get("keep", "")),
        outputs=contained,
    )
    choices = settle(attempt, wish)
    variables = {OWNER_VARIABLE: owner, NAME_VARIABLE: need.name, **need.environment, "PORT": str(choices.port)}
    if choices.container:
        container = str(need.payload.get("container_variable", SERVER_CONTAINER))
        variables |= {container: choices.container, NETWORK_VARIABLE: choices.outputs["network"]}
    record = processes.start(attempt, need.argv, variables, withheld=need.payload.get("withheld", ()))
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


def orphans(owner: str, known: Mapping[str, str]) -> tuple[Handle, ...]:
    """Return what runs on this machine for a launcher and is not among `known` (name -> mark)."""
    marks, found = set(known.values()), []
    for name, attempt in processes.leaders_of(owner).items():
        record = read_start(attempt.directory, attempt.number)
        if attempt.mark not in marks and record is not None and record.mark == attempt.mark:
            # What no record knows is not kept to be looked at.
            found.append(_handle(name, attempt, record, evolve(settled(attempt) or Settled(), keep="")))
    return tuple(found)


def lives(handle: Handle) -> bool:
    """Whether the script of an attempt is at work on this machine."""
    return "directory" in handle.data and processes.leader(_attempt(handle)) is not None


def succeeded(handle: Handle) -> bool:
    """Whether an attempt has left an exit file that proves success."""
    if "directory" not in handle.data:
        return False
    attempt = _attempt(handle)
    record = read_exit(attempt.directory, attempt.number)
    return record is not None and record.mark == attempt.mark and _state(record) is JobState.SUCCEEDED


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


def read_logs(handle: Handle, role: str, cursor: str, limit: int, *, alive: bool) -> LogChunk:
    """Read on in the log of a job, or of a server beside it.

    Args:
        alive: whether more may come; found out before this call.
    """
    attempt = _attempt(handle)
    if role != "client" and handle.kind == "job":
        folder = attempt.directory.parent / server_folder("" if role == "server" else role)
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
        {handle.name: _attempt(handle) for handle in known if "directory" in handle.data},
        {handle.name: float(handle.data["grace_s"]) for handle in known if "directory" in handle.data},
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
        outputs = {"base_url": f"http://{HOST}:{choices.port}", "exit_file": str(exit_file), **choices.outputs}
    return Handle(
        name=name,
        mark=attempt.mark,
        kind="job" if choices.port is None else NeedKind.SERVER,
        id=str(record.pid),
        outputs=outputs,
        data={
            "directory": str(attempt.directory),
            "attempt": str(attempt.number),
            "grace_s": str(choices.grace_s),
            **{name: value for name in ("container", "keep", "results") if (value := getattr(choices, name))},
        },
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
