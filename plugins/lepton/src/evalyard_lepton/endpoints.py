"""Model servers at the service: made once, watched by phase, gone only when the service says so."""

from __future__ import annotations

import contextlib
import copy
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from evalyard import (
    BackendError,
    Context,
    EvalyardError,
    Handle,
    InvalidJob,
    JobState,
    Need,
    NeedKind,
    Observation,
    Transient,
)
from evalyard_lepton import logs, states
from evalyard_lepton.gateway import Absent, Conflict, EndpointView, Gateway, Trouble
from evalyard_lepton.names import invocation_of, part_of
from evalyard_lepton.payloads import KEPT_VARIABLE, MARK_VARIABLE, OWNER_VARIABLE, Json, plain
from evalyard_lepton.plans import key_secret

ADDRESS_S = 60.0
"""How long the service may take to say under which address an endpoint is reached."""
LOG_LINES = 2000
"""How many of a model server's last lines are kept on this machine when it is released."""
REMOVE = "lep endpoint remove --name"


def provide(ctx: Context, gateway: Gateway, need: Need) -> Handle:
    """Create an endpoint, or adopt the one that is there.

    Raises:
        BackendError: something of its name is there and is not ours, or it gets no address.
    """
    view = _there(gateway, need)
    if view is None:
        body = endpoint_body(gateway, need, ctx.owner)
        if "api_tokens" not in body["spec"]:
            body["spec"]["api_tokens"] = [{"value": _key(ctx, gateway, need)}]
        try:
            view = gateway.create_endpoint(body)
        except Conflict as error:
            raise Transient(str(error)) from error
    give_up = time.monotonic() + min(ADDRESS_S, ctx.remaining_s)
    while not view.url:
        if time.monotonic() >= give_up:
            raise Transient(f"endpoint {need.name}: the service has not said its address")
        gateway.pause()
        view = gateway.endpoint(need.name)
    return handle_of(view, need)


def endpoint_body(gateway: Gateway, need: Need, owner: str) -> Json:
    """Return what creates an endpoint, without its keys: the plan's payload, and what was not known before."""
    body: Json = copy.deepcopy(need.payload["endpoint"])
    body["metadata"]["name"] = need.name
    body["spec"]["envs"] = plain({MARK_VARIABLE: need.mark, OWNER_VARIABLE: owner}) + body["spec"]["envs"]
    wanted = str(need.payload["node_group"])
    if wanted:
        groups = [gateway.node_group(wanted)]
        body["spec"]["resource_requirement"]["affinity"] = {"allowed_dedicated_node_groups": groups}
    return body


def handle_of(view: EndpointView, need: Need) -> Handle:
    """Return our record of an endpoint."""
    return Handle(
        name=need.name,
        mark=need.mark,
        kind=NeedKind.SERVER,
        id=view.name,
        outputs={"base_url": view.url, "name": view.name},
        data={
            "created_ms": str(view.created_at_ms),
            "directory": need.directory,
            "keep": "yes" if need.payload["keep"] else "",
            "max_lifetime_s": str(need.payload["max_lifetime_s"]),
        },
    )


def find(gateway: Gateway, names: Mapping[str, str]) -> dict[str, Handle]:
    """Look names up; what is found so can be watched and removed, its log stays away."""
    found = {}
    for name, mark in names.items():
        try:
            view = gateway.endpoint(name)
        except Absent:
            continue
        if view.envs.get(MARK_VARIABLE) == mark:
            found[name] = _adopted(view)
    return found


def observe(gateway: Gateway, handle: Handle) -> Observation | None:
    """Say where an endpoint stands, or None when it is not there. One whose lifetime is over is removed at once:
    whoever looks first may be the last to look.
    """
    try:
        view = gateway.endpoint(handle.id or handle.name)
    except Absent:
        return None
    if view.envs.get(MARK_VARIABLE) != handle.mark:
        return None
    lifetime = int(handle.data.get("max_lifetime_s") or 0)
    if lifetime and view.created_at_ms and time.time() - view.created_at_ms / 1000 > lifetime:
        with contextlib.suppress(Absent, Conflict):
            gateway.delete_endpoint(view.name)
        return Observation(
            state=JobState.FAILED, reason=f"its lifetime of {lifetime} s is over (execution.max_lifetime_s)"
        )
    state = states.ENDPOINT_STATES.get(view.state)
    if state is None:
        return Observation(state=JobState.UNKNOWN, reason=f"the service calls it '{view.state}'")
    if view.state == "Ready":
        return Observation(state=state)
    trouble = gateway.trouble(view.name)
    hopeless = hopeless_reason(trouble)
    if hopeless:
        words = logs.last_words(gateway, view.name, view.created_at_ms) if trouble.exit_codes else ""
        return Observation(state=JobState.FAILED, reason=hopeless + (f": {words}" if words else ""))
    return Observation(state=state, reason=_reason(view, trouble))


def hopeless_reason(trouble: Trouble) -> str:
    """Return why an endpoint will never be ready; empty = it may be."""
    for reason, message in trouble.reasons:
        if reason in states.HOPELESS:
            return reason + (f": {message}" if message else "")
    ends = [code for code in trouble.exit_codes if code != 0] or list(trouble.exit_codes)
    if len(trouble.exit_codes) >= states.CRASH_LOOP:
        return f"its program ended {len(trouble.exit_codes)} times, the last time with exit code {ends[-1]}"
    for reason, count in trouble.events:
        if "backoff" in reason.lower() and count >= states.CRASH_LOOP:
            return f"its program ended {count} times ({reason})"
    return ""


def release(ctx: Context, gateway: Gateway, handle: Handle) -> bool:
    """Remove an endpoint and its key; return whether the service says that it is gone, or it is to stay."""
    name = handle.id or handle.name
    if handle.data.get("keep"):
        gateway.delete_secret(key_secret(invocation_of(name), part_of(name)))  # jobs had it from there; they have ended
        where = handle.outputs.get("base_url", "")
        ctx.say(f"endpoint {name} stays{f' at {where}' if where else ''}, and costs money; remove it: {REMOVE} {name}")
        return True
    _keep_log(gateway, handle)
    with contextlib.suppress(Absent, Conflict):  # it is gone, or being deleted already
        gateway.delete_endpoint(name)
    gone = _is_gone(gateway, name)
    while not gone and ctx.remaining_s > 0:
        gateway.pause()
        gone = _is_gone(gateway, name)
    if gone:
        gateway.delete_secret(key_secret(invocation_of(name), part_of(name)))
    return gone


def release_all(ctx: Context, gateway: Gateway, handles: Sequence[Handle]) -> list[Handle]:
    """Remove endpoints; return those that are left. One that cannot be removed does not keep the others."""
    left = []
    for handle in handles:
        try:
            if not release(ctx, gateway, handle):
                left.append(handle)
        except EvalyardError:
            left.append(handle)
    return left


def observe_all(gateway: Gateway, handles: Sequence[Handle]) -> dict[str, Observation]:
    """Say where endpoints stand, each by a request of its own; one that fails says nothing of the others."""
    seen = {}
    for handle in handles:
        try:
            observation = observe(gateway, handle)
        except (Transient, InvalidJob, Absent) as error:
            observation = Observation(state=JobState.UNKNOWN, reason=str(error))
        if observation is not None:
            seen[handle.name] = observation
    return seen


def orphans(gateway: Gateway, owner: str, known: Mapping[str, str]) -> list[Handle]:
    """Return endpoints that this launcher made, that are in no record, and that nobody wanted to keep."""
    return [
        _adopted(view)
        for view in gateway.endpoints()
        if view.envs.get(OWNER_VARIABLE) == owner
        and not view.envs.get(KEPT_VARIABLE)
        and known.get(view.name) != view.envs.get(MARK_VARIABLE)
    ]


def kept_log(directory: str) -> Path:
    """Return where the log of a released model server is, on this machine."""
    return Path(directory) / "logs" / "server.log"


def _adopted(view: EndpointView) -> Handle:
    return Handle(
        name=view.name,
        mark=view.envs.get(MARK_VARIABLE, ""),
        kind=NeedKind.SERVER,
        id=view.name,
        outputs={"base_url": view.url, "name": view.name},
        data={
            "created_ms": str(view.created_at_ms),
            "keep": view.envs.get(KEPT_VARIABLE, ""),
        },
    )


def _there(gateway: Gateway, need: Need) -> EndpointView | None:
    try:
        view = gateway.endpoint(need.name)
    except Absent:
        return None
    if view.envs.get(MARK_VARIABLE) != need.mark:
        raise BackendError(
            f"endpoint {need.name} is there and is not ours", hint=f"look at it; then perhaps {REMOVE} {need.name}"
        )
    if view.state == "Deleting":
        raise Transient(f"endpoint {need.name} is still being deleted")
    return view


def _key(ctx: Context, gateway: Gateway, need: Need) -> str:
    """Return the endpoint's key: the one that the user named, else a random one, which jobs get from the workspace."""
    if need.payload["key_variable"]:
        return ctx.secret(str(need.payload["key_variable"]))
    key = secrets.token_urlsafe(32)
    gateway.create_secrets({str(need.payload["key_secret"]): key}, [need.mark, need.name, ctx.owner])
    return key


def _reason(view: EndpointView, trouble: Trouble) -> str:
    if view.state in states.ENDPOINT_REASONS:
        return states.ENDPOINT_REASONS[view.state]
    if trouble.exit_codes:
        return f"its program ended with exit code {trouble.exit_codes[-1]} and is started again"
    waiting = [f"{reason}: {message}" if message else reason for reason, message in trouble.reasons]
    return waiting[0] if waiting else f"the service says {view.state}"


def _is_gone(gateway: Gateway, name: str) -> bool:
    try:
        gateway.endpoint(name)
    except Absent:
        return True
    return False


def _keep_log(gateway: Gateway, handle: Handle) -> None:
    """Write a model server's last lines to this machine: with the endpoint, its log may go."""
    if not handle.data.get("directory"):
        return
    start_ns = logs.parse_cursor("", int(handle.data.get("created_ms") or 0)).at_ns
    try:
        lines = gateway.log(endpoint=handle.id, start_ns=start_ns, limit=LOG_LINES, newest=True)
        if lines:
            file = kept_log(handle.data["directory"])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f"{line.text}\n" for line in lines), encoding="utf-8")
    except (EvalyardError, Absent, OSError):
        return  # a release does not wait for a log
