"""Preflight of a cluster: what `evalyard doctor` and `evalyard run` look at before anything is submitted."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence

from attrs import evolve

from evalyard import BackendError, Context, Finding, Plan, Severity, walltime_seconds
from evalyard_slurm import nodes
from evalyard_slurm.nodes import Row, finding
from evalyard_slurm.scheduler import passes, plain
from evalyard_slurm.system import CLUSTER

SLURM = "slurm"
OUTPUT = "output folder"
JOBS = "slurm jobs"
MOUNTS = "mounts"
FREE_WARNING_BYTES = 2 * 1024**3
_NO_SUCH_NODES = "node configuration is not available"
_IN_SERVICE = ("idle", "mixed", "alloc", "comp", "planned", "resv", "reserved")
_OF_ONE_MACHINE = frozenset({"tmpfs", "ramfs"})

Which = Callable[[str], str | None]

_NO_SLURM = Finding(
    severity=Severity.OK, subject=SLURM, message="this machine is of no cluster; clusters are reached over ssh"
)


def findings(ctx: Context, plans: Sequence[Plan], *, which: Which = shutil.which) -> list[Finding]:
    """Return what was found about a cluster.

    Without plans there is no address (a bare `doctor`): then only a Slurm of this very machine is looked at, and its
    absence is no fault.
    """
    if not plans and not ctx.connection.address and which("squeue") is None:
        return [_NO_SLURM]
    first = plans[0].payload if plans else {}
    flags = [str(flag) for flag in first.get("flags", ())]
    sources = sorted({str(source) for plan in plans for source in plan.payload.get("mounts", ())})
    try:
        output_dir = str(first.get("output_dir", ""))
        rows = CLUSTER.rows(ctx, "check", [output_dir, *flags], [(source,) for source in sources])
    except BackendError as error:
        bad = Severity.ERROR if plans else Severity.WARNING
        return [finding(bad, SLURM, error.message, error.hint or "", unreachable=error.transient)]
    if not plans:
        return _bare(rows)
    found = _commands(rows, ctx.connection.address.get("hostname", ""))
    for row in rows:
        match row:
            case ("folder", kind, folder, *details):
                found.append(_folder(kind, folder, details))
            case ("taken", said):
                found.append(finding(Severity.OK, JOBS, plain(said) or "sbatch takes them"))
            case ("refused", said):
                found.append(_refused(said, away=_away(rows)))
            case ("partition", text):
                found += _limits(text, flags)
    missing = [row[1] for row in rows if row[0] == "missing"]
    if missing:
        remedy = "mounts, model folders and dataset_dir have to be on the cluster before a run"
        found.append(finding(Severity.ERROR, MOUNTS, f"not on the cluster: {', '.join(missing)}", remedy))
    elif sources:
        found.append(finding(Severity.OK, MOUNTS, f"{len(sources)} on the cluster"))
    if ctx.thorough and not any(one.severity is Severity.ERROR for one in found):
        found += nodes.findings(ctx, plans)
    return found


def _bare(rows: Sequence[Row]) -> list[Finding]:
    found = _commands(rows, "")
    silent = next((row[1] for row in rows if row[0] == "silent"), "")
    if "configuration source" in silent or any(row[0] == "absent" and row[1] != "flock" for row in rows):
        return [_NO_SLURM]
    return [evolve(one, severity=Severity.WARNING) if one.severity is Severity.ERROR else one for one in found]


def _commands(rows: Sequence[Row], hostname: str) -> list[Finding]:
    where = hostname or "this machine"
    absent = [row[1] for row in rows if row[0] == "absent" and row[1] != "flock"]
    if absent:
        remedy = f"is {where} a login node of the cluster?" if hostname else "set execution.hostname to a login node"
        return [finding(Severity.ERROR, SLURM, f"{where} has no {', '.join(absent)} on PATH", remedy)]
    silent = [plain(row[1]) for row in rows if row[0] == "silent"]
    if silent:
        remedy = "wait, or ask the cluster's team"
        return [finding(Severity.ERROR, SLURM, f"{where}: {silent[0]}", remedy, unreachable=True)]
    version = next((row[1] for row in rows if row[0] == "version"), "slurm")
    found = [finding(Severity.OK, SLURM, f"{version} on {where}")]
    if ("absent", "flock") in rows:
        message = f"{where} has no flock: two launchers of one run may both submit a job, of which one ends at once"
        found.append(finding(Severity.WARNING, SLURM, message, "install util-linux there"))
    return found


def _folder(kind: str, folder: str, details: Sequence[str]) -> Finding:
    if kind == "file":
        return finding(Severity.ERROR, OUTPUT, f"{folder} is a file", "set execution.output_dir to a folder")
    if kind == "closed":
        return finding(
            Severity.ERROR, OUTPUT, f"{folder} is not writable", "set execution.output_dir to a folder of yours"
        )
    free, system = (*details, "", "")[:2]
    if system in _OF_ONE_MACHINE:
        message = f"{folder} is in the memory of the login node ({system}), which other nodes do not see"
        return finding(Severity.WARNING, OUTPUT, message, "set execution.output_dir to a folder that all nodes share")
    if free.isdigit() and int(free) * 1024 < FREE_WARNING_BYTES:
        message = f"{int(free) / 1024**2:.1f} GiB free in {folder}"
        return finding(
            Severity.WARNING, OUTPUT, message, "make room there, or set execution.output_dir to another disk"
        )
    return finding(Severity.OK, OUTPUT, f"{folder} is writable")


def _away(rows: Sequence[Row]) -> bool:
    """Whether nodes of the partition are out of service, for a while as may be."""
    states = " ".join(row[1] for row in rows if row[0] == "nodes").split()
    return any(not state.rstrip("*~#!%$@^-+").startswith(_IN_SERVICE) for state in states)


def _refused(said: str, *, away: bool) -> Finding:
    text = plain(said).replace("allocation failure: ", "")
    if passes(said):
        return finding(Severity.ERROR, JOBS, text, "wait, and try again", unreachable=True)
    remedy = "look at what there is: sinfo; sacctmgr show associations user=$USER"
    if away and _NO_SUCH_NODES in text:
        # It does not tell these from nodes that there are not; sbatch itself takes the job, which waits for them.
        return finding(Severity.WARNING, JOBS, f"no node takes them now: {text}", remedy)
    return finding(Severity.ERROR, JOBS, f"sbatch refuses them: {text}", remedy)


def _limits(partition: str, flags: Sequence[str]) -> list[Finding]:
    """Look at what `sbatch --test-only` lets pass: a job that waits for ever because of its walltime or its size."""
    known = dict(re.findall(r"(\w+)=(\S+)", partition))
    asked = dict(flag.split("=", 1) for flag in flags if "=" in flag)
    name = known.get("PartitionName", "")
    found = []
    try:
        longest_s = walltime_seconds(known["MaxTime"]) if known.get("MaxTime", "UNLIMITED") != "UNLIMITED" else None
        if longest_s is not None and walltime_seconds(asked.get("--time", "0")) > longest_s:
            message = f"partition {name} allows {known['MaxTime']}, and the walltime is {asked['--time']}"
            remedy = f"-o execution.walltime={known['MaxTime']}"
            found.append(finding(Severity.ERROR, JOBS, message, remedy))
    except ValueError:
        pass  # a limit that Slurm writes in a way of its own: sbatch has the last word
    most = min((int(known[key]) for key in ("MaxNodes", "TotalNodes") if known.get(key, "").isdigit()), default=None)
    if most is not None and asked.get("--nodes", "").isdigit() and int(asked["--nodes"]) > most:
        message = f"partition {name} gives {most} nodes to a job, and num_nodes is {asked['--nodes']}"
        found.append(finding(Severity.ERROR, JOBS, message, f"-o execution.num_nodes={most}"))
    state = known.get("State", "UP")
    if state != "UP":
        found.append(finding(Severity.WARNING, JOBS, f"partition {name} is {state}: jobs will wait", "sinfo"))
    return found
