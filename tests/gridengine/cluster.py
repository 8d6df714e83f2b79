"""A Grid Engine cluster of one machine: its real daemons, with a root, a cell and ports of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

PROGRAMS = Path("/usr/lib/gridengine")
SHARED = Path("/usr/share/gridengine")
HOST = "localhost"
DEADLINE_S = 60.0
_ARCH = "lx-amd64"
_CHANGED = {"min_uid": "0", "min_gid": "0", "mailer": "/bin/true", "load_report_time": "00:00:01"}
_SCHEDULER = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
_QUEUE = {"qname": "all.q", "hostlist": HOST, "slots": "32", "shell": "/bin/sh", "notify": "00:00:20", "rerun": "FALSE"}
_UNLIMITED = ("rt", "cpu", "fsize", "data", "stack", "core", "rss", "vmem")
_NONE = (
    *("load_thresholds", "suspend_thresholds", "ckpt_list", "pe_list", "prolog", "epilog", "starter_method"),
    *("suspend_method", "resume_method", "terminate_method", "owner_list", "user_lists", "xuser_lists"),
    *("subordinate_list", "complex_values", "projects", "xprojects", "calendar"),
)
_FIXED = {
    "seq_no": "0",
    "nsuspend": "1",
    "suspend_interval": "00:05:00",
    "priority": "0",
    "min_cpu_interval": "00:05:00",
    "processors": "UNDEFINED",
    "qtype": "BATCH",
    "tmpdir": "/tmp",
    "shell_start_mode": "posix_compliant",
    "initial_state": "default",
}


def missing_programs() -> list[str]:
    """Return what of Grid Engine is not on this machine."""
    return [name for name in ("sge_qmaster", "sge_execd", "qsub", "qconf") if not (PROGRAMS / name).exists()]


@define(kw_only=True)
class GridEngineCluster:
    """A master and an execution daemon on this machine.

    Attributes:
        folder: whatever they write; it is the cluster's SGE_ROOT.
    """

    folder: Path
    ports: tuple[int, int]
    _daemons: dict[str, subprocess.Popen[bytes]] = field(factory=dict, init=False)

    @classmethod
    def start(cls, folder: Path) -> GridEngineCluster:
        """Start a cluster in a folder that is made here, and wait until it takes jobs."""
        made = cls(folder=folder, ports=(cls.free_port(), cls.free_port()))
        try:
            made._configure()
            made._spool()
            made._start("sge_qmaster")
            _wait_until(lambda: HOST in made.ask("qconf", "-sh", code=None), "the master")
            made._qconf("-as", HOST)
            made._settle()
            made._start("sge_execd")
            _wait_until(lambda: "lx-" in made.ask("qhost", code=None), "an execution host")
        except BaseException:
            made.stop()
            raise
        return made

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which Grid Engine's commands are found, and find the cluster."""
        master, execution = map(str, self.ports)
        return {
            "SGE_ROOT": str(self.folder),
            "SGE_CELL": "default",
            "SGE_ARCH": _ARCH,
            "SGE_QMASTER_PORT": master,
            "SGE_EXECD_PORT": execution,
            # Debian has others of these names on PATH, which look for their own kind of machine for most of a second.
            "PATH": os.pathsep.join([str(PROGRAMS), os.environ["PATH"]]),
        }

    def ask(self, *argv: str, code: int | None = 0) -> str:
        """Run a command of Grid Engine and return what it prints.

        Args:
            code: the exit code that it must have; None = any.
        """
        done = subprocess.run(
            argv,
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert code is None or done.returncode == code, f"{argv}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    @staticmethod
    def free_port() -> int:
        """Return a port that nobody listens on."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    def tidy(self) -> None:
        """End all jobs."""
        if self.ask("qstat"):
            self.ask("qdel", "-u", "root", code=None)
            _wait_until(lambda: not self.ask("qstat"), "an empty queue")

    def stop(self) -> None:
        """End whatever was started."""
        if "sge_execd" in self._daemons and "sge_qmaster" in self._daemons:
            self.ask("qdel", "-f", "-u", "root", code=None)
        for name in ("sge_execd", "sge_qmaster"):
            if name in self._daemons:
                self._end(name)

    def _configure(self) -> None:
        common = self.folder / "default" / "common"
        for path in (common, self.folder / "spool" / "qmaster" / "job_scripts", self.folder / "spool" / "execd"):
            path.mkdir(parents=True)
        for name in ("bin", "lib", "utilbin"):
            (self.folder / name).mkdir()
            (self.folder / name / _ARCH).symlink_to(PROGRAMS)
        (self.folder / "util").symlink_to(SHARED / "util")
        (common / "act_qmaster").write_text(f"{HOST}\n")
        (common / "host_aliases").write_text(f"{HOST} {' '.join({socket.gethostname(), socket.getfqdn()} - {HOST})}\n")
        bootstrap = {
            "admin_user": "none",
            "default_domain": "none",
            "ignore_fqdn": "true",
            "security_mode": "none",
            "spooling_method": "classic",
            "spooling_lib": "libspoolc",
            "spooling_params": self._spooling,
            "binary_path": f"{self.folder}/bin",
            "qmaster_spool_dir": f"{self.folder}/spool/qmaster",
            "listener_threads": "2",
            "worker_threads": "2",
            "scheduler_threads": "1",
        }
        (common / "bootstrap").write_text(_lines(bootstrap))

    @property
    def _spooling(self) -> str:
        return f"{self.folder}/default/common;{self.folder}/spool/qmaster"

    def _spool(self) -> None:
        settings = (SHARED / "default-configuration").read_text()
        changed = {**_CHANGED, "execd_spool_dir": f"{self.folder}/spool/execd"}
        (self.folder / "global").write_text(_with(settings, changed))
        defaults = str(PROGRAMS / "spooldefaults")
        self.ask(str(PROGRAMS / "spoolinit"), "classic", "libspoolc", self._spooling, "init")
        self.ask(defaults, "configuration", str(self.folder / "global"))
        self.ask(defaults, "complexes", str(SHARED / "util" / "resources" / "centry"))
        self.ask(defaults, "usersets", str(SHARED / "util" / "resources" / "usersets"))
        self.ask(defaults, "managers", "root")

    def _settle(self) -> None:
        """Add the one queue, and let the scheduler look every second."""
        queue = _FIXED | dict.fromkeys(_NONE, "NONE") | _QUEUE
        queue |= {f"{kind}_{name}": "INFINITY" for name in _UNLIMITED for kind in ("s", "h")}
        (self.folder / "queue").write_text(_lines(queue))
        self._qconf("-Aq", str(self.folder / "queue"))
        (self.folder / "scheduler").write_text(_with(self.ask("qconf", "-ssconf"), _SCHEDULER))
        self._qconf("-Msconf", str(self.folder / "scheduler"))

    def _qconf(self, *arguments: str) -> None:
        self.ask("qconf", *arguments)

    def _start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            # SGE_ND: a daemon that stays what we started.
            self._daemons[name] = subprocess.Popen(
                [PROGRAMS / name],
                env=os.environ | self.environment | {"SGE_ND": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end(self, name: str) -> None:
        daemon = self._daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _lines(values: dict[str, str]) -> str:
    return "".join(f"{name} {value}\n" for name, value in values.items())


def _with(text: str, changed: dict[str, str]) -> str:
    """Return lines of a name and a value, with other values for some names."""
    lines = []
    for line in text.splitlines():
        name = line.partition(" ")[0].partition("\t")[0]
        lines.append(f"{name} {changed[name]}" if name in changed else line)
    return "\n".join(lines) + "\n"


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up, f"after {DEADLINE_S:.0f} s still not: {what}"
        time.sleep(0.2)
