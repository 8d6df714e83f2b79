"""The same on a cluster of Slurm, over ssh: what is killed is the launcher at its desk."""

from __future__ import annotations

import os
import secrets
import signal
from collections import Counter
from typing import ClassVar

import psutil
from attrs import field, frozen

from evalyard.ids import backend_name
from tests.slurm.sshd import Login
from tests.sweep.scenarios import Scenario, Yard

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="slurm-run", wait=True),
        Scenario(name="slurm-keeper-with-server", served=True, keeper=True),
        Scenario(name="slurm-resume", command="resume", wait=True),
        Scenario(name="slurm-kill", command="kill"),
    )
}
DEPLOYMENT = """\
deployment:
  type: generic
  command: exec python3 -m http.server "$PORT" --bind "$HOST"
  served_model_name: m
  port: 0
  endpoints: {health: /}"""


DISK = "/run/disk"


@frozen(kw_only=True)
class ClusterYard(Yard):
    """One scenario whose jobs are a cluster's."""

    watched: ClassVar[tuple[str, ...]] = (
        "evalyard.orchestrator",
        "evalyard.store",
        "evalyard.harness",
        "evalyard.batch",
        "evalyard_slurm",
    )

    login: Login
    output_dir: str = field(init=False)
    """On a disk that the login machine and the nodes share, and this machine does not: results have to come home."""

    def __attrs_post_init__(self) -> None:
        cluster = self.login.cluster
        disk = cluster.folder / "disk"
        disk.mkdir(exist_ok=True)
        for name in ("login", *cluster.nodes):
            mount = f"mkdir -p {DISK} && {{ mountpoint -q {DISK} || mount --bind {disk} {DISK}; }}"
            cluster.machines[name].run("sh", "-c", mount)
        object.__setattr__(self, "output_dir", f"{DISK}/{secrets.token_hex(8)}")
        super().__attrs_post_init__()
        self.environ["PATH"] = os.pathsep.join([str(self.login.bin), self.environ["PATH"]])

    def execution(self) -> str:
        """Return the `execution` section: processes of the nodes, many on one of them."""
        return (
            f"{{type: slurm, hostname: {self.login.hostname}, output_dir: {self.output_dir}, container_runtime: none, "
            "walltime: '00:20:00', gres: null, sbatch_extra_flags: {exclusive: false, mem: 100}, poll_interval_s: 1}"
        )

    def model(self) -> str:
        """Return the section that says which model is evaluated."""
        return DEPLOYMENT if self.scenario.served else super().model()

    def running(self) -> list[str]:
        """Return all processes and jobs that live."""
        queue = self._queue("--format=%i %j %T %Z")
        return [*super().running(), *(line for line in queue if f" {self.output_dir}/" in line)]

    def owns(self, process: psutil.Process) -> bool:
        """Whether a process was started for this scenario, here or on a node; a connection is kept open a while."""
        if super().owns(process):
            return "[mux]" not in " ".join(process.cmdline())
        return process.environ().get("SLURM_SUBMIT_DIR", "").startswith(f"{self.output_dir}/")

    def too_many(self) -> list[str]:
        """Say which attempts were not submitted exactly once."""
        queue = self._queue("--states=all", "--format=%j %Z")
        names = Counter(line.split()[0] for line in queue if f" {self.output_dir}/" in line)
        wanted = {
            backend_name(invocation, number, attempt)
            for invocation in self.store.invocations()
            for number, _ in enumerate(self.tasks, start=1)
            for attempt in self.attempts
        }
        return [f"{names[name]} submissions of {name}" for name in sorted(wanted | set(names)) if names[name] != 1]

    def clear(self) -> None:
        """Close the connections, and end what should not be there, so that the next scenario is undisturbed."""
        for process in psutil.process_iter():
            try:
                if Yard.owns(self, process) or self.owns(process):
                    process.send_signal(signal.SIGKILL)
            except psutil.Error:
                continue
        jobs = [line.split()[0] for line in self._queue("--format=%i %Z") if f" {self.output_dir}/" in line]
        if jobs:
            self.login.cluster.ask("scancel", *jobs, code=None)

    def _queue(self, *options: str) -> list[str]:
        return self.login.cluster.ask("squeue", "--noheader", *options).splitlines()
