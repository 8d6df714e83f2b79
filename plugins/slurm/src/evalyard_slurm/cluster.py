"""What is done at a cluster: between core's records and the commands on its login node."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import define, field

from evalyard import (
    BackendError,
    Context,
    Handle,
    LaunchError,
    LogChunk,
    Need,
    Observation,
    Plan,
    Transient,
    cut_log,
)
from evalyard_slurm.remote import ask
from evalyard_slurm.scheduler import parse_status, passes, plain, rows_of, table
from evalyard_slurm.states import observe

GONE_WITHIN_S = 90.0
"""How long `teardown` waits for jobs to be gone: longer than most clusters take to kill one."""
SMALLEST_PIECE = 1 << 16
"""Bytes of a log that are read at least: more than a line has."""
QUIET_S = 10.0
"""How often Slurm is asked whether a job that has not written its end still runs, while its log is followed."""


def write(ctx: Context, need: Need) -> None:
    """Write the files of a need below its directory; what is there already is replaced.

    Raises:
        BackendError: they cannot be written, or something that jobs mount is not there.
        SecretError: a secret has no value; nothing is written.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in need.files:
            content = ctx.content(file).encode("utf-8", "surrogateescape")
            entry = tarfile.TarInfo(file.path)
            entry.size, entry.mode, entry.mtime = len(content), file.mode, int(time.time())
            archive.addfile(entry, io.BytesIO(content))
    sources = [str(source) for source in need.payload.get("mounts", ())]
    rows = rows_of(ask(ctx, "unpack", [need.directory, *sources], stream.getvalue()))
    refused = [row[1] for row in rows if row[0] == "refused"]
    if refused:
        raise BackendError(
            f"cannot write {need.directory} on the cluster: {plain(refused[0])}",
            hint="set execution.output_dir to another folder",
        )
    missing = [row[1] for row in rows if row[0] == "missing"]
    if missing:
        raise BackendError(
            f"not on the cluster: {', '.join(missing)}", hint="mounts and model folders have to be there before a run"
        )


def submit(ctx: Context, plans: Sequence[Plan]) -> dict[str, Handle | LaunchError]:
    """Submit jobs, or adopt those that are submitted already.

    Raises:
        Transient: whether they were taken is not known.
    """
    lines = [(plan.name, plan.mark, str(plan.attempt), plan.directory, plan.payload["job_name"]) for plan in plans]
    asked = {plan.name: plan for plan in plans}
    answers: dict[str, Handle | LaunchError] = {}
    for row in rows_of(ask(ctx, "submit", [ctx.run_dir, ctx.owner], table(lines))):
        match row:
            case ("job", name, number) if name in asked:
                plan = asked[name]
                answers[name] = _handle(name, plan.mark, number, str(plan.attempt), plan.directory)
            case ("refused", name, said):
                answers[name] = LaunchError(message=plain(said) or "sbatch gave no reason", transient=passes(said))
            case ("unclear", name, said):
                answers[name] = LaunchError(message=plain(said), transient=True)
    return answers


def find(ctx: Context, names: Mapping[str, str]) -> dict[str, Handle]:
    """Return the handles of jobs that were submitted with these marks.

    Raises:
        Transient: that cannot be said now.
    """
    wanted = {mark: name for name, mark in names.items()}
    rows = rows_of(ask(ctx, "find", [ctx.run_dir], table((mark,) for mark in wanted)))
    return {
        wanted[row[1]]: _handle(wanted[row[1]], *row[1:])
        for row in rows
        if len(row) == 5 and row[0] == "job" and row[1] in wanted
    }


def status(ctx: Context, handles: Sequence[Handle]) -> dict[str, Observation]:
    """Say where jobs stand, with one command for all.

    Raises:
        Transient: the cluster did not answer.
    """
    jobs = [handle for handle in handles if handle.kind == "job"]
    if not jobs:
        return {}
    lines = [(handle.name, handle.id, handle.data["attempt"], handle.data["directory"]) for handle in jobs]
    answer = parse_status(ask(ctx, "status", (), table(lines)))
    seen = {handle.name: observe(handle, answer) for handle in jobs}
    return {name: observation for name, observation in seen.items() if observation is not None}


def end(ctx: Context, handles: Sequence[Handle], *, wait: bool) -> tuple[Handle, ...]:
    """Ask jobs to end; return those that have not, as far as that was waited for.

    Raises:
        Transient: the cluster did not answer.
    """
    jobs = [handle for handle in handles if handle.kind == "job"]
    if not wait:
        jobs = [handle for handle in jobs if handle.id]
    if not jobs:
        return ()
    lines = [
        (handle.name, handle.mark, handle.id or "-", handle.data.get("attempt", "-"), handle.data.get("directory", "-"))
        for handle in jobs
    ]
    patience_s = int(min(GONE_WITHIN_S, ctx.remaining_s * 0.8)) if wait else 0
    rows = rows_of(ask(ctx, "end", [ctx.run_dir, str(patience_s)], table(lines)))
    left = {row[1] for row in rows if row[0] == "left"}
    return tuple(handle for handle in jobs if handle.id in left)


def orphans(ctx: Context, known: Mapping[str, str]) -> tuple[Handle, ...]:
    """Return what this launcher has in the queue and is not among `known` (name -> mark).

    Raises:
        Transient: the cluster did not answer.
    """
    marks = set(known.values())
    rows = rows_of(ask(ctx, "orphans", [ctx.owner]))
    return tuple(
        _handle(row[5], *row[1:5]) for row in rows if len(row) == 6 and row[0] == "job" and row[1] not in marks
    )


def fetch(ctx: Context, handle: Handle, dest: Path) -> tuple[str, ...]:
    """Bring a task's files into a folder; return their paths below it.

    Raises:
        Transient: the cluster did not answer, or the stream broke off.
        BackendError: the folder cannot be written.
    """
    if handle.kind != "job" or _is_here(handle, dest):
        return ()
    packed = ask(ctx, "pack", [handle.data["directory"]])
    if not packed:
        return ()
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(dest, filter="data")
            return tuple(member.name for member in archive.getmembers() if member.isfile())
    except tarfile.ReadError as error:
        raise Transient(f"what came of {handle.data['directory']} is no whole archive: {error}") from error
    except tarfile.FilterError as error:
        raise BackendError(f"{handle.data['directory']} holds what must not be unpacked here: {error}") from error
    except OSError as error:
        raise BackendError(f"cannot write {error.filename or dest}: {error.strerror}") from error


def _is_here(handle: Handle, dest: Path) -> bool:
    """Whether a folder of this machine is the task's own: a disk that the cluster shares with this machine, too."""
    if dest != Path(handle.data["directory"]):
        return False
    try:
        sent = (dest / "attempts" / handle.data["attempt"] / "submitting").read_text(encoding="utf-8")
    except OSError:
        return False
    return sent.startswith(handle.mark)


@define
class Logs:
    """Reads logs, and asks Slurm itself only now and then whether their job still runs."""

    _asked: dict[str, float] = field(factory=dict, init=False)

    def read(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read on in the log of a job, or of the server in it.

        Raises:
            Transient: the cluster did not answer.
        """
        if handle.kind != "job":
            return LogChunk(cursor=cursor, ended=True)
        now = time.monotonic()
        due = now - self._asked.setdefault(handle.name, now - QUIET_S) >= QUIET_S
        if due:
            self._asked[handle.name] = now
        size = max(limit, SMALLEST_PIECE)
        place = [handle.data["directory"], handle.data["attempt"], handle.id, role]
        # One byte more than is looked at tells whether there is more.
        given = ask(ctx, "tail", [*place, cursor or "0", str(size + 1), "ask" if due else ""])
        ended, newline, data = given.partition(b"\n")
        if not newline:
            raise Transient("the cluster's answer broke off")
        return cut_log(data[:size], cursor, limit, more=len(data) > size, writer_ended=ended == b"yes")


def _handle(name: str, mark: str, number: str, attempt: str, directory: str) -> Handle:
    return Handle(name=name, mark=mark, id=number, data={"directory": directory, "attempt": attempt})
