"""A Slurm cluster of a test session's own: real daemons on machines that are namespaces of this one."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from tests.slurm import configuration
from tests.slurm.accounting import start_accounting
from tests.slurm.machine import DEADLINE_S, Machine, wait_until
from tests.slurm.network import THIS_MACHINE, Network

HEAD = 2
"""The last number of the controller's address; the login machine and the nodes have the ones after it."""


@define(kw_only=True)
class Cluster:
    """A controller, a machine to log in to, and nodes; they and this machine share all files.

    Attributes:
        folder: whatever the cluster writes.
        network: with an address for each machine and one for this one.
        machines: name -> machine, without the switch.
        nodes: the names of the nodes.
    """

    folder: Path
    network: Network
    nodes: tuple[str, ...]
    accounting: bool
    memory_limits: bool
    machines: dict[str, Machine] = field(factory=dict, init=False)

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        nodes: tuple[str, ...] = ("n1", "n2"),
        accounting: bool = False,
        memory_limits: bool = False,
    ) -> "Cluster":
        """Start a cluster and wait until all its nodes are idle.

        Args:
            folder: is made here, and removed by `stop`.
            nodes: names that no other cluster on this machine has; with memory limits they are names of cgroups.
            accounting: whether `sacct` answers.
            memory_limits: whether the kernel ends what takes more memory than its job may have.
        """
        for name in ("logs", "bin", "etc/slurm", "etc/containers", "home", "images", "state", "spool"):
            (folder / name).mkdir(parents=True)
        network = Network.lay(folder)
        made = cls(folder=folder, network=network, nodes=nodes, accounting=accounting, memory_limits=memory_limits)
        try:
            made._configure()
            made._boot("head")
            made._boot("login")
            made._start_head()
            for node in nodes:
                made._boot(node)
                made.start_slurmd(node)
            made.await_nodes("idle")
        except BaseException as error:
            for path in (folder / "logs").iterdir():
                error.add_note(f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}")
            made.stop()
            raise
        return made

    def stop(self) -> None:
        """End everything that was started for it, and remove every file of it."""
        for machine in [*self.machines.values(), self.network.switch]:
            machine.power_off()
        for name in ("libpod_parent", *(f"slurm_{node}" for node in self.nodes)):
            _remove_cgroups(name)
        shutil.rmtree(self.folder)

    # --- asking it --------------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which Slurm's commands on this machine find the cluster."""
        return {"SLURM_CONF": str(self.folder / "etc" / "slurm" / "slurm.conf")}

    @property
    def this_machine(self) -> str:
        """The address under which the cluster reaches this machine."""
        return self.network.address(THIS_MACHINE)

    def address(self, name: str) -> str:
        """Return the address of one of its machines."""
        return self._addresses()[name]

    def ask(self, *argv: str, code: int | None = 0) -> str:
        """Run a command of Slurm on this machine and return what it prints.

        Args:
            code: the exit code that it must have; None = any.
        """
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            timeout=DEADLINE_S,
            check=False,
        )
        assert code is None or done.returncode == code, f"{argv} exited with {done.returncode}: {done.stderr}"
        return done.stdout.strip()

    def submit(self, script: str, *options: str) -> str:
        """Submit a batch script's text and return the job's number."""
        path = self.folder / "submitted.sh"
        path.write_text(f"#!/bin/sh\n{script}\n")
        return self.ask("sbatch", "--parsable", "--output=/dev/null", *options, str(path))

    def state(self, job: str) -> str:
        """Return the state of a job and the scheduler's reason, as in `RUNNING|None`; empty when it is not known."""
        return self.ask("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T|%r", code=None)

    def await_state(self, job: str, state: str) -> None:
        """Wait until a job is in a state."""
        wait_until(lambda: self.state(job).split("|")[0] == state, lambda: f"{state} of job {job}: {self.state(job)}")

    def queue(self) -> list[str]:
        """Return the numbers of all jobs that have not ended."""
        return self.ask("squeue", "--noheader", "--format=%A").split()

    def await_nodes(self, state: str) -> None:
        """Wait until all nodes are in a state."""
        wait_until(
            lambda: (
                self.ask("sinfo", "--noheader", "-N", "--partition=batch", "--format=%T", code=None).split()
                == [state] * len(self.nodes)
            ),
            lambda: f"{state} nodes: {self.ask('sinfo', '--long', '-N', code=None)}",
            pause_s=0.05,
        )

    # --- breaking it ------------------------------------------------------------------------------------------------

    def kill_controller(self) -> None:
        """End the controller as a power cut does: what it was told in the last seconds is lost."""
        self.machines["head"].end("slurmctld", signal.SIGKILL)

    def start_controller(self) -> None:
        """Start the controller and wait until it answers."""
        self.machines["head"].start("slurmctld", "-D")
        wait_until(lambda: "is UP" in self.ask("scontrol", "ping", code=None), "slurmctld")

    @contextlib.contextmanager
    def without_controller(self) -> Iterator[None]:
        """Be without a controller for a while; it forgets nothing."""
        self.machines["head"].end("slurmctld", signal.SIGTERM)
        try:
            yield
        finally:
            self.start_controller()

    @contextlib.contextmanager
    def forgetting(self) -> Iterator[None]:
        """Let the controller lose what it is told meanwhile: it is killed, and what it saved is gone."""
        state, kept = self.folder / "state", self.folder / "kept"
        shutil.copytree(state, kept)
        yield
        self.kill_controller()
        shutil.rmtree(state)
        kept.rename(state)
        self.start_controller()

    def forget_ended(self) -> None:
        """Let the controller forget the jobs that have ended, as it does after some minutes; accounting does not."""
        ended = {*self.ask("squeue", "--noheader", "--states=all", "--format=%A").split()} - {*self.queue()}
        assert ended, "no job has ended"
        self._keep_ended_jobs(seconds=2)
        wait_until(
            lambda: not ended & {*self.ask("squeue", "--noheader", "--states=all", "--format=%A").split()},
            lambda: f"none of {ended}: {self.ask('squeue', '--states=all')}",
        )
        self._keep_ended_jobs(seconds=300)

    def _keep_ended_jobs(self, *, seconds: int) -> None:
        self.machines["head"].run("sed", "-i", f"s/^MinJobAge=.*/MinJobAge={seconds}/", "/etc/slurm/slurm.conf")
        self.machines["head"].run("scontrol", "reconfigure")

    def kill_slurmd(self, node: str) -> None:
        """End the daemon of a node; the jobs on it live on."""
        self.machines[node].end("slurmd", signal.SIGKILL)

    def start_slurmd(self, node: str) -> None:
        """Start the daemon of a node."""
        self.machines[node].start("slurmd", "-D")

    def take_down(self, node: str) -> None:
        """Take a node out of service as an administrator does; its jobs end at once."""
        self.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

    def power_off(self, name: str) -> None:
        """Take the power from a machine: whatever runs on it is gone, and every connection to it."""
        self.machines.pop(name).power_off()
        self.network.unplug(name)

    def power_on(self, name: str) -> None:
        """Boot a machine that is off; a node comes back into service."""
        self._boot(name)
        if name in self.nodes:
            self.start_slurmd(name)

    def tidy(self) -> None:
        """Undo what a test did: start what is off, end all jobs, and wait until all nodes are idle."""
        if not self.machines["head"].runs("slurmctld"):
            self.start_controller()
        for node in configuration.DARK_NODES:
            self.ask("scontrol", "update", f"nodename={node}", "state=resume", code=None)
        for node in self.nodes:
            if node not in self.machines:
                self.power_on(node)
            elif not self.machines[node].runs("slurmd"):
                self.start_slurmd(node)
            # A node that is not down is no node to resume; one that answers comes back by itself.
            self.ask("scontrol", "update", f"nodename={node}", "state=resume", code=None)
        if self.queue():
            self.ask("scancel", "--user=root")
            wait_until(lambda: not self.queue(), lambda: f"an empty queue: {self.queue()}")
        self.await_nodes("idle")

    # --- making it --------------------------------------------------------------------------------------------------

    def _addresses(self) -> dict[str, str]:
        names = ("head", "login", *self.nodes)
        return {name: self.network.address(number) for number, name in enumerate(names, start=HEAD)}

    def _boot(self, name: str) -> None:
        machine = Machine.boot(name, self.folder)
        self.machines[name] = machine
        self.network.plug(machine, self.address(name))

    def _configure(self) -> None:
        addresses = self._addresses()
        head = addresses["head"]
        nodes = {name: addresses[name] for name in self.nodes}
        etc = self.folder / "etc"
        limits = self.memory_limits
        conf = configuration.slurm_conf(self.folder, head, nodes, accounting=self.accounting, memory_limits=limits)
        (etc / "slurm" / "slurm.conf").write_text(conf)
        (etc / "slurm" / "gres.conf").write_text(configuration.gres_conf(self.folder, self.nodes))
        (etc / "slurm" / "cgroup.conf").write_text(configuration.cgroup_conf(memory_limits=limits))
        (etc / "containers" / "containers.conf").write_text(configuration.containers_conf())
        (etc / "containers" / "storage.conf").write_text(configuration.storage_conf(self.folder / "images"))
        (etc / "hosts").write_text(configuration.hosts({**addresses, "desk": self.this_machine}))
        (etc / "resolv.conf").touch()
        (etc / "passwd").write_text(configuration.passwd(Path("/etc/passwd").read_text(), self.folder / "home"))
        # This interpreter: the machine may have no other one, or none where a login without a profile finds it.
        (self.folder / "bin" / "python3").symlink_to(Path(sys.base_prefix, "bin", "python3").resolve())
        (self.folder / "bin" / "prolog").write_text("#!/bin/sh\n")
        (self.folder / "bin" / "prolog").chmod(0o755)
        for number in range(configuration.GPUS):
            os.mknod(self.folder / f"gpu{number}", 0o020666, os.makedev(1, 3))

    def _start_head(self) -> None:
        head = self.machines["head"]
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        files = [f"--{name}={self.folder}/munge.{name[:-5]}" for name in ("pid-file", "log-file", "seed-file")]
        socket = self.folder / "munge.sock"
        head.start("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket}", *files)
        wait_until(socket.exists, "munged")
        if self.accounting:
            start_accounting(head, self.folder, self.address("head"))
        self.start_controller()


def _remove_cgroups(name: str) -> None:
    for top in Path("/sys/fs/cgroup").glob(f"*/{name}"):
        for folder, _, _ in os.walk(top, topdown=False):
            # One that is in use is somebody else's.
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
