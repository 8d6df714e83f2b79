"""Host processes: started in a session of their own, recognised by their mark, ended by signal.

A process is ours when it is alive (a zombie is not), leads the attempt that `started.json` names, and carries the
attempt's mark in its environment. A process id alone proves nothing: ids are reused, and a reboot reuses them all.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import psutil
from attrs import frozen

from evalyard import InvalidJob, StartRecord, Transient, read_exit, read_start

MARK_VARIABLE = "EVALYARD_LAUNCH"
ATTEMPT_VARIABLE = "EVALYARD_ATTEMPT"
NAME_VARIABLE = "EVALYARD_NAME"
OWNER_VARIABLE = "EVALYARD_OWNER"
NEVER_WITHHELD = frozenset({"PATH", "HOME"})
"""What a shell cannot do without, though somebody may pass it on as `host:PATH`."""
START_PATIENCE_S = 20.0
"""How long a script may take to say that it has its attempt: far longer than any healthy machine needs."""
_CLOCK_SLACK_S = 5.0
_POLL_S = 0.005

_children: list[subprocess.Popen[bytes]] = []
"""What this process started itself: to be reaped, so that no zombie looks like a process."""


@frozen(kw_only=True)
class Attempt:
    """What identifies a process of ours: the directory it works in, which attempt it is, and its mark."""

    directory: Path
    number: int
    mark: str


def start(
    attempt: Attempt,
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    withheld: Sequence[str] = (),
    deadline: float = math.inf,
) -> StartRecord:
    """Start a script and wait until it, or whoever was faster, has taken the attempt.

    Args:
        environment: what it gets beside our own environment.
        withheld: variables of our own environment that it does not get: secrets, which it reads from its own file.
        deadline: until when to wait, on the clock of `time.monotonic()`.

    Raises:
        InvalidJob: the script ended without taking it; the message is what it said.
        Transient: it did not say anything in time, or there was none left to start it.
    """
    if time.monotonic() >= deadline:
        raise Transient(f"no time was left to start the job script in {attempt.directory}")
    process = _spawn(attempt, argv, environment, withheld)
    _children.append(process)
    try:
        record = _await_start(attempt, process, deadline)
    except KeyboardInterrupt:
        # It has not said that it has the attempt, so whoever undoes this could not find it: it must not begin later.
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGTERM)
        raise
    finally:
        if process.stderr is not None:
            process.stderr.close()
    if record.mark != attempt.mark:
        whose = "by hand" if record.by_hand else "under another mark"
        raise InvalidJob(f"attempt {attempt.number} in {attempt.directory} was made {whose}")
    return record


def _spawn(
    attempt: Attempt, argv: Sequence[str], environment: Mapping[str, str], withheld: Sequence[str]
) -> subprocess.Popen[bytes]:
    kept_back = set(withheld) - NEVER_WITHHELD
    inherited = {name: value for name, value in os.environ.items() if name not in kept_back}
    variables = {**inherited, **environment} | {MARK_VARIABLE: attempt.mark, ATTEMPT_VARIABLE: str(attempt.number)}
    try:
        return subprocess.Popen(
            argv,
            cwd=attempt.directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise InvalidJob(f"cannot start {' '.join(argv)} in {attempt.directory}: {error.strerror}") from error


def _await_start(attempt: Attempt, process: subprocess.Popen[bytes], deadline: float) -> StartRecord:
    began = time.monotonic()
    patience_s = max(0.0, min(START_PATIENCE_S, deadline - began))
    while (record := read_start(attempt.directory, attempt.number)) is None:
        if process.poll() is not None and read_start(attempt.directory, attempt.number) is None:
            said = _said(process)
            raise InvalidJob(f"the job script ended before it began: {said or f'exit code {process.returncode}'}")
        if time.monotonic() > began + patience_s:
            raise Transient(f"the job script in {attempt.directory} did not begin within {patience_s:.0f} s")
        time.sleep(_POLL_S)
    return record


def leader(attempt: Attempt) -> psutil.Process | None:
    """Return the living process that leads an attempt, or None."""
    _reap()
    record = read_start(attempt.directory, attempt.number)
    if record is None or record.mark != attempt.mark or record.elsewhere:
        return None
    try:
        process = psutil.Process(record.pid)
        return process if _alive(process) and _is_ours(process, attempt.mark, record.started_at) else None
    except psutil.Error:
        return None


def leaders_of(owner: str) -> dict[str, Attempt]:
    """Return every attempt of a launcher that a living process leads on this machine, by backend name."""
    found: dict[str, Attempt] = {}
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) != process.pid or not _alive(process):
                continue
            environment = process.environ()
            if environment.get(OWNER_VARIABLE) != owner or MARK_VARIABLE not in environment:
                continue
            attempt = Attempt(
                directory=Path(process.cwd()),
                number=int(environment[ATTEMPT_VARIABLE]),
                mark=environment[MARK_VARIABLE],
            )
            found[environment[NAME_VARIABLE]] = attempt
        except (psutil.Error, OSError, KeyError, ValueError):
            continue  # ended meanwhile, somebody else's, or none of ours
    return found


def members(attempts: Mapping[str, Attempt]) -> dict[str, list[psutil.Process]]:
    """Return every living process of these attempts, leaders or not: all of the session that carry the mark.

    One look at the machine's processes, however many attempts are asked for; names without any are left out.
    """
    _reap()
    sessions: dict[int, tuple[str, StartRecord]] = {}
    for name, attempt in attempts.items():
        record = read_start(attempt.directory, attempt.number)
        if record is not None and record.mark == attempt.mark and not record.elsewhere:
            sessions[record.pid] = (name, record)
    found: dict[str, list[psutil.Process]] = {}
    for pid in psutil.pids() if sessions else ():
        try:
            # The cheapest question first: nearly all processes of a machine are somebody else's.
            session = os.getsid(pid)
            if session not in sessions or not _alive(process := psutil.Process(pid)):
                continue
            name, record = sessions[session]
            # The time at which an attempt started tells something about its leader only.
            if _is_ours(process, record.mark, record.started_at if process.pid == session else ""):
                found.setdefault(name, []).append(process)
        except (psutil.Error, OSError):
            continue
    return found


def end(attempts: Mapping[str, Attempt], graces_s: Mapping[str, float], deadline: float) -> set[str]:
    """End attempts side by side: SIGTERM to each leader, SIGKILL to what is left when its grace is over.

    The leader ends its own; what it leaves behind then gets no time of its own. Without a leader all get SIGTERM.

    Args:
        graces_s: name -> seconds between the two.
        deadline: on the clock of `time.monotonic()`; graces are cut short to meet it.

    Returns:
        The names of which something still lives.
    """
    elsewhere = {name for name, attempt in attempts.items() if _unended_elsewhere(attempt)}
    attempts = {name: attempt for name, attempt in attempts.items() if name not in elsewhere}
    asked_at = time.monotonic()
    living = members(attempts)
    waiting = {name: attempts[name] for name in living}
    leaders = {name: leader(attempt) for name, attempt in waiting.items()}
    for name, process in leaders.items():
        _signal([process] if process else living[name], signal.SIGTERM)
    while waiting:
        orphans = members({name: attempt for name, attempt in waiting.items() if leaders[name] is None})
        over = [
            name
            for name, attempt in waiting.items()
            if (name not in orphans and leader(attempt) is None)
            or time.monotonic() > min(asked_at + graces_s[name], deadline - 1.0)
        ]
        for processes in members({name: waiting.pop(name) for name in over}).values():
            _signal(processes, signal.SIGKILL)
        if waiting:
            time.sleep(_POLL_S * 4)
    left = members(attempts)
    give_up = max(deadline, time.monotonic() + 1.0)
    while left and time.monotonic() < give_up:
        time.sleep(_POLL_S * 4)
        left = members({name: attempts[name] for name in left})
    return elsewhere | set(left)


def _unended_elsewhere(attempt: Attempt) -> bool:
    """Whether an attempt may be alive where we can neither see nor signal it."""
    record = read_start(attempt.directory, attempt.number)
    return record is not None and bool(record.elsewhere) and read_exit(attempt.directory, attempt.number) is None


def restarted_since(record: StartRecord) -> bool:
    """Whether this machine was booted after an attempt began, where only the clock can tell."""
    moment = _seconds(record.started_at)
    return not record.boot and moment is not None and psutil.boot_time() > moment + _CLOCK_SLACK_S


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def _is_ours(process: psutil.Process, mark: str, started_at: str) -> bool:
    environment = _environment(process)
    if environment:
        return environment.get(MARK_VARIABLE) == mark
    # Some systems hide the environment of some programs: then the time at which the process was made must fit.
    moment = _seconds(started_at)
    return moment is not None and abs(process.create_time() - moment) < _CLOCK_SLACK_S


def _environment(process: psutil.Process) -> dict[str, str]:
    """Return a process's environment; empty where the system hides it."""
    with contextlib.suppress(psutil.AccessDenied):
        for _ in range(3):
            environment = process.environ()
            if environment:
                return environment
            time.sleep(_POLL_S)  # it may be in the midst of becoming another program
    return {}


def _seconds(moment: str) -> float | None:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None


def _said(process: subprocess.Popen[bytes]) -> str:
    if process.stderr is None:
        return ""
    with process.stderr as stream:
        return stream.read().decode(errors="replace").strip()


def _reap() -> None:
    for process in list(_children):
        if process.poll() is not None:
            _children.remove(process)
