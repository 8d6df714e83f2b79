"""The text of a test cluster's configuration files. Pure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

CPUS = 8
MEMORY_MB = 8192
GPUS = 8
DARK_NODES = {"dark": 1, "darker": 600}
"""Nodes that get no power, each alone in a partition of its name, and how many seconds that is waited for."""


def slurm_conf(folder: Path, head: str, nodes: Mapping[str, str], *, accounting: bool, memory_limits: bool) -> str:
    """Return slurm.conf.

    Args:
        head: the controller's address.
        nodes: name -> address.
        memory_limits: whether the kernel ends what takes more memory than its job may have.
    """
    limits = "proctrack/cgroup" if memory_limits else "proctrack/linuxproc"
    task = "task/cgroup" if memory_limits else "task/none"
    every = ",".join(nodes)
    lines = [
        "ClusterName=testbed",
        f"SlurmctldHost=head({head})",
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        f"AuthInfo=socket={folder}/munge.sock",
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={folder}/spool/%n",
        f"SlurmctldPidFile={folder}/slurmctld.pid",
        f"SlurmdPidFile={folder}/slurmd.%n.pid",
        f"ProctrackType={limits}",
        f"TaskPlugin={task}",
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=task=1",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "MpiDefault=none",
        "SwitchType=switch/none",
        # More processors, memory and GPUs than this machine has.
        "SlurmdParameters=config_overrides",
        "GresTypes=gpu",
        # A job starts within a second of its submission, and a failure is noticed within seconds.
        "SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=10,bf_interval=5",
        "OverTimeLimit=0",
        "KillWait=5",
        "InactiveLimit=0",
        "SlurmdTimeout=10",
        "SlurmctldTimeout=30",
        "MessageTimeout=10",
        "BatchStartTimeout=10",
        "UnkillableStepTimeout=30",
        "ReturnToService=2",
        "RebootProgram=/bin/true",
        # Of each machine's own, so that a test can put another one there.
        "Prolog=/usr/local/bin/prolog",
        # Nodes without power are given some when they get a job; those that have it keep it.
        "SuspendProgram=/bin/true",
        "ResumeProgram=/bin/true",
        "SuspendTime=86400",
        "MinJobAge=300",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "DefMemPerCPU=256",
        "PropagateResourceLimits=NONE",
        f"NodeName=DEFAULT CPUs={CPUS} RealMemory={MEMORY_MB} Gres=gpu:{GPUS} State=UNKNOWN",
        *(f"NodeName={name} NodeAddr={address}" for name, address in nodes.items()),
        *(f"NodeName={name} NodeAddr=192.0.2.1 State=CLOUD" for name in DARK_NODES),
        f"PartitionName=batch Nodes={every} Default=YES MaxTime=INFINITE DefaultTime=10 State=UP PriorityTier=1",
        f"PartitionName=urgent Nodes={every} MaxTime=60 DefaultTime=10 State=UP PriorityTier=10 PreemptMode=OFF",
        *(f"PartitionName={name} Nodes={name} ResumeTimeout={wait_s}" for name, wait_s in DARK_NODES.items()),
    ]
    if accounting:
        lines += [
            "AccountingStorageType=accounting_storage/slurmdbd",
            f"AccountingStorageHost={head}",
            f"AccountingStoragePass={folder}/munge.sock",
            "AccountingStorageTRES=gres/gpu",
        ]
    return _text(lines)


def gres_conf(folder: Path, nodes: Sequence[str]) -> str:
    """Return gres.conf: GPUs that are files."""
    return _text([f"NodeName={name} Name=gpu File={folder}/gpu[0-{GPUS - 1}]" for name in nodes])


def cgroup_conf(*, memory_limits: bool) -> str:
    """Return cgroup.conf."""
    lines = ["CgroupAutomount=no", "CgroupMountpoint=/sys/fs/cgroup"]
    return _text([*lines, "ConstrainRAMSpace=yes"] if memory_limits else lines)


def slurmdbd_conf(folder: Path, head: str) -> str:
    """Return slurmdbd.conf."""
    return _text(
        [
            "AuthType=auth/munge",
            f"AuthInfo=socket={folder}/munge.sock",
            "DbdHost=head",
            f"DbdAddr={head}",
            "SlurmUser=root",
            f"PidFile={folder}/slurmdbd.pid",
            "StorageType=accounting_storage/mysql",
            "StorageHost=localhost",
            "StorageUser=root",
            "StorageLoc=slurm_acct_db",
            "CommitDelay=0",
        ]
    )


def containers_conf() -> str:
    """Return podman's containers.conf: what works without systemd, and without raising limits."""
    return _text(
        [
            "[containers]",
            'netns = "host"',
            'default_ulimits = ["nofile=1024:20000", "nproc=4096:30000"]',
            'log_driver = "none"',
            "[engine]",
            'runtime = "runc"',
            'cgroup_manager = "cgroupfs"',
            'events_logger = "file"',
        ]
    )


def storage_conf(images: Path) -> str:
    """Return podman's storage.conf: each machine keeps its own containers, and all read the same images."""
    return _text(
        [
            "[storage]",
            'driver = "overlay"',
            'graphroot = "/run/containers/storage"',
            'runroot = "/run/containers/run"',
            "[storage.options]",
            f'additionalimagestores = ["{images}"]',
        ]
    )


def hosts(addresses: Mapping[str, str]) -> str:
    """Return /etc/hosts of every machine."""
    return _text(["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())])


def passwd(present: str, home: Path) -> str:
    """Return /etc/passwd in which root lives elsewhere."""
    users = [line.split(":") for line in present.splitlines()]
    return _text([":".join([*user[:5], str(home), *user[6:]] if user[0] == "root" else user) for user in users])


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
