"""What a node of the cluster sees: a step of a minute, for whoever has the time (`evalyard doctor`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalyard import BackendError, Context, Finding, Plan, Severity
from evalyard_slurm.scheduler import plain
from evalyard_slurm.system import CLUSTER

NODE = "node"
ENDPOINT = "endpoint from a node"
PATIENCE_S = 30
"""How long a free node is waited for."""
_PLACE = frozenset({"--account", "--partition", "--qos", "--reservation", "--constraint", "--nodelist", "--exclude"})
"""Flags of jobs that say where they may run."""

Row = tuple[str, ...]


def findings(ctx: Context, plans: Sequence[Plan]) -> list[Finding]:
    """Return what is found out from a node; a node that is not free in time is no fault."""
    first = plans[0].payload
    flags = [str(flag) for flag in first.get("flags", ()) if str(flag).partition("=")[0] in _PLACE]
    lines = {("image", str(image)) for plan in plans for image in plan.payload.get("images", ())}
    lines |= {("program", str(name)) for plan in plans for name in plan.payload.get("programs", ())}
    runtime, folder = str(first.get("runtime", "")), str(first.get("output_dir", ""))
    host, _, port = str(first.get("endpoint", "")).rpartition(":")
    patience_s = int(min(PATIENCE_S, ctx.remaining_s / 3))
    try:
        rows = CLUSTER.rows(ctx, "look", [str(patience_s), folder, runtime, host, port, *flags], sorted(lines))
    except BackendError as error:
        return [finding(Severity.WARNING, NODE, f"no node was asked: {error.message}")]
    node = next((row[1] for row in rows if row[0] == "node" and len(row) == 2), "")
    if not node or ("looked",) not in rows:
        words = plain(" ".join(row[0] for row in rows if len(row) == 1)) or "none answered"
        return [finding(Severity.WARNING, NODE, f"no node was asked: {words}", "try again when one is free: sinfo")]
    return list(_seen(rows, node, runtime, folder, f"{host}:{port}"))


def _seen(rows: Sequence[Row], node: str, runtime: str, folder: str, endpoint: str) -> Iterator[Finding]:
    for row in rows:
        match row:
            case ("shared",):
                yield finding(Severity.OK, NODE, f"{node} sees {folder} as the login node does")
            case ("unseen",):
                remedy = "set execution.output_dir to a folder that all nodes share"
                yield finding(
                    Severity.ERROR, NODE, f"{node} does not see what the login node writes to {folder}", remedy
                )
            case ("closed",):
                remedy = "set execution.output_dir to a folder that jobs may write to"
                yield finding(Severity.ERROR, NODE, f"{folder} is not writable on {node}", remedy)
            case ("runtime", version):
                yield finding(Severity.OK, NODE, f"{node} has {version}")
            case ("bare", said):
                remedy = "-o execution.container_runtime=... with what the cluster has, or none"
                yield finding(Severity.ERROR, NODE, f"{node} has no {runtime}: {said}", remedy)
            case ("there", name):
                yield finding(Severity.OK, NODE, f"{node} has {name}")
            case ("away", name):
                yield finding(Severity.OK, NODE, f"{node} has not pulled {name}: it does when a job begins")
            case ("unreadable", name):
                remedy = "put it on a disk that all nodes share, and let them read it"
                yield finding(Severity.ERROR, NODE, f"{node} cannot read {name}", remedy)
            case ("missing", name):
                remedy = "install it where every node finds it, or use containers: execution.container_runtime"
                yield finding(Severity.ERROR, NODE, f"{node} has no {name} on PATH", remedy)
            case ("reached",):
                yield finding(Severity.OK, ENDPOINT, f"{endpoint} takes connections from {node}")
            case ("unreached", said):
                remedy = "start the server, or -o target.api_endpoint.url=... as a node reaches it"
                message = f"{endpoint} takes no connections from {node}: {said or 'no answer within 10 s'}"
                yield finding(Severity.ERROR, ENDPOINT, message, remedy, unreachable=True)


def finding(severity: Severity, subject: str, message: str, remedy: str = "", *, unreachable: bool = False) -> Finding:
    """Return what is told of a subject."""
    return Finding(severity=severity, subject=subject, message=message, remedy=remedy, unreachable=unreachable)
