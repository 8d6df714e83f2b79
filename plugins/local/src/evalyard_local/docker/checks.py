"""Preflight of Docker: the command, the engine, its disk, the images, and the way from a container to the endpoint."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalyard import BackendError, Context, Finding, Need, NeedKind, Plan, Severity
from evalyard_local.checks import space_finding
from evalyard_local.docker.engine import ELSEWHERE_REMEDY, Address, asking, elsewhere, engine_address
from evalyard_local.docker.images import local_image
from evalyard_local.docker.probe import Probe, failed, reach, unknown
from evalyard_local.docker.pulls import absent, size_text
from evalyard_local.settings import Pull

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

ENGINE = "docker engine"
COMMAND = "docker command"
DISK = "docker disk space"
IMAGE = "image"

Which = Callable[[str], str | None]


def findings(ctx: Context, plans: Sequence[Plan], *, which: Which = shutil.which) -> list[Finding]:
    """Return what was found about Docker.

    Without plans (a bare `doctor`) its absence is a warning, as host processes need none; with plans of containers it
    is an error; with plans of host processes alone nothing is looked at.
    """
    images = _images(plans)
    if plans and not images:
        return []
    bad = Severity.ERROR if plans else Severity.WARNING
    found = [_command(which, bad)]
    try:
        address = engine_address()
        if address.machine:
            return [*found, _finding(bad, ENGINE, elsewhere(address), ELSEWHERE_REMEDY)]
        with asking(ctx) as client:
            found += _engine(client, address)
            found += [finding for image, pulls in images.items() for finding in _image(client, image, pulls)]
            if ctx.thorough:
                found += _reached(ctx, client, plans)
    except BackendError as error:
        found.append(_finding(bad, ENGINE, error.message, error.hint or "", unreachable=error.transient))
    return found


def image_needs(plans: Iterable[Plan]) -> Iterator[Need]:
    """Give the needs of plans that are images."""
    for plan in plans:
        for need in plan.needs:
            if need.kind is NeedKind.ENVIRONMENT and "image" in need.payload:
                yield need


def _images(plans: Iterable[Plan]) -> Mapping[str, set[Pull]]:
    found: dict[str, set[Pull]] = {}
    for need in image_needs(plans):
        found.setdefault(str(need.payload["image"]), set()).add(Pull(need.payload["pull"]))
    return found


def _command(which: Which, bad: Severity) -> Finding:
    path = which("docker")
    if path is None:
        remedy = "install it (https://docs.docker.com/engine/install), or run without: --no-docker"
        return _finding(bad, COMMAND, "there is no docker on PATH", remedy)
    return _finding(Severity.OK, COMMAND, path)


def _engine(client: DockerClient, address: Address) -> Iterator[Finding]:
    info, version = client.info(), client.version()
    yield _finding(
        Severity.OK, ENGINE, f"{version['Version']}, {version['Os']}/{version['Arch']} ({address.url}){_kind(info)}"
    )
    root = Path(info.get("DockerRootDir") or "/")
    # Docker Desktop keeps its folder within a machine of its own, whose paths may exist here too.
    if info.get("Name") == platform.node() and root.is_dir():
        yield space_finding(DISK, root, "docker system df; docker system prune")


def _kind(info: Mapping[str, Any]) -> str:
    options = info.get("SecurityOptions") or ()
    if any("name=rootless" in option for option in options):
        return "; rootless: root in a container is you"
    if any("name=userns" in option for option in options):
        return "; user namespaces: root in a container is nobody here, so it may not write your folders"
    return ""


def _image(client: DockerClient, image: str, pulls: set[Pull]) -> Iterator[Finding]:
    try:
        found = local_image(client, image)
    except BackendError as error:
        yield _finding(Severity.ERROR, IMAGE, error.message, error.hint or "")
        return
    if found is None:
        if Pull.NEVER in pulls:
            refusal = absent(image)
            yield _finding(Severity.ERROR, IMAGE, refusal.message, refusal.hint or "")
        else:
            yield _finding(Severity.OK, IMAGE, f"{image}: not here; it is pulled when the run begins")
        return
    foreign = _foreign(image, found, client.version())
    yield foreign or _finding(Severity.OK, IMAGE, f"{image}: here ({size_text(found.attrs.get('Size', 0))})")


def _foreign(image: str, found: Image, version: Mapping[str, Any]) -> Finding | None:
    made_for = found.attrs.get("Architecture") or ""
    if not made_for or made_for == version["Arch"]:
        return None
    return _finding(
        Severity.WARNING,
        IMAGE,
        f"{image} is made for {made_for}, and the engine is {version['Arch']}: it runs slowly, or not at all",
        f"use an image for {version['Arch']}, or a machine that is {made_for}",
    )


def _reached(ctx: Context, client: DockerClient, plans: Iterable[Plan]) -> Iterator[Finding]:
    asked = {
        Probe(image=plan.image, network=str(plan.payload.get("network", "")), url=str(plan.payload["probe_url"]))
        for plan in plans
        if plan.image and plan.payload.get("probe_url")
    }
    for probe in sorted(asked):
        yield _asked(ctx, client, probe)


def _asked(ctx: Context, client: DockerClient, probe: Probe) -> Finding:
    from docker.errors import APIError
    from requests.exceptions import ConnectionError as Broken, Timeout

    if ctx.remaining_s <= 0:
        return unknown(probe, "there was no time left")
    try:
        if local_image(client, probe.image) is None:
            return unknown(probe, "the image is not here yet")
        return reach(client, probe, timeout_s=ctx.remaining_s)
    except BackendError as error:
        return unknown(probe, error.message)
    except APIError as error:
        return failed(probe, error.explanation or str(error))
    except (Timeout, Broken):
        # The SDK tells a container that does not end as either.
        return failed(probe, "no answer in time")


def _finding(severity: Severity, subject: str, message: str, remedy: str = "", *, unreachable: bool = False) -> Finding:
    return Finding(severity=severity, subject=subject, message=message, remedy=remedy, unreachable=unreachable)
