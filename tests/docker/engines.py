"""A Docker engine of a test's own, which it may stop and kill as it likes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psutil

from tests.cli.yard import command, kill, until
from tests.docker.dockyard import docker


class Engine:
    """`dockerd` with folders and a network namespace of its own: without a bridge, it would remove the machine's."""

    def __init__(self, *, live_restore: bool) -> None:
        # Not pytest's folder: the path of a socket must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="ey-dockerd-"))
        self.env = {"DOCKER_HOST": f"unix://{self.folder}/socket"}
        self._live_restore = live_restore
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        folders = [f"--{name}={self.folder}/{name}" for name in ("data-root", "exec-root", "pidfile")]
        alone = ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
        argv = ["unshare", "--net", "dockerd", f"--host={self.env['DOCKER_HOST']}", *folders, *alone]
        if self._live_restore:
            argv.append("--live-restore")
        with (self.folder / "log").open("ab") as log:
            # Without the test's variables, by which a yard knows what is its own.
            plain = {"PATH": os.environ["PATH"]}
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=plain)
        until(lambda: docker("version", code=None, env=self.env).count("Server:"), self._words, process=self._process)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal and wait for its end."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
        if number is signal.SIGKILL:
            # Its containerd is killed with it. Where nobody reaps that, it would be taken for a living one.
            (self.folder / "pidfile").unlink()
            (self.folder / "exec-root" / "containerd" / "containerd.pid").unlink()

    def load(self, image: str) -> None:
        """Bring an image of the machine's engine."""
        saved = subprocess.run(["docker", "save", image], capture_output=True, check=True)
        env = os.environ | self.env
        subprocess.run(["docker", "load"], input=saved.stdout, capture_output=True, check=True, env=env)

    def remove(self) -> None:
        """End it with all that it started, and leave nothing on the disk."""
        if self._process is not None and self._process.poll() is None:
            for found in docker("ps", "--all", "--quiet", code=None, env=self.env).split():
                docker("rm", "--force", found, code=None, env=self.env)
            self.stop()
        for process in psutil.process_iter():
            if any(str(self.folder) in word for word in command(process)):
                kill(process.pid)
        mounted = [part.mountpoint for part in psutil.disk_partitions(all=True)]
        for place in sorted((m for m in mounted if m.startswith(str(self.folder))), reverse=True):
            subprocess.run(["umount", "--lazy", place], check=True)
        shutil.rmtree(self.folder)

    def _words(self) -> str:
        return f"dockerd: {(self.folder / 'log').read_text()[-2000:]}"
