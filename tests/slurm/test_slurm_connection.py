"""The connection to the login machine breaks, or whoever uses it dies: the next command works all the same."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.cli.yard import kill, until
from tests.slurm.faults import swallowing
from tests.slurm.slurmyard import SlurmYard
from tests.slurm.sshd import Login

pytestmark = pytest.mark.slurm

# An open connection that falls still ends after a few seconds.
IMPATIENT = """\
#!/bin/sh
if [ -e "{there}" ]; then set -- -o ConnectTimeout=1 "$@"; fi
exec "{ssh}" -o ServerAliveInterval=1 "$@"
"""


@pytest.fixture
def running(yard: SlurmYard) -> str:
    """A run whose only job has written a line and waits at its gate."""
    invocation = yard.run(yard.config(yard.gated("one", "echo hello from the node")))
    yard.await_notes("start one")
    return invocation


def tell_the_master(login: Login, what: str) -> str:
    """Tell the process that keeps a connection open for all commands to do something, and return what ssh says."""
    path = f"/tmp/evalyard-ssh-{os.getuid()}/%C"
    argv = [str(login.bin / "ssh"), "-o", f"ControlPath={path}", "-O", what, login.hostname]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stderr


def kill_the_master(login: Login) -> None:
    """End it by force; its socket stays."""
    said = tell_the_master(login, "check")
    found = re.search(r"pid=(\d+)", said)
    assert found, said
    kill(int(found[1]))
    until(lambda: not psutil.pid_exists(int(found[1])), "the end of a connection")


def drop_the_connection(login: Login) -> None:
    login.drop()


@pytest.fixture
def impatient(yard: SlurmYard, login: Login, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file: while it is there, `ssh` waits a second for an answer; otherwise as long as evalyard has it wait."""
    folder, there = yard.folder / "bin", yard.folder / "impatient"
    folder.mkdir()
    tell_the_master(login, "exit")  # an earlier test's, which is patient
    (folder / "ssh").write_text(IMPATIENT.format(there=there, ssh=login.bin / "ssh"))
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return there


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


def test_while_the_login_machine_is_silent_commands_say_so_and_afterwards_they_work(
    yard: SlurmYard, impatient: Path, running: str
) -> None:
    two = yard.config(yard.task("two"), name="two.yaml")
    yard.call("status", running)
    with swallowing(yard.cluster, "login"):
        impatient.touch()
        # The first one has the open connection, which falls still.
        for arguments in (
            ["status", running],
            ["logs", running],
            ["doctor", "-c", two],
            ["run", "-c", two],
            ["kill", running],
        ):
            done = yard.call(*arguments, code=3)
            assert re.search(r"ssh login: .*(timed out|not responding)", done.text), arguments
            assert "Traceback" not in done.text
            assert arguments[0] != "run" or "nothing was started" in done.text
    impatient.unlink()
    assert len(list((yard.folder / "runs").iterdir())) == 2  # one run, and `latest`
    assert yard.states(running) != ["UNKNOWN"]
    yard.call("kill", running)
    assert yard.tells(running) == {"one": ("CANCELLED", "cancelled")}
    assert yard.cluster.queue() == []


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
