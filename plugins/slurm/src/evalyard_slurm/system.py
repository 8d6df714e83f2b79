"""Slurm as a batch scheduler: what is asked of it, and who reads the answers."""

from __future__ import annotations

from importlib.resources import files

from evalyard import BatchSystem, Cluster
from evalyard_slurm.scheduler import parse_accounts, parse_queue, passes, plain, server_words
from evalyard_slurm.states import STATES, observe

_QUEUE = ("squeue", "--noheader", "--states=all")
_FORMAT = "--format=%i|%T|%r|%e|%j"

SLURM = BatchSystem(
    title="Slurm",
    submit=("sbatch", "--parsable", "--job-name={name}", "{script}", "{attempt}"),
    number=r"^(\d+)(?:;|$)",
    number_variable="SLURM_JOB_ID",
    queue=(*_QUEUE, "--user={uid}", _FORMAT),
    queue_of=(*_QUEUE, "--jobs={numbers}", _FORMAT),
    queue_folders=(*_QUEUE, "--user={uid}", f"{_FORMAT}|%Z"),
    parse_queue=parse_queue,
    none_known=("Invalid job id",),
    accounts=(
        *("sacct", "--noheader", "--parsable2", "--allocations"),
        *("--jobs={numbers}", "--format=JobIDRaw,State,ExitCode,End,JobName"),
    ),
    parse_accounts=parse_accounts,
    no_accounts=("accounting storage is disabled",),
    cancel=("scancel", "{numbers}"),
    states=STATES,
    header="#SBATCH",
    own_variables=("SLURM_*", "SBATCH_*", "SQUEUE_*", "SACCT_*", "SCANCEL_*", "SINFO_*", "SCONTROL_*"),
    kept_variables=("SLURM_CONF",),  # names the cluster
    passes=passes,
    plain=plain,
    server_words=server_words,
    observe=observe,
    commands={
        name: files("evalyard_slurm").joinpath(f"{name}.sh").read_text(encoding="utf-8") for name in ("check", "look")
    },
)

CLUSTER = Cluster(SLURM)
