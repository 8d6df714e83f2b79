"""Computers of a test cluster: namespaces of this one, each with processes, a name, a network and an /etc of its own.

They share this machine's files, as the machines of a cluster share a file system; /run and what they write to /etc and
/usr/local/bin is their own. Nothing of a machine outlives the process that booted it: its first process gets SIGKILL
with that process, and everything else goes with the first one.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
from attrs import define, field

DEADLINE_S = 60.0
"""How long anything of a cluster may take: far beyond what a healthy machine needs."""
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

# The last line is the machine's init: it reaps the orphans of jobs.
_BOOT = """\
set -e
hostname "$0"
mount -t tmpfs tmpfs /run
mkdir /run/sshd
for folder in /etc /usr/local/bin; do
  own=/run/own$folder
  mkdir -p "$own/files" "$own/work"
  mount -t overlay -o "lowerdir=$folder,upperdir=$own/files,workdir=$own/work" overlay "$folder"
done
cp -R "$1"/etc/. /etc
cp -R --remove-destination "$1"/bin/. /usr/local/bin
ip link set lo up
echo booted
exec >&-
while :; do sleep 3600 & wait; done
"""
_NEW = ("unshare", "--net", "--uts", "--ipc", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_OWN = ("--net", "--uts", "--ipc", "--mount", "--pid")


@define(kw_only=True)
class Machine:
    """One computer that runs.

    Attributes:
        logs: where its daemons write.
    """

    name: str
    logs: Path
    _holder: subprocess.Popen[str]
    _daemons: dict[str, psutil.Popen] = field(factory=dict, init=False)

    @classmethod
    def boot(cls, name: str, folder: Path) -> "Machine":
        """Start a computer.

        Args:
            folder: has its `logs`, and `etc` and `bin`, whose files are laid over those of its /etc and /usr/local/bin.
        """
        argv = ["setpriv", "--pdeathsig", "KILL", *_NEW, "sh", "-c", _BOOT, name, str(folder)]
        holder = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != "booted\n":
            holder.kill()
            raise RuntimeError(f"machine {name} did not boot: {holder.communicate()[1]}")
        return cls(name=name, logs=folder / "logs", holder=holder)

    @property
    def pid(self) -> int:
        """Its first process, as this machine numbers it."""
        (first,) = psutil.Process(self._holder.pid).children()
        return first.pid

    def command(self, *argv: str) -> list[str]:
        """Return the command that runs another one on it."""
        return ["nsenter", f"--target={self.pid}", *_OWN, *argv]

    def run(self, *argv: str) -> str:
        """Run a command on it and return what it prints.

        Raises:
            RuntimeError: it failed.
        """
        done = subprocess.run(
            self.command(*argv), capture_output=True, text=True, env=ENVIRONMENT, timeout=DEADLINE_S, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: {done.stderr or done.stdout}")
        return done.stdout

    def install(self, program: str, text: str) -> None:
        """Put a program before others of its name on its PATH, until it is booted again."""
        path = f"/usr/local/bin/{program}"
        self.run("sh", "-c", f'printf %s "$0" > {path} && chmod 755 {path}', text)

    def start(self, *argv: str, env: Mapping[str, str] | None = None) -> None:
        """Start a daemon that stays in the foreground; its name is the program's."""
        program = Path(argv[0]).name
        with (self.logs / f"{self.name}-{program}.log").open("ab") as log:
            self._daemons[program] = psutil.Popen(
                self.command(*argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**ENVIRONMENT, **(env or {})},
            )

    def runs(self, program: str) -> bool:
        """Say whether a daemon has not ended."""
        return program in self._daemons and self._daemons[program].poll() is None

    def end(self, program: str, number: signal.Signals) -> None:
        """End a daemon, and nothing that it started, with a signal."""
        # nsenter stays outside of the machine, waits for the program and ends with it.
        for process in self._daemons[program].children():
            process.send_signal(number)
        self._daemons.pop(program).wait(DEADLINE_S)

    def power_off(self) -> None:
        """End everything on it."""
        if self._holder.poll() is not None:
            return
        os.kill(self.pid, signal.SIGKILL)
        self._holder.communicate(timeout=DEADLINE_S)
        for daemon in self._daemons.values():
            daemon.wait(DEADLINE_S)
        self._daemons.clear()


def wait_until(reached: Callable[[], object], what: Callable[[], str] | str, *, pause_s: float = 0.02) -> None:
    """Wait for something.

    Raises:
        TimeoutError: it did not come within DEADLINE_S.
    """
    give_up = time.monotonic() + DEADLINE_S
    while not reached():
        if time.monotonic() > give_up:
            raise TimeoutError(f"waited in vain for {what if isinstance(what, str) else what()}")
        time.sleep(pause_s)
