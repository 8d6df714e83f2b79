"""Preflight of this machine: what `evalyard doctor` and `evalyard run` look at before anything starts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from evalyard import Finding, NeedKind, Plan, Severity
from evalyard_local.plans import HOST
from evalyard_local.ports import port_in_use

FREE_ERROR_BYTES = 100 * 1024**2
"""With less than this, results may not fit: an error."""
FREE_WARNING_BYTES = 2 * 1024**3
"""With less than this, a run of any size is at risk: a warning."""

Which = Callable[[str], str | None]


def findings(plans: Sequence[Plan], *, which: Which = shutil.which) -> tuple[Finding, ...]:
    """Return what was found about the shell, the output folder, its disk and the ports that plans want."""
    found = [_shell(which)]
    for parent in sorted({str(Path(plan.directory).parent.parent) for plan in plans}):
        found += _folder(Path(parent))
    wanted = {
        int(need.payload["port"]): str(need.payload.get("section", "deployment"))
        for plan in plans
        for need in plan.needs
        # A server in a container listens in a network of its own.
        if need.kind is NeedKind.SERVER and need.payload.get("port") and HOST in need.payload.get("base_url", HOST)
    }
    found += [_port(HOST, port, section) for port, section in sorted(wanted.items())]
    return tuple(found)


def _shell(which: Which) -> Finding:
    path = which("sh")
    if path is None:
        return _error("shell", "there is no sh on PATH", "add the folder of sh (usually /bin) to PATH")
    return Finding(severity=Severity.OK, subject="shell", message=path)


def _folder(folder: Path) -> list[Finding]:
    existing = next(parent for parent in (folder, *folder.parents) if _exists(parent))
    if not existing.is_dir():
        return [_error("output folder", f"{existing} is a file", "set execution.output_dir to a folder")]
    if not os.access(existing, os.W_OK | os.X_OK):
        return [_error("output folder", f"{existing} is not writable", f"chmod u+w {existing}, or another output_dir")]
    remedy = f"make room in {existing}, or set execution.output_dir to another disk"
    return [space_finding("disk space", existing, remedy)]


def space_finding(subject: str, folder: Path, remedy: str) -> Finding:
    """Say whether the disk of a folder that exists has room for a run."""
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GiB free in {folder}"
    if free < FREE_ERROR_BYTES:
        return _error(subject, text, remedy)
    if free < FREE_WARNING_BYTES:
        return Finding(severity=Severity.WARNING, subject=subject, message=text, remedy=remedy)
    return Finding(severity=Severity.OK, subject=subject, message=text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        # Below a folder that may not be entered: the look at that folder says so.
        return False


def _port(host: str, port: int, section: str) -> Finding:
    if port_in_use(host, port):
        return _error("server port", f"{host}:{port} is in use", f"set {section}.port to another one, or 0 for any")
    return Finding(severity=Severity.OK, subject="server port", message=f"{host}:{port} is free")


def _error(subject: str, message: str, remedy: str) -> Finding:
    return Finding(severity=Severity.ERROR, subject=subject, message=message, remedy=remedy)
