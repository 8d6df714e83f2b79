"""Jobs at the service: between core's records and the gateway."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Mapping, Sequence

from evalyard import (
    STORAGE_VARIABLE,
    Context,
    Handle,
    Home,
    InvalidJob,
    JobState,
    LaunchError,
    LogChunk,
    Observation,
    Plan,
    Transient,
)
from evalyard_lepton import logs, states
from evalyard_lepton.gateway import ALIVE, ALL, Absent, Conflict, Gateway, JobView
from evalyard_lepton.names import common_part
from evalyard_lepton.payloads import MARK_VARIABLE, OWNER_VARIABLE, Json, plain
from evalyard_lepton.plans import SERVER_NAME

LATE = "its time was up (execution.evaluation_tasks.timeout)"
UNHEARD = "its last words are not in the log yet"
NO_RECORD = "its script left no record"

_homes: dict[str, Home] = {}
"""Service's id -> how that job ended: it never changes, and each look costs a request."""


def launch(gateway: Gateway, plans: Sequence[Plan], owner: str) -> dict[str, Handle | LaunchError]:
    """Create what is not there yet.

    The service takes two jobs of one name. So what was created is looked up once more: of several with our mark the
    first stays, whoever created it.

    Args:
        owner: the launcher that they belong to.
    """
    known = find(gateway, {plan.name: plan.mark for plan in plans})
    groups: dict[str, str] = {}
    answers: dict[str, Handle | LaunchError] = {**known}
    created: dict[str, str] = {}
    for plan in plans:
        if plan.name in known:
            continue
        try:
            wanted = str(plan.payload["node_group"])
            if wanted and wanted not in groups:
                groups[wanted] = gateway.node_group(wanted)
            view = gateway.create_job(job_body(plan, owner, groups.get(wanted, "")))
            answers[plan.name], created[plan.name] = handle_of(view), plan.mark
        except Transient as error:
            answers[plan.name] = LaunchError(message=error.message, transient=True)
        except (InvalidJob, Conflict, Absent) as error:
            answers[plan.name] = LaunchError(message=str(error))
    return answers | _only_first(gateway, created)


def _only_first(gateway: Gateway, created: Mapping[str, str]) -> dict[str, Handle]:
    """Return the job that stays of each name, and delete what a rival created beside it."""
    stays: dict[str, Handle] = {}
    for view in _ours(gateway, created):
        if view.name in stays:
            _delete(gateway, handle_of(view))
        else:
            stays[view.name] = handle_of(view)
    return stays


def job_body(plan: Plan, owner: str, node_group: str) -> Json:
    """Return what creates a job: the plan's payload, and what was not known before."""
    body: Json = copy.deepcopy(plan.payload["job"])
    body["spec"]["envs"] = plain({**plan.environment, OWNER_VARIABLE: owner}) + body["spec"]["envs"]
    if node_group:
        body["spec"]["affinity"] = {"allowed_dedicated_node_groups": [node_group]}
    return body


def handle_of(view: JobView) -> Handle:
    """Return our record of a job; all that it needs is with the job itself."""
    given = {"server": view.envs.get(SERVER_NAME, ""), "storage": view.envs.get(STORAGE_VARIABLE, "")}
    return Handle(
        name=view.name,
        mark=view.envs.get(MARK_VARIABLE, ""),
        id=view.id,
        data={"created_ms": str(view.created_at_ms), **{name: value for name, value in given.items() if value}},
    )


def find(gateway: Gateway, names: Mapping[str, str]) -> dict[str, Handle]:
    """Look names up, ended jobs included."""
    return {view.name: handle_of(view) for view in reversed(_ours(gateway, names))}


def observe(gateway: Gateway, handles: Sequence[Handle]) -> dict[str, Observation]:
    """Say where jobs stand, by one request for all that the service still lists."""
    seen: dict[str, Observation] = {}
    views = _views(gateway, handles)
    for handle in handles:
        try:
            view = views.get(handle.id) or gateway.job(handle.id)
            if view.envs.get(MARK_VARIABLE) == handle.mark:
                seen[handle.name] = _observation(gateway, handle, view)
        except Absent:
            continue
        except (Transient, InvalidJob) as error:
            seen[handle.name] = Observation(state=JobState.UNKNOWN, reason=error.message)
    return seen


def is_over(gateway: Gateway, handle: Handle) -> bool:
    """Whether nothing of a job runs any more."""
    return not still_running(gateway, [handle])


def still_running(gateway: Gateway, handles: Sequence[Handle]) -> list[Handle]:
    """Return those of which something may still run, by one request for all that the service still lists."""
    views = _views(gateway, handles)
    running = []
    for handle in handles:
        with contextlib.suppress(Absent):
            view = views.get(handle.id) or gateway.job(handle.id)
            if view.state not in states.ENDED:
                running.append(handle)
    return running


def cancel(gateway: Gateway, handles: Sequence[Handle]) -> list[Handle]:
    """Ask jobs to end that have not ended; return those that could not be asked."""
    left = []
    views = _views(gateway, handles)
    for handle in handles:
        try:
            view = views.get(handle.id) or gateway.job(handle.id)
            if view.state not in states.ENDED:
                gateway.stop_job(handle.id)
        except Absent:
            continue
        except Transient:
            left.append(handle)
    return left


def end(ctx: Context, gateway: Gateway, handles: Sequence[Handle]) -> list[Handle]:
    """End what runs of these jobs and wait until the service says so; return those that live.

    A job that ended by itself stays in the workspace with its log until the service archives it: it costs nothing.
    """
    unheard = {handle.name: handle.mark for handle in handles if not handle.id}
    found = find(gateway, unheard)
    if unheard and len(found) < len(unheard):
        gateway.pause()  # its request may just be arriving
        found = find(gateway, unheard)
    for handle in found.values():
        _delete(gateway, handle)
    waiting = still_running(gateway, [handle for handle in handles if handle.id])
    unasked = cancel(gateway, waiting)
    give_up = time.monotonic() + ctx.remaining_s * 2 / 3
    while waiting and not unasked and time.monotonic() < give_up:
        gateway.pause()
        waiting = still_running(gateway, waiting)
    for handle in waiting:
        _delete(gateway, handle)
    doubtful = still_running(gateway, [*waiting, *found.values()])
    while doubtful and ctx.remaining_s > 0:
        gateway.pause()
        doubtful = still_running(gateway, doubtful)
    return doubtful


def orphans(gateway: Gateway, owner: str, known: Mapping[str, str]) -> list[Handle]:
    """Return live jobs that this launcher made and that are in no record."""
    return [
        handle_of(view)
        for view in gateway.jobs("ey-", ALIVE)
        if view.envs.get(OWNER_VARIABLE) == owner
        and view.state not in states.ENDED
        and known.get(view.name) != view.envs.get(MARK_VARIABLE)
    ]


def read_log(gateway: Gateway, handle: Handle, cursor: str, limit: int) -> LogChunk:
    """Read on in a job's log. It ends with the job's own last line, or a while after a job that left none."""
    position = logs.parse_cursor(cursor, int(handle.data.get("created_ms") or 0))
    chunk, silent = logs.read(gateway, position, limit, mark=handle.mark, job=handle.id)
    if silent and not chunk.ended and is_over(gateway, handle):
        moved, ended = logs.waited(chunk.cursor)
        return LogChunk(cursor=moved, ended=ended)
    return chunk


def home_of(gateway: Gateway, handle: Handle) -> Home | None:
    """Return what an ended job printed at its end, or None when the log does not have it."""
    if handle.id not in _homes:
        home = logs.home_of(gateway, handle.id, handle.mark, int(handle.data.get("created_ms") or 0))
        if home is None:
            return None
        _homes[handle.id] = home
    return _homes[handle.id]


def may_lag(view: JobView) -> bool:
    """Whether a job ended so short a time ago that the end of its log may not be there yet."""
    moment = view.completed_at / 1000 if view.completed_at > 10**11 else view.completed_at
    return abs(time.time() - moment) < logs.LAG_S


def _ours(gateway: Gateway, names: Mapping[str, str]) -> list[JobView]:
    """Return the jobs of these names and marks, the first that was created first."""
    if not names:
        return []
    views = gateway.jobs(common_part(names), ALL)
    ours = [view for view in views if view.name in names and view.envs.get(MARK_VARIABLE) == names[view.name]]
    return sorted(ours, key=lambda view: (view.created_at_ms, view.id))


def _views(gateway: Gateway, handles: Sequence[Handle]) -> dict[str, JobView]:
    if len(handles) < 2:
        return {}  # asked for by its id
    return {view.id: view for view in gateway.jobs(common_part(handle.name for handle in handles))}


def _observation(gateway: Gateway, handle: Handle, view: JobView) -> Observation:
    if view.state not in states.ENDED:
        return states.live(view.state)
    home = home_of(gateway, handle)
    if home is not None and home.exit is not None:
        if home.late:
            return Observation(state=JobState.TIMED_OUT, reason=LATE, exit=home.exit)
        succeeded = home.exit.exit_code == 0 and home.exit.results
        return Observation(state=JobState.SUCCEEDED if succeeded else JobState.FAILED, exit=home.exit)
    if home is None and may_lag(view):
        return Observation(state=JobState.RUNNING, reason=UNHEARD)
    if view.state == "Archived":
        return Observation(
            state=JobState.LOST, reason="the service has archived it, and its log does not tell how it ended"
        )
    # The script exits with 0 only when the harness did and its results are there.
    state = states.JOB_STATES[view.state]
    reason = states.JOB_REASONS.get(view.state, "")
    if state is JobState.FAILED and not reason:
        reason = _why_failed(gateway, handle)
    return Observation(state=state, reason=reason)


def _why_failed(gateway: Gateway, handle: Handle) -> str:
    events = gateway.job_events(handle.id)
    return f"the service says Failed, and {NO_RECORD}" + (f": {', '.join(events)}" if events else "")


def _delete(gateway: Gateway, handle: Handle) -> None:
    try:
        gateway.delete_job(handle.id)
    except (Absent, Transient):
        return  # looked at again below
