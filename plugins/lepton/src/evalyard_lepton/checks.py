"""Preflight of a workspace: address and token, node groups, shapes, and the bodies that would be sent."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from evalyard import Context, EvalyardError, Finding, InvalidJob, NeedKind, Plan, Severity, Transient
from evalyard_lepton import jobs
from evalyard_lepton.gateway import LOGIN, Absent, Gateway, refused_endpoint, refused_job
from evalyard_lepton.workspaces import current_workspace

_REMEDIES: dict[type[Exception], str] = {
    Transient: "look at the network and the address (LEPTON_WORKSPACE_URL), or try again later",
    InvalidJob: "correct node_group in execution.lepton_platform",
}


def findings(ctx: Context, plans: Sequence[Plan]) -> tuple[Finding, ...]:
    """Return what was found; without plans and address, whether there is a login at all."""
    if not ctx.connection.address.get("workspace"):
        return (_without_workspace(wanted=bool(plans)),)
    try:
        gateway = Gateway(ctx)
        name = gateway.workspace()
    except (EvalyardError, Absent) as error:
        return (_failed("workspace", error),)
    found = [Finding(severity=Severity.OK, subject="workspace", message=f"{name} answers")]
    with contextlib.suppress(Absent):
        found += _places(gateway, plans)
    return (*found, *_bodies(ctx, plans))


def _without_workspace(*, wanted: bool) -> Finding:
    # A bare doctor has no connection: whoever never uses Lepton shall not be told that something is wrong.
    there = current_workspace().get("workspace", "")
    if there and not wanted:
        return Finding(severity=Severity.OK, subject="workspace", message=f"{there} is the current one")
    severity = Severity.ERROR if wanted else Severity.WARNING
    return Finding(severity=severity, subject="workspace", message="no workspace is named", remedy=LOGIN)


def _failed(subject: str, error: Exception) -> Finding:
    message = error.message if isinstance(error, EvalyardError) else str(error)
    remedy = (error.hint if isinstance(error, EvalyardError) else None) or _REMEDIES.get(type(error), "")
    return Finding(
        severity=Severity.ERROR,
        subject=subject,
        message=message,
        remedy=remedy,
        unreachable=isinstance(error, Transient),
    )


def _places(gateway: Gateway, plans: Sequence[Plan]) -> list[Finding]:
    """Look at every node group and shape that is asked for, each once."""
    wanted: dict[tuple[str, str], None] = {}
    for plan in plans:
        wanted[str(plan.payload["node_group"]), _shape(plan.payload["job"]["spec"])] = None
        for need in plan.needs:
            if need.kind is NeedKind.SERVER:
                requirement = need.payload["endpoint"]["spec"]["resource_requirement"]
                wanted[str(need.payload["node_group"]), _shape(requirement)] = None
    found = []
    for group, shape in wanted:
        try:
            group_id = gateway.node_group(group) if group else ""
            if group:
                found.append(Finding(severity=Severity.OK, subject="node group", message=f"{group} is there"))
            there = gateway.shapes(group_id)
        except EvalyardError as error:
            found.append(_failed("node group", error))
            continue
        if shape in there:
            found.append(Finding(severity=Severity.OK, subject="shape", message=f"{shape} is there"))
        else:
            # Perhaps it is one that is not listed: the service decides.
            text = f"no shape '{shape}'{f' in {group}' if group else ''}; there are: {', '.join(sorted(there))}"
            remedy = "correct resource_shape"
            found.append(Finding(severity=Severity.WARNING, subject="shape", message=text, remedy=remedy))
    return found


def _shape(spec: Mapping[str, Any]) -> str:
    return str(spec.get("resource_shape") or "")


def _bodies(ctx: Context, plans: Sequence[Plan]) -> list[Finding]:
    refused: dict[str, None] = {}
    for plan in plans:
        refused[refused_job(jobs.job_body(plan, ctx.owner, ""))] = None
        for need in plan.needs:
            if need.kind is NeedKind.SERVER:
                refused[refused_endpoint(need.payload["endpoint"])] = None
    remedy = "correct execution.lepton_platform or deployment.lepton_config"
    return [
        Finding(severity=Severity.ERROR, subject="what is sent", message=text, remedy=remedy)
        for text in refused
        if text
    ]
