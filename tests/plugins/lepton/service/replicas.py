"""What jobs and endpoints of the stand-in really are: processes, whose output is a log with moments."""

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

Json = dict[str, Any]
GRACE_S = 5.0
"""How long a program may take to end after SIGTERM."""


class Replica:
    """One process, in a folder that stands for its container's file system."""

    def __init__(
        self,
        folder: Path,
        name: str,
        command: Sequence[str],
        variables: Mapping[str, str],
        mounts: Mapping[str, Path],
        port: int = 0,
    ) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self.lines: list[tuple[int, str]] = []
        self.started, self.finished = time.time(), 0.0
        self.port = free_port() if port else 0
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder), "LANG": "C.UTF-8"}
        for variable, value in variables.items():
            # In a container these would be as they are: here, storage lies elsewhere and ports are shared by all.
            for path, source in mounts.items():
                value = value.replace(path, str(source), 1) if value.startswith(path) else value
            environ[variable] = str(self.port) if port and value == str(port) else value
        environ = {"EVALYARD_PLACE": str(self.folder)} | environ
        if environ.get("HOST") == "0.0.0.0":
            environ["HOST"] = "127.0.0.1"
        self._process = subprocess.Popen(
            list(command),
            env=environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._pump = threading.Thread(target=self._read, daemon=True)
        self._pump.start()

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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.3)
        return probe.connect_ex(("127.0.0.1", port)) == 0
