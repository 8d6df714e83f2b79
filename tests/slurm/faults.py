"""What goes wrong at a cluster for a while, or by a word that no command has."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.slurm.cluster import Cluster
from tests.slurm.machine import DEADLINE_S

# With JOB_RECONFIG_FAIL of slurm.h.
_GIVE_UP_BOOTING = """
import ctypes, sys
slurm = ctypes.CDLL(sys.argv[1], ctypes.RTLD_GLOBAL)
slurm.slurm_init(None)
slurm.slurm_strerror.restype = ctypes.c_char_p
print(slurm.slurm_strerror(slurm.slurm_requeue(int(sys.argv[2]), 1 << 17)).decode())
"""


def give_up_booting(cluster: Cluster, job: str) -> None:
    """Say that the nodes of a job cannot be booted, as a program does that boots nodes."""
    library = next(Path("/usr/lib").rglob("libslurmfull.so"))
    done = subprocess.run(
        [sys.executable, "-c", _GIVE_UP_BOOTING, library, job],
        capture_output=True,
        text=True,
        env=cluster.environment,
        timeout=DEADLINE_S,
        check=False,
    )
    # The controller may not put the job back into its queue, and so ends it.
    assert "disabled" in done.stdout, done.stdout + done.stderr


@contextlib.contextmanager
def failing_prolog(cluster: Cluster, node: str) -> Iterator[None]:
    """Let a node start no job: the first one that it is given takes it out of service."""
    machine = cluster.machines[node]
    machine.install("prolog", "#!/bin/sh\nexit 1\n")
    try:
        yield
    finally:
        machine.install("prolog", "#!/bin/sh\n")


@contextlib.contextmanager
def swallowing(cluster: Cluster, name: str) -> Iterator[None]:
    """Let a machine answer nothing to this one: it neither takes nor refuses connections, and open ones fall still."""
    machine, route = cluster.machines[name], ("blackhole", f"{cluster.this_machine}/32")
    machine.run("ip", "route", "add", *route)
    try:
        yield
    finally:
        machine.run("ip", "route", "del", *route)
