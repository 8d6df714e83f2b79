"""All that touches the backend: here, processes of this machine. REPLACE this module; the others only decide.

A process is ours if it carries the mark of an attempt in its environment, which Linux shows of every program of ours. A
process id alone proves nothing: ids are reused.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
from evalyard import (
    REVOKED_FOLDER,
    Context,
    Handle,
    InvalidJob,
    Need,
    NeedKind,
    Plan,
    Transient,
    attempts_in,
    read_exit,
    read_start,
)

from evalyard_example.plans import HOST

GRACE_S = 10.0
"""How long a script may take to end by itself."""
KILLING_S = 2.0
"""How long SIGKILL may take until a process is gone."""
POLL_S = 0.05
MARK, ATTEMPT = "EVALYARD_LAUNCH", "EVALYARD_ATTEMPT"
"""The job script takes its attempt under these; two that start at once are one."""
NAME, OWNER, DIRECTORY = "EVALYARD_NAME", "EVALYARD_OWNER", "EVALYARD_DIRECTORY"
"""What makes a process known again when nobody has a record of it."""


def handle_of(name: str, mark: str, directory: Path, attempt: int) -> Handle:
    """Return the handle of an attempt: equal whoever makes it, however often."""
    record = read_start(directory, attempt)
    folder = directory / "attempts" / str(attempt)
    data = {"directory": str(directory), "attempt": str(attempt)}
    pid = str(record.pid) if record else ""
    if not (folder / "port").exists():
        return Handle(name=name, mark=mark, id=pid, data=data)
    base_url = f"http://{HOST}:{(folder / 'port').read_text()}"
    outputs = {"base_url": base_url, "exit_file": str(folder / "exit.json")}
    return Handle(name=name, mark=mark, kind=NeedKind.SERVER, id=pid, data=data, outputs=outputs)


def place(handle: Handle) -> tuple[Path, int]:
    """Return the directory and the number of a handle's attempt. What is on record may be older than this version."""
    return Path(handle.data.get("directory", "/")), int(handle.data.get("attempt", 1))


def settle_port(directory: Path, attempt: int, wanted: int) -> str:
    """Choose the port of a server once: whoever makes it again, after a crash, gets the same one."""
    file = directory / "attempts" / str(attempt) / "port"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        draft = file.with_name(f".port.{os.getpid()}")
        draft.write_text(str(wanted or free_port()))
        # A link, not a rename: it never replaces what somebody else settled in the meantime.
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(draft)
        draft.unlink()
    return file.read_text()


def free_port() -> int:
    """Return a port that nobody listens on now. Somebody may take it before it is used: then the server says so."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def start(ctx: Context, planned: Plan | Need, port: str = "") -> Handle:
    """Start a script, or adopt the one that has the attempt already.

    Raises:
        InvalidJob: it cannot begin; in its own words.
        Transient: whether it has begun is not known.
    """
    directory, attempt = Path(planned.directory), planned.attempt
    # Secrets of ours that the run reads are not inherited: the script has a file with those that it is to have.
    withheld = {*planned.payload.get("withheld", ())} - {"PATH", "HOME"}
    environment = {key: value for key, value in os.environ.items() if key not in withheld}
    environment |= {**planned.environment, MARK: planned.mark, ATTEMPT: str(attempt)}
    environment |= {NAME: planned.name, OWNER: owned_by(ctx), DIRECTORY: planned.directory}
    if port:
        environment["PORT"] = port
    try:
        # The shell leaves at once, so that the script is nobody's child. Its stderr ends when the script has the
        # attempt and writes to its log, or has failed to.
        done = subprocess.run(
            ["sh", "-c", '"$@" &', "sh", *planned.argv],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            timeout=ctx.remaining_s,
            check=False,
        )
    except OSError as error:
        raise InvalidJob(f"cannot start {' '.join(planned.argv)} in {directory}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Transient(f"the script in {directory} has not said in time that it began") from error
    said = done.stderr.decode(errors="replace").strip()
    record = read_start(directory, attempt)
    if record is None and (done.returncode or not said):
        raise Transient(f"the script in {directory} could not be started: {said or 'nothing was said'}")
    if record is None or record.mark != planned.mark:
        raise InvalidJob(said or f"attempt {attempt} in {directory} is somebody else's")
    return handle_of(planned.name, planned.mark, directory, attempt)


def find(run_dir: Path, names: Mapping[str, str]) -> dict[str, Handle]:
    """Return the attempts, ended or not, that carry one of these marks (name -> mark)."""
    wanted = {mark: name for name, mark in names.items()}
    found: dict[str, Handle] = {}
    for folder in (attempts.parent for attempts in run_dir.glob("*/attempts")):
        for number in attempts_in(folder):
            record = read_start(folder, number)
            if record is not None and record.mark in wanted:
                name = wanted[record.mark]
                found[name] = handle_of(name, record.mark, folder, number)
    return found


def revoke(run_dir: Path, mark: str) -> None:
    """Keep a script of this mark that has not begun yet from ever beginning: it looks for this file."""
    with contextlib.suppress(FileNotFoundError):  # no run directory, no script
        (run_dir / REVOKED_FOLDER).mkdir(exist_ok=True)
        (run_dir / REVOKED_FOLDER / mark).touch()


def ours() -> Iterator[tuple[psutil.Process, Mapping[str, str]]]:
    """Yield the living processes of any launcher, each with its environment: one look at the process table."""
    for process in psutil.process_iter(["environ", "status"]):
        environment = process.info["environ"] or {}
        if MARK in environment and process.info["status"] != psutil.STATUS_ZOMBIE:
            yield process, environment


def words(handles: Sequence[Handle]) -> dict[str, str]:
    """Return what the system calls the script of each attempt; what has none is left out. REPLACE: ask once for all."""
    found: dict[str, str] = {}
    for handle in handles:
        with contextlib.suppress(psutil.Error):  # gone, or somebody else's under an id that was reused
            process = psutil.Process(int(handle.id or 0))
            if process.environ().get(MARK) == handle.mark:
                found[handle.name] = process.status()
    return found


def end(handles: Sequence[Handle], deadline: float) -> list[Handle]:
    """End what lives of these, side by side; return those of which something still lives.

    SIGTERM to the script, which passes it on and records the end; SIGKILL to all that carries the mark once the script
    is gone or the grace is over.
    """
    marks, scripts = {handle.mark for handle in handles}, {handle.id for handle in handles}
    unseen = {handle.mark for handle in handles if runs_elsewhere(handle)}
    asked: set[int] = set()
    give_up = min(deadline, time.monotonic() + GRACE_S + KILLING_S)

    def members() -> list[tuple[psutil.Process, str]]:
        return [(process, environment[MARK]) for process, environment in ours() if environment[MARK] in marks]

    while (living := members()) and time.monotonic() < give_up:
        led = {mark for process, mark in living if str(process.pid) in scripts}
        for process, mark in living:
            with contextlib.suppress(psutil.Error):
                if mark not in led or time.monotonic() > give_up - KILLING_S:
                    process.kill()
                elif str(process.pid) in scripts and process.pid not in asked:
                    asked.add(process.pid)
                    process.terminate()
        time.sleep(POLL_S)
    left = unseen | {mark for _, mark in living}
    return [handle for handle in handles if handle.mark in left]


def runs_elsewhere(handle: Handle) -> bool:
    """Whether an attempt may live where we can neither see nor signal it, on a machine that shares our disk."""
    record = read_start(*place(handle))
    return record is not None and bool(record.elsewhere) and read_exit(*place(handle)) is None


def owned_by(ctx: Context) -> str:
    """Return what tells the processes of this launcher and this executor from those of others."""
    return f"{ctx.connection.executor} {ctx.owner}"


def orphans(ctx: Context, known: Mapping[str, str]) -> list[Handle]:
    """Return what lives of a launcher and is not known (name -> mark)."""
    found: dict[str, Handle] = {}
    for _, environment in ours():
        name, mark = environment.get(NAME, ""), environment[MARK]
        if environment.get(OWNER) == owned_by(ctx) and mark not in known.values():
            found[name] = handle_of(name, mark, Path(environment[DIRECTORY]), int(environment[ATTEMPT]))
    return list(found.values())
