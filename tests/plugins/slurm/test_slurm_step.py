"""step.sh: whatever a task of the model server's step has started ends with it, and nothing else does."""

import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from evalyard_slurm.batch_script import step_script
from tests.cli.yard import kill, until
from tests.core.harness.jobs import SHELLS, argv

# A child, a loop without a parent, a session of its own, and one that shows no environment.
SERVER = """\
sleep 600 &
(while :; do sleep 600; done &)
setsid sleep 600 &
env -i sleep 600 &
echo "$PROC_ID" >number
until [ -e fall ]; do sleep 0.1; done
exit 7
"""
STARTED = 7
"""With the loop's shell, the server's own and the one that watches, without what they sleep with."""


def processes(folder: Path) -> set[psutil.Process]:
    """Return what lives and was started in a folder, without the short sleeps of those who wait."""
    found = set()
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = process.info["cmdline"] or []
        if process.info["cwd"] == str(folder) and words and words[-1] not in ("0.1", "1"):
            found.add(process)
    return found


@contextlib.contextmanager
def step(
    folder: Path, task: int = 0, shell: str = "sh", under: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a task of a step as slurmstepd does, and wait until its server has started everything."""
    folder.mkdir()
    (folder / "step.sh").write_text(step_script())
    (folder / "serve.sh").write_text(SERVER)
    numbers = {"SLURM_JOB_ID": uuid.uuid4().hex, "SLURM_STEP_ID": "0", "SLURM_PROCID": str(task)}
    command = [*under, *argv(shell, str(folder / "step.sh"))]
    with subprocess.Popen(command, env={**os.environ, **numbers}, start_new_session=True) as process:
        try:
            until((folder / "number").exists, "the server", process=process)
            until(lambda: len(processes(folder)) == STARTED, lambda: f"all: {processes(folder)}")
            yield process
        finally:
            for left in processes(folder):
                kill(left.pid)
            kill(process.pid)


def await_nothing(folder: Path) -> None:
    until(lambda: not processes(folder), lambda: f"the end of {processes(folder)}")


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_outlives_a_server_that_is_killed(tmp_path: Path, shell: str) -> None:
    with step(tmp_path / "deployment", shell=shell) as process:
        process.kill()
        process.wait()
        await_nothing(tmp_path / "deployment")


def test_nothing_outlives_a_server_that_ends_and_its_code_is_the_tasks(tmp_path: Path) -> None:
    folder = tmp_path / "deployment"
    with step(folder, task=3) as process:
        assert (folder / "number").read_text() == "3\n"
        (folder / "fall").touch()
        assert process.wait(60) == 7
        await_nothing(folder)


def test_nothing_outlives_who_looks_after_the_server(tmp_path: Path) -> None:
    with step(tmp_path / "deployment", under=("sh", "-c", '"$@" & wait', "slurmstepd")) as slurmstepd:
        slurmstepd.kill()
        slurmstepd.wait()
        await_nothing(tmp_path / "deployment")


def test_the_end_of_a_server_is_no_end_of_another_one(tmp_path: Path) -> None:
    with step(tmp_path / "one") as one, step(tmp_path / "other"):
        before = processes(tmp_path / "other")
        one.kill()
        one.wait()
        await_nothing(tmp_path / "one")
        assert processes(tmp_path / "other") == before
