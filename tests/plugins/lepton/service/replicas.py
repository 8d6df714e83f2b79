"""What jobs and endpoints of the stand-in really are: processes or containers, whose output is a log with moments."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

Json = dict[str, Any]
CONTAINER_LABEL = f"evalyard.lepton-stand-in={os.getpid()}"
GRACE_S = 5.0
"""How long a program may take to end after SIGTERM."""


@frozen(kw_only=True)
class Wanted:
    """What a container is made of."""

    image: str
    command: tuple[str, ...]
    variables: Mapping[str, str]
    mounts: Mapping[str, Path]
    """Where a container sees storage -> where that is here."""
    port: int = 0
    """What it listens on; 0 = on nothing."""


class Replica:
    """One process, in a folder that stands for its container's file system."""

    def __init__(self, folder: Path, name: str, wanted: Wanted) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self.lines: list[tuple[int, str]] = []
        self.started, self.finished = time.time(), 0.0
        self.port = free_port() if wanted.port else 0
        self._process = self._start(wanted)
        self._pump = threading.Thread(target=self._read, daemon=True)
        self._pump.start()

    def _start(self, wanted: Wanted) -> subprocess.Popen[bytes]:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder), "LANG": "C.UTF-8"}
        for variable, value in wanted.variables.items():
            # In a container these would be as they are: here, storage lies elsewhere and ports are shared by all.
            for path, source in wanted.mounts.items():
                value = value.replace(path, str(source), 1) if value.startswith(path) else value
            environ[variable] = str(self.port) if wanted.port and value == str(wanted.port) else value
        environ = {"EVALYARD_PLACE": str(self.folder)} | environ
        if environ.get("HOST") == "0.0.0.0":
            environ["HOST"] = "127.0.0.1"
        return started(wanted.command, environ, self.folder)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for raw in output:
                self.lines.append((time.time_ns(), raw.decode("utf-8", errors="replace").rstrip("\n")))
        self._process.wait()
        self.finished = time.time()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, once it has ended and all of its log is here."""
        if not self.finished:
            return None
        code = self._process.returncode
        return 128 - code if code < 0 else code

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to the whole container."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def end(self) -> None:
        """SIGTERM to its first process, as for a container, and SIGKILL to all that is left after the grace."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            self._pump.join(GRACE_S)
        self.kill(signal.SIGKILL)
        self._pump.join(GRACE_S)
        self._process.wait(GRACE_S)


class ContainedReplica(Replica):
    """One container of this machine's Docker engine."""

    def _start(self, wanted: Wanted) -> subprocess.Popen[bytes]:
        program, *arguments = wanted.command
        # A job asks endpoints at this machine's loopback; what listens has its own network, as ports would clash.
        network = ["--publish", f"127.0.0.1:{self.port}:{wanted.port}"] if wanted.port else ["--network", "host"]
        volumes = [f"--volume={source}:{path}" for path, source in wanted.mounts.items()]
        variables = [f"--env={name}" for name in wanted.variables]
        argv = ["docker", "run", "--name", self.container, "--label", CONTAINER_LABEL, "--pull", "never", *network]
        argv += [*volumes, *variables, "--entrypoint", program, wanted.image, *arguments]
        # Values are taken from the environment of the command: an argument would show them to everybody.
        return started(argv, {**os.environ, **wanted.variables}, self.folder)

    @property
    def container(self) -> str:
        """What the engine calls it."""
        return f"lepton-stand-in-{os.getpid()}-{self.name}"

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to its first process, with which all others end if it is SIGKILL."""
        docker("kill", "--signal", number.name, self.container)

    def end(self) -> None:
        """SIGTERM to its first process, SIGKILL after the grace; nothing of it stays."""
        if self.code is None:
            docker("stop", "--time", str(round(GRACE_S)), self.container)
        self._pump.join(GRACE_S)
        docker("rm", "--force", "--volumes", self.container)
        self._process.wait(GRACE_S)


def containers() -> list[str]:
    """Return the names of all containers of this process's services, ended ones too."""
    return docker("ps", "--all", f"--filter=label={CONTAINER_LABEL}", "--format={{.Names}}").split()


def docker(*arguments: str) -> str:
    """Return what the engine answers; nothing when it refuses, as what is to be ended may have ended."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False).stdout


def started(argv: Sequence[str], environ: Mapping[str, str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output in one pipe."""
    return subprocess.Popen(
        list(argv),
        env=environ,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.3)
        return probe.connect_ex(("127.0.0.1", port)) == 0
