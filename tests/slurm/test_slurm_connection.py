"""The connection to the login machine breaks, or whoever uses it dies: the next command works all the same."""

import os
import re
import subprocess
from collections.abc import Callable

import psutil
import pytest

from tests.cli.yard import kill, until
from tests.slurm.slurmyard import SlurmYard
from tests.slurm.sshd import Login

pytestmark = pytest.mark.slurm


@pytest.fixture
def running(yard: SlurmYard) -> str:
    """A run whose only job has written a line and waits at its gate."""
    invocation = yard.run(yard.config(yard.gated("one", "echo hello from the node")))
    yard.await_notes("start one")
    return invocation


def kill_the_master(login: Login) -> None:
    """End the process that keeps a connection open for all commands; its socket stays."""
    path = f"/tmp/evalyard-ssh-{os.getuid()}/%C"
    argv = [str(login.bin / "ssh"), "-o", f"ControlPath={path}", "-O", "check", login.hostname]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    found = re.search(r"pid=(\d+)", done.stderr)
    assert found, done.stderr
    kill(int(found[1]))
    until(lambda: not psutil.pid_exists(int(found[1])), "the end of a connection")


def drop_the_connection(login: Login) -> None:
    login.drop()


@pytest.mark.parametrize("break_it", [kill_the_master, drop_the_connection])
def test_after_a_connection_broke_every_command_works(
    yard: SlurmYard, login: Login, running: str, break_it: Callable[[Login], None]
) -> None:
    for arguments, told in (
        (["status", running], "RUNNING"),
        (["logs", running], "hello from the node"),
        (["kill", running], "CANCELLED"),
    ):
        break_it(login)
        done = yard.call(*arguments, code=None)
        assert told in done.text, arguments
    assert yard.cluster.queue() == []


def test_following_a_log_goes_on_after_the_connection_broke(yard: SlurmYard, login: Login, running: str) -> None:
    with yard.start("evalyard", "logs", "-f", running) as following:
        assert following.stdout is not None
        assert "hello from the node" in next(line for line in following.stdout if "hello" in line)
        kill_the_master(login)
        login.drop()
        yard.open_gates("one")
        out, err = following.communicate()
    assert following.returncode == 0, err
    assert "hello" not in out
    assert yard.ends(running) == {"one": ("SUCCEEDED", "")}


def test_sigkill_of_who_follows_a_log_disturbs_nobody(yard: SlurmYard, running: str) -> None:
    def follow() -> "subprocess.Popen[str]":
        process = yard.start("evalyard", "logs", "-f", running)
        assert process.stdout is not None
        next(line for line in process.stdout if "hello" in line)
        return process

    for _ in range(3):
        with follow() as following:
            kill(following.pid)
    assert "hello from the node" in yard.call("logs", running).text
    yard.open_gates("one")
    assert yard.ends(running) == {"one": ("SUCCEEDED", "")}
