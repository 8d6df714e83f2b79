"""Ending jobs at a cluster: they are asked to end, those that have just finished are spared, and all are seen gone."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from evalyard.batch.answers import queue_in
from evalyard.batch.system import BatchSystem
from evalyard.errors import Transient
from evalyard.plugins.context import Context
from evalyard.records.handles import Handle

if TYPE_CHECKING:
    from evalyard.batch.cluster import Cluster

GONE_WITHIN_S = 90.0
"""How long `teardown` waits for jobs to be gone: longer than most clusters take to kill one."""
SPARED_S = 10.0
"""How long a job that has written its result is left to end by itself."""
LONGEST_PAUSE_S = 3.0


def end_jobs(cluster: Cluster, ctx: Context, handles: Sequence[Handle], *, wait: bool) -> tuple[Handle, ...]:
    """Ask jobs to end; return those that have not, as far as that was waited for, and those that were refused it.

    Raises:
        Transient: the cluster did not answer.
    """
    jobs = [handle for handle in handles if handle.kind == "job" and (wait or handle.id)]
    if not jobs:
        return ()
    began = time.monotonic()
    patience_s = min(GONE_WITHIN_S, ctx.remaining_s * 0.8) if wait else 0.0
    look = _look(cluster, ctx, jobs)
    asked: set[str] = set()
    refused: dict[str, str] = {}
    pause_s = 0.0
    while look.live:
        waited_s = time.monotonic() - began
        spared = look.ended if wait and waited_s < min(SPARED_S, patience_s) else frozenset()
        due = [handle.id for handle in look.live if handle.name not in spared and handle.id not in asked]
        if not due and waited_s >= patience_s:
            break
        time.sleep(min(pause_s, max(0.0, patience_s - waited_s)))
        pause_s = min(LONGEST_PAUSE_S, pause_s * 1.5 + 0.1)
        asked.update(due)
        look = _look(cluster, ctx, look.live, due)
        refused |= look.refused
    live = [evolve(handle, problem=refused.get(handle.id, "")) for handle in look.live]
    return tuple(handle for handle in live if wait or handle.problem)


@frozen(kw_only=True)
class _Look:
    """What has become of jobs that are to end."""

    live: Sequence[Handle]
    ended: frozenset[str]
    """Names of those that have written their result."""
    refused: dict[str, str]
    """Number -> why the scheduler does not end it; it may have ended by itself meanwhile."""


def _look(cluster: Cluster, ctx: Context, jobs: Sequence[Handle], due: Sequence[str] = ()) -> _Look:
    """Ask for the end of these numbers, and look at what has become of all jobs."""
    system = cluster.system
    lines = [
        (job.name, job.mark, job.id or "-", job.data.get("attempt", "-"), job.data.get("directory", "-"))
        for job in jobs
    ]
    rows = cluster.rows(ctx, "end", [ctx.run_dir, *due], lines)
    said = next((row[1].strip() for row in rows if row[0] == "uncancelled"), None)
    if said and system.passes(said):
        raise Transient(system.plain(said))
    sent = {row[1] for row in rows if row[0] == "sent"}
    live = []
    queue = [row for row in queue_in(system, rows) if not system.state_of(row.word).final]
    for job in jobs:
        # Numbers are given again when a scheduler loses its memory: a job is ours if it also has our name.
        held = [row.id for row in queue if row.belongs_to(job.name) and (row.id == job.id or not job.id)]
        if job.id or job.name in sent:
            live += [_with_number(job, number) for number in held]
    ended = frozenset(row[1] for row in rows if row[0] == "ended")
    return _Look(live=live, ended=ended, refused={} if said is None else _refused(system, said, due))


def _refused(system: BatchSystem, said: str, due: Sequence[str]) -> dict[str, str]:
    """Return the numbers whose end was refused, with why: those that are named there, or all."""
    words = system.plain(said) or f"{system.cancel[0]} failed, and gave no reason"
    named = [number for number in due if re.search(rf"(?<!\w){re.escape(number)}(?!\w)", said)]
    return dict.fromkeys(named or due, words)


def _with_number(job: Handle, number: str) -> Handle:
    if job.id:
        return job
    return evolve(job, id=number)
