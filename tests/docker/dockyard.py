"""A yard whose harnesses run in containers, and what the Docker engine says of them."""

import json
import os
import shlex
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cli.yard import ID, Yard, until

OPEN = "/results/open"
"""In a container: the file for which a gated task waits."""


class Dockyard(Yard):
    """Where the commands of one test run, and the containers that they make."""

    def __init__(self, folder: Path, image: str) -> None:
        super().__init__(folder)
        self.image = image
        self.caller: tuple[str, ...] = ()
        """What a command begins with that shall run as somebody else."""

    def start(
        self, *argv: str, env: Mapping[str, str] | None = None, folder: Path | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a program as the yard's caller."""
        return super().start(*self.caller, *argv, env=env, folder=folder, **options)

    # --- configurations ---------------------------------------------------------------------------------------------

    def config(self, *tasks: Mapping[str, Any], name: str = "run.yaml", **sections: Any) -> str:
        """Write a configuration whose tasks run in containers of the yard's image and return its name."""
        execution = {"use_docker": True, "pull": "never", "kill_grace_s": 5} | sections.pop("execution", {})
        return super().config(
            *({"container": self.image} | dict(task) for task in tasks), name=name, execution=execution, **sections
        )

    def gated(self, name: str, *lines: str, **fields: Any) -> dict[str, Any]:
        """Return a task that says `started`, runs the lines, and ends once it is opened."""
        return self.task(name, *lines, "echo started", f"until [ -e {OPEN} ]; do sleep 0.1; done", **fields)

    def open(self, invocation: str, *names: str) -> None:
        """Let gated tasks end."""
        for name in names:
            (self.task_folder(invocation, name) / "artifacts" / "open").touch()

    # --- what is there ----------------------------------------------------------------------------------------------

    def task_folder(self, invocation: str, name: str) -> Path:
        """Return the folder of a task in the run directory."""
        return self.run_dir(invocation) / name

    def log(self, invocation: str, name: str) -> str:
        """Return a task's log file."""
        path = self.task_folder(invocation, name) / "logs" / "stdout.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def await_log(self, invocation: str, name: str, text: str = "started") -> None:
        """Wait until a text is in a task's log."""
        until(lambda: text in self.log(invocation, name), lambda: f"{text!r} in {self.log(invocation, name)!r}")

    def await_begun(self, name: str, *, process: subprocess.Popen[str]) -> str:
        """Wait until the yard's one run is on its way and a gated task of it has started; return its id."""

        def begun() -> bool:
            return any("started" in self.log(invocation, name) for invocation in self.invocations())

        until(begun, lambda: f"{name} to start", process=process)
        (invocation,) = self.invocations()
        return invocation

    def containers(self, invocation: str, *filters: str, env: Mapping[str, str] | None = None) -> list[str]:
        """Return the ids of an invocation's containers, ended ones too.

        Args:
            filters: of `docker ps`, such as `status=running`.
        """
        wanted = [f"--filter={text}" for text in (f"label=evalyard.invocation={invocation}", *filters)]
        return docker("ps", "--all", "--no-trunc", "--quiet", *wanted, env=env).split()

    def container(self, invocation: str, *filters: str) -> dict[str, Any]:
        """Wait for the one container of an invocation, and return what `docker inspect` says of it."""
        until(lambda: self.containers(invocation, *filters), "a container")
        (found,) = self.containers(invocation, *filters)
        return inspected(found)

    def networks(self, invocation: str) -> list[str]:
        """Return the networks of an invocation."""
        return docker("network", "ls", "--filter", f"name=ey-{invocation}-", "--format", "{{.Name}}").split()

    def await_no_container(self, invocation: str) -> None:
        """Wait until nothing of an invocation is on the engine."""
        until(
            lambda: not self.containers(invocation) and not self.networks(invocation),
            lambda: f"nothing left of {invocation}: {self.containers(invocation)} {self.networks(invocation)}",
        )

    def invocations(self) -> list[str]:
        """Return every invocation that has a run directory here."""
        found = [path.name.rpartition("-")[2] for path in (self.folder / "runs").glob("*-*")]
        return [name for name in found if ID.fullmatch(name)]

    def remove_everything(self) -> None:
        """Remove the containers and networks of every invocation."""
        for invocation in self.invocations():
            for found in self.containers(invocation):
                docker("rm", "--force", "--volumes", found, code=None)
            for network in self.networks(invocation):
                docker("network", "rm", network, code=None)


def as_user(number: int) -> tuple[str, ...]:
    """Return what a command begins with to run as a user that may use the engine and is otherwise nobody.

    It may read what it likes all the same: the interpreter of these tests may lie in root's own folder.
    """
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    identity = [f"--reuid={number}", f"--regid={number}", f"--groups={Path(socket).stat().st_gid}"]
    return ("setpriv", *identity, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


def strangers(root: Path, owner: int) -> list[str]:
    """Return what is below a folder and belongs to somebody else, or may be written by anybody."""
    found = [(path, path.lstat()) for path in sorted(root.rglob("*"))]
    return [
        f"{path} {status.st_uid} {status.st_mode:o}"
        for path, status in found
        if status.st_uid != owner or (status.st_mode & stat.S_IWOTH and not path.is_symlink())
    ]


def docker(*arguments: str, code: int | None = 0, env: Mapping[str, str] | None = None) -> str:
    """Run `docker` and return its standard output; with an exit code of None, what it says however it ended."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
    )
    assert code is None or done.returncode == code, f"docker {shlex.join(arguments)}: {done.stderr}"
    return done.stdout


def inspected(container: str) -> dict[str, Any]:
    """Return what `docker inspect` says of a container."""
    (found,) = json.loads(docker("inspect", container))
    return dict(found)
