"""Preflight of a cluster: what `evalyard doctor` and `evalyard run` look at before anything is submitted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

from evalyard.batch.answers import Row
from evalyard.batch.cluster import Cluster
from evalyard.errors import BackendError
from evalyard.plugins.context import Context
from evalyard.records.findings import Finding, Severity
from evalyard.records.plans import Plan

OUTPUT = "output folder"
MOUNTS = "mounts"
_FOLDERS = {"file": "is a file", "closed": "is not writable"}


def findings(
    cluster: Cluster, ctx: Context, plans: Sequence[Plan], *, which: Callable[[str], str | None] = shutil.which
) -> list[Finding]:
    """Return what was found about a cluster.

    Without plans there is no address (a bare `doctor`): then only a scheduler of this very machine is looked at, and
    its absence is no fault.
    """
    system = cluster.system
    subject = system.title.lower()
    if not plans and not ctx.connection.address and which(system.queue[0]) is None:
        message = "this machine is of no cluster; clusters are reached over ssh"
        return [Finding(severity=Severity.OK, subject=subject, message=message)]
    bad = Severity.ERROR if plans else Severity.WARNING
    output_dir = str(plans[0].payload.get("output_dir", "")) if plans else ""
    sources = sorted({str(source) for plan in plans for source in plan.payload.get("mounts", ())})
    try:
        rows = cluster.rows(ctx, "check", [output_dir], [(source,) for source in sources])
    except BackendError as error:
        return [
            Finding(
                severity=bad,
                subject=subject,
                message=error.message,
                remedy=error.hint or "",
                unreachable=error.transient,
            )
        ]
    where = ctx.connection.address.get("hostname", "") or "this machine"
    absent = [row[1] for row in rows if row[0] == "absent" and row[1] != "flock"]
    if absent:
        message = f"{where} has no {', '.join(absent)} on PATH"
        remedy = "set execution.hostname to a login node"
        return [Finding(severity=bad, subject=subject, message=message, remedy=remedy)]
    silent = [system.plain("\t".join(row[1:])) for row in rows if row[0] == "silent"]
    if silent:
        message, remedy = f"{where}: {silent[0] or 'no answer'}", "wait, or ask the cluster's team"
        return [Finding(severity=bad, subject=subject, message=message, remedy=remedy, unreachable=True)]
    found = [Finding(severity=Severity.OK, subject=subject, message=f"{system.title} answers on {where}")]
    if ("absent", "flock") in rows:
        message = f"{where} has no flock: two launchers of one run may both submit a job, of which one ends at once"
        remedy = "install util-linux there"
        found.append(Finding(severity=Severity.WARNING, subject=subject, message=message, remedy=remedy))
    return [*found, *_files(rows, sources)]


def _files(rows: Sequence[Row], sources: Sequence[str]) -> list[Finding]:
    found = []
    for row in rows:
        match row:
            case ("folder", "open", folder):
                found.append(Finding(severity=Severity.OK, subject=OUTPUT, message=f"{folder} is writable"))
            case ("folder", kind, folder):
                remedy = "set execution.output_dir to a folder of yours"
                message = f"{folder} {_FOLDERS[kind]}"
                found.append(Finding(severity=Severity.ERROR, subject=OUTPUT, message=message, remedy=remedy))
    missing = [row[1] for row in rows if row[0] == "missing"]
    if missing:
        remedy = "mounts, model folders and dataset_dir have to be on the cluster before a run"
        message = f"not on the cluster: {', '.join(missing)}"
        found.append(Finding(severity=Severity.ERROR, subject=MOUNTS, message=message, remedy=remedy))
    elif sources:
        found.append(Finding(severity=Severity.OK, subject=MOUNTS, message=f"{len(sources)} on the cluster"))
    return found
