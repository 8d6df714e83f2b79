"""Containers and networks that carry our marks: looked at, ended, removed, through Docker's SDK.

What happens with a container is normally seen to by the script that made it. This is for the rest: whether the engine
answers at all, what became of a container whose script was killed, and nothing left behind.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define

from evalyard import BackendError, Context, Handle, JobState, NeedKind, Observation
from evalyard_local.docker.engine import asking
from evalyard_local.docker.listing import Left, Listed, all_left, listed
from evalyard_local.docker.script import OWNER_LABEL, TOKEN_LABEL
from evalyard_local.settings import Keep

if TYPE_CHECKING:
    from docker import DockerClient

GOES_ON = "its script was killed; the container runs on"
OUT_OF_MEMORY = "out of memory"
KILLED = "killed by SIGKILL: by somebody, or for want of memory"
MOST_AT_ONCE = 16
_SIGKILLED = 137
_REMOVAL_S = 5.0
_TRUSTED_S = 10.0
_POLL_S = 0.05


@define
class Trust:
    """That an engine which answered still does: while every script lives, there is nothing else to ask it."""

    until: float = -math.inf

    @property
    def holds(self) -> bool:
        """Whether it answered lately."""
        return time.monotonic() < self.until

    def renew(self) -> None:
        """Say that it has answered now."""
        self.until = time.monotonic() + _TRUSTED_S


def contained(handles: Iterable[Handle]) -> list[Handle]:
    """Return those of these handles that have a container."""
    return [handle for handle in handles if handle.data.get("container")]


def observe(
    ctx: Context, handles: Sequence[Handle], seen: Mapping[str, Observation | None], trust: Trust | None = None
) -> dict[str, Observation]:
    """Say where containers stand that have left no exit file: at most one question to the engine for all.

    Args:
        seen: what their scripts' processes say; None = nothing is to be found of one.
        trust: what is remembered between calls.

    Returns:
        What is to be said instead of `seen`, by name.
    """
    unsure = [handle for handle in handles if (known := seen.get(handle.name)) is None or known.exit is None]
    scriptless = [
        handle for handle in unsure if (known := seen.get(handle.name)) is None or known.state is not JobState.RUNNING
    ]
    if not unsure or (trust is not None and trust.holds and not scriptless):
        return {}
    try:
        with asking(ctx) as client:
            there = {found.token: found for found in listed(client)}
            if trust is not None:
                trust.renew()
            return {
                handle.name: _without_script(client, handle, found)
                for handle in scriptless
                if (found := there.get(handle.mark)) is not None
            }
    except BackendError as error:
        unknown = Observation(state=JobState.UNKNOWN, reason=error.message)
        return {handle.name: unknown for handle in unsure}


def _without_script(client: DockerClient, handle: Handle, found: Listed) -> Observation:
    """Say where a container stands whose script was killed."""
    from docker.errors import NotFound

    if found.running:
        return Observation(state=JobState.RUNNING, reason=GOES_ON)
    try:
        state: Mapping[str, Any] = client.api.inspect_container(found.id)["State"]
    except NotFound:
        return Observation(state=JobState.FAILED, reason="its container was removed by somebody else")
    return ended(state, results_there=_results_there(handle))


def ended(state: Mapping[str, Any], *, results_there: bool) -> Observation:
    """Say what the engine's account of an ended container proves. Pure."""
    code, words = int(state.get("ExitCode", -1)), str(state.get("Error", ""))
    times = str(state.get("StartedAt", ""))
    if state.get("Status") == "created":
        return Observation(state=JobState.FAILED, reason=words or "its container was made and never started")
    if code == 0:
        reason = "" if results_there else "the harness exited with code 0 and left no result file"
        final = JobState.SUCCEEDED if results_there else JobState.FAILED
        return Observation(state=final, reason=reason, started_at=times)
    if state.get("OOMKilled"):
        return Observation(state=JobState.FAILED, reason=OUT_OF_MEMORY, started_at=times)
    reason = words or (KILLED if code == _SIGKILLED else f"exit code {code}")
    return Observation(state=JobState.FAILED, reason=reason, started_at=times)


def _results_there(handle: Handle) -> bool:
    wanted = handle.data.get("results")
    return not wanted or (Path(handle.data["directory"]) / "artifacts" / wanted).exists()


def running(ctx: Context, handle: Handle) -> bool:
    """Whether the container of a handle runs; False when the engine cannot be asked."""
    with contextlib.suppress(BackendError), asking(ctx) as client:
        return any(found.running for found in listed(client, **{TOKEN_LABEL: handle.mark}))
    return False


def end(ctx: Context, handles: Sequence[Handle], unasked: Collection[str]) -> tuple[Handle, ...]:
    """End the containers of these handles that still run, side by side; return those that could not be ended.

    Args:
        unasked: names of those that nobody has asked to end: they get SIGTERM and their grace first.
    """

    def ended(handle: Handle, left: Left) -> bool:
        return _end(ctx, handle, left, asked=handle.name not in unasked)

    return _each(ctx, handles, ended)


def remove(
    ctx: Context, handles: Sequence[Handle], unasked: Collection[str], succeeded: Collection[str]
) -> tuple[Handle, ...]:
    """End the containers of these handles, and remove what is not to be kept; return those of which something remains.

    Args:
        unasked: as for `end`.
        succeeded: names of those whose jobs succeeded.
    """

    def removed(handle: Handle, left: Left) -> bool:
        if not _end(ctx, handle, left, asked=handle.name not in unasked):
            return False
        keep = handle.data.get("keep", Keep.NONE)
        failed = handle.kind == "job" and handle.name not in succeeded
        kept = keep == Keep.ALL or (keep == Keep.FAILED and failed)
        if left.networks or (left.containers and not kept):
            with asking(ctx) as client:
                if not kept:
                    _remove_containers(client, handle, left)
                _remove_networks(client, left)
        return True

    return _each(ctx, handles, removed)


def orphans(ctx: Context, known: Mapping[str, str]) -> tuple[Handle, ...]:
    """Return the containers and networks that this launcher made and that are not among `known` (name -> mark).

    Raises:
        BackendError: there is an engine, and it cannot be asked.
    """
    if shutil.which("docker") is None:
        return ()  # nothing here has ever made a container
    marks = set(known.values())
    with asking(ctx) as client:
        things = [(found.name, found.token, found.id) for found in listed(client, **{OWNER_LABEL: ctx.owner})]
        networks: list[dict[str, Any]] = client.api.networks(filters={"label": [f"{OWNER_LABEL}={ctx.owner}"]})
        things += [(str(item["Name"]), item["Labels"].get(TOKEN_LABEL, ""), item["Id"]) for item in networks]
    unknown = {token: (name, number) for name, token, number in things if token not in marks}
    return tuple(
        Handle(name=name, mark=token, kind=NeedKind.RESOURCE, id=number, data={"container": name})
        for token, (name, number) in unknown.items()
    )


def _each(ctx: Context, handles: Sequence[Handle], act: Callable[[Handle, Left], bool]) -> tuple[Handle, ...]:
    """Do something for each handle of which something is there, side by side; return those where it did not work."""

    def done(handle: Handle) -> bool:
        try:
            return act(handle, there[handle.mark])
        except BackendError:
            return False

    if not handles:
        return ()
    try:
        with asking(ctx) as client:
            # An engine that begins containers is slow to tell of its networks, and a job has none of its own.
            there = all_left(client, networks=any(handle.kind != "job" for handle in handles))
    except BackendError:
        return tuple(handles)
    present = [handle for handle in handles if handle.mark in there]
    with ThreadPoolExecutor(max(1, min(len(present), MOST_AT_ONCE))) as pool:
        answers = list(pool.map(done, present))
    return tuple(handle for handle, answer in zip(present, answers, strict=True) if not answer)


def _end(ctx: Context, handle: Handle, left: Left, *, asked: bool) -> bool:
    from docker.errors import APIError, NotFound

    unended = [found for found in left.containers if found.running or found.created]
    if not unended:
        return True
    grace_s = 0.0 if asked else float(handle.data.get("grace_s", 0.0))
    with asking(ctx) as client:
        for found in unended:
            with contextlib.suppress(NotFound, APIError):
                if found.created:
                    # Its script is gone, and the engine may be about to begin it all the same.
                    client.api.remove_container(found.id, force=True)
                else:
                    client.api.stop(found.id, timeout=math.ceil(grace_s))
        return not any(found.running for found in listed(client, **{TOKEN_LABEL: handle.mark}))


def _remove_containers(client: DockerClient, handle: Handle, left: Left) -> None:
    from docker.errors import APIError, NotFound

    give_up = time.monotonic() + _REMOVAL_S
    waiting = left.containers
    while waiting:
        refused = False
        for container in waiting:
            try:
                client.api.remove_container(container.id, force=True)
            except NotFound:
                continue
            except APIError as error:
                # Its script may be at it, and the engine refuses to remove one twice at once.
                if error.status_code != HTTPStatus.CONFLICT or time.monotonic() > give_up:
                    raise
                refused = True
                time.sleep(_POLL_S)
        waiting = listed(client, **{TOKEN_LABEL: handle.mark}) if refused else []


def _remove_networks(client: DockerClient, left: Left) -> None:
    from docker.errors import NotFound

    for network in left.networks:
        with contextlib.suppress(NotFound):
            client.api.remove_network(network)
