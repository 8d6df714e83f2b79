"""Run directories with one job, as an executor would write them, and ways to run their scripts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from evalyard.harness.evidence import read_exit
from evalyard.harness.script import job_script, server_script, with_server_script
from evalyard.records.jobs import Job
from evalyard.records.observations import ExitRecord
from evalyard.records.programs import Harness, Server
from evalyard.specs import EndpointSpec, EnvValue, ResultFile, TaskSpec, ValueSource

MARK = "0123456789abcdef0123456789abcdef"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
WRITE_RESULTS = 'echo done >"$EVALYARD_OUTPUT_DIR/results.yml"'
PATIENCE_S = 30.0


def argv(shell: str, *words: str) -> list[str]:
    """Return the command that runs a script with one of SHELLS."""
    return [*([shell, "sh"] if shell == "busybox" else [shell]), *words]


def make_job(
    command: str = WRITE_RESULTS,
    *,
    name: str = "smoke",
    env: Mapping[str, EnvValue] | None = None,
    pre_cmd: str | None = None,
    post_cmd: str | None = None,
    server: Server | None = None,
    results: str | None = "results.yml",
) -> Job:
    """Return the first attempt of a task whose harness is a command."""
    url = None if server else "http://endpoint.test/v1/chat/completions"
    return Job(
        invocation="a1b2c3d4",
        number=1,
        attempt=1,
        mark=MARK,
        task=TaskSpec(name=name, env=env or {}, pre_cmd=pre_cmd, post_cmd=post_cmd),
        harness=Harness(name="command", script=command, results=ResultFile(file=results) if results else None),
        endpoint=EndpointSpec(url=url, model_id="the model", type="chat", api_key_name="KEY"),
        server=server,
        run_dir="/run",
        folder="task",
    )


def write(root: Path, job: Job, *, ready_timeout_s: int = 30) -> Path:
    """Write a job's run directory below `root`; return the task's folder."""
    folder = root / job.folder
    folder.mkdir(parents=True)
    (folder / "run.sh").write_text(job_script(job, ready_timeout_s=ready_timeout_s))
    for server in job.servers:
        (root / server.folder).mkdir()
        (root / server.folder / "run.sh").write_text(server_script(server, job.invocation))
        (root / server.folder / "with_server.sh").write_text(with_server_script(server))
    return folder


def launched(attempt: int = 1, mark: str = MARK, **more: str) -> dict[str, str]:
    """Return the environment in which evalyard starts an attempt."""
    return {**os.environ, "EVALYARD_LAUNCH": mark, "EVALYARD_ATTEMPT": str(attempt), **more}


def by_hand(folder: Path, *words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a person does."""
    return subprocess.run(
        words or ("sh", "run.sh"),
        cwd=cwd or folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S * 2,
        stdin=subprocess.DEVNULL,
    )


def start(folder: Path, environment: Mapping[str, str], shell: str = "dash") -> subprocess.Popen[bytes]:
    """Start a job script in a session of its own."""
    return subprocess.Popen(
        argv(shell, "run.sh"),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for a started script to end; return its exit code. One that does not end is ended, and fails the test."""
    try:
        return process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def launch(folder: Path, environment: Mapping[str, str] | None = None, shell: str = "dash") -> ExitRecord:
    """Run a job script as evalyard does, to its end; return what it recorded."""
    end_of(start(folder, environment or launched(), shell))
    record = read_exit(folder, 1)
    assert record is not None
    return record


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition to hold."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.01)


def literal(text: str) -> EnvValue:
    """Return a variable that is written out in the configuration."""
    return EnvValue(source=ValueSource.LITERAL, text=text)


def runtime(variable: str) -> EnvValue:
    """Return a variable that is read where the job runs."""
    return EnvValue(source=ValueSource.RUNTIME, text=variable)
