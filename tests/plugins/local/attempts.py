"""Attempts at jobs and servers in directories of a test's own: real scripts, real processes, and their records."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
from attrs import define, field

from evalyard import Handle, Harness, Job, ResultFile, Server
from evalyard.harness.script import job_script
from evalyard.specs import EndpointSpec, TaskSpec
from evalyard_local import processes
from evalyard_local.processes import Attempt

MARK = "0123456789abcdef0123456789abcdef"
OTHER_MARK = "fedcba9876543210fedcba9876543210"
SCRIPT = ("sh", "run.sh")
PATIENCE_S = 30.0
STUBBORN = "trap '' TERM; : >ready; exec sleep 600"
PATIENT = "while :; do sleep 0.02; done"


def make_job(command: str = "true", *, results: str | None = None, server: Server | None = None) -> Job:
    """Return the first attempt of a task whose harness is a command."""
    return Job(
        invocation="a1b2c3d4",
        number=1,
        attempt=1,
        mark=MARK,
        task=TaskSpec(name="smoke"),
        harness=Harness(name="command", script=command, results=ResultFile(file=results) if results else None),
        endpoint=EndpointSpec(url=None if server else "http://endpoint.test/v1", model_id="m", type="chat"),
        server=server,
        run_dir="/run",
        folder="smoke",
    )


def make_server(*, port: int = 0, image: str | None = None, script: str = "exec sleep 600") -> Server:
    """Return a model server that only waits."""
    return Server(recipe="generic", model_id="m", script=script, port=port, image=image)


def attempt_in(directory: Path, number: int = 1, mark: str = MARK) -> Attempt:
    """Return what identifies an attempt in a directory, made if need be."""
    directory.mkdir(parents=True, exist_ok=True)
    return Attempt(directory=directory, number=number, mark=mark)


def file_of(attempt: Attempt, name: str) -> Path:
    """Return where a file of an attempt's own folder lies."""
    return attempt.directory / "attempts" / str(attempt.number) / name


def job_in(directory: Path, command: str, *, number: int = 1, results: str | None = None) -> Attempt:
    """Write the real job script of a command into a directory."""
    attempt = attempt_in(directory, number)
    (directory / "run.sh").write_text(job_script(make_job(command, results=results)), encoding="utf-8")
    return attempt


def handle_of(attempt: Attempt, *, name: str = "ey-a1b2c3d4-1-1", kind: str = "job", grace_s: float = 0.0) -> Handle:
    """Return the handle of an attempt, as it is stored."""
    data = {"directory": str(attempt.directory), "attempt": str(attempt.number), "grace_s": str(grace_s)}
    return Handle(name=name, mark=attempt.mark, kind=kind, data=data)


def moment(offset_s: float = 0.0) -> str:
    """Return a time near now as records hold it."""
    return datetime.fromtimestamp(time.time() + offset_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def record_start(attempt: Attempt, pid: int, *, started_at: str = "", mark: str | None = None, host: str = "") -> None:
    """Write `started.json` as the script of process `pid` (on a host of that name) would."""
    folder = attempt.directory / "attempts" / str(attempt.number)
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "attempt": attempt.number,
        "mark": attempt.mark if mark is None else mark,
        "by_hand": False,
        "pid": pid,
        "host": host,
        "started_at": started_at or moment(),
    }
    (folder / "started.json").write_text(json.dumps(content), encoding="utf-8")


def record_exit(attempt: Attempt, exit_code: int = 0) -> None:
    """Write `exit.json` as a job script that found its results would."""
    folder = attempt.directory / "attempts" / str(attempt.number)
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "attempt": attempt.number,
        "mark": attempt.mark,
        "by_hand": False,
        "exit_code": exit_code,
        "signal": "",
        "reason": "",
        "results": True,
        "started_at": moment(-5),
        "ended_at": moment(),
    }
    (folder / "exit.json").write_text(json.dumps(content), encoding="utf-8")


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition to hold."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.005)


def gone(pid: int) -> bool:
    """Whether no process of this id lives; a zombie does not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def unreaped() -> int:
    """Return how many of the scripts that this process started still live, having reaped the others."""
    processes._reap()
    return len(processes._children)


@define
class Yard:
    """Starts processes for a test and ends them after it, each by its own id."""

    _started: list[subprocess.Popen[bytes]] = field(factory=list)
    _attempts: list[Attempt] = field(factory=list)
    _others: list[int] = field(factory=list)

    def spawn(self, text: str, directory: Path, *, mark: str | None = MARK) -> subprocess.Popen[bytes]:
        """Start shell text in a session of its own, with a mark or as a stranger."""
        environment = {name: value for name, value in os.environ.items() if name != processes.MARK_VARIABLE}
        if mark is not None:
            environment[processes.MARK_VARIABLE] = mark
        process = subprocess.Popen(
            ("sh", "-c", text),
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started.append(process)
        # In the middle of exec a process has no environment yet.
        until(lambda: gone(process.pid) or psutil.Process(process.pid).environ())
        return process

    def lead(self, attempt: Attempt, text: str) -> subprocess.Popen[bytes]:
        """Start shell text as the process that has an attempt; text that makes a file `ready` is waited for."""
        self.clear_later(attempt)
        process = self.spawn(text, attempt.directory, mark=attempt.mark)
        record_start(attempt, process.pid)
        if "ready" in text:
            until((attempt.directory / "ready").exists)
        return process

    def clear_later(self, attempt: Attempt) -> Attempt:
        """See to the end of an attempt that the test starts by itself."""
        self._attempts.append(attempt)
        return attempt

    def start(self, attempt: Attempt, environment: dict[str, str] | None = None) -> int:
        """Start an attempt's script as the executor does; return the process id."""
        self.clear_later(attempt)
        return processes.start(attempt, SCRIPT, environment or {}).pid

    def run_to_its_end(self, attempt: Attempt) -> None:
        """Start an attempt's script and wait until it has ended."""
        self.start(attempt)
        until(lambda: processes.leader(attempt) is None)

    def also_end(self, pid: int) -> int:
        """See to the end of a process that a test's processes started."""
        self._others.append(pid)
        return pid

    def close(self) -> None:
        """End everything."""
        numbered = {str(number): attempt for number, attempt in enumerate(self._attempts)}
        processes.end(numbered, dict.fromkeys(numbered, 0.0), time.monotonic() + PATIENCE_S)
        for pid in self._others:
            if not gone(pid):
                psutil.Process(pid).kill()
        for process in self._started:
            process.kill()
            process.wait(PATIENCE_S)
        until(lambda: unreaped() == 0)


@contextmanager
def open_yard() -> Iterator[Yard]:
    """Provide a yard that is cleared whatever happens."""
    yard = Yard()
    try:
        yield yard
    finally:
        yard.close()
