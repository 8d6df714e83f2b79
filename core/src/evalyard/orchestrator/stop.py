"""Ending jobs on request, and undoing a run that was interrupted."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from evalyard.errors import EvalyardError
from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.decide import Situation, ends_to_collect, ends_to_tell
from evalyard.orchestrator.run import OpenRun, job_entry
from evalyard.orchestrator.steps import ENDING_STEPS
from evalyard.states import JobState
from evalyard.store.journal import Event
from evalyard.store.lookup import Selection

AFTER_CANCEL_S = 30.0
"""How long we wait for the backend to confirm an end before we say that it was only asked for."""
CANCEL_TIMEOUT_S = 600.0
MOST_AT_ONCE = 16
_FIRST_PAUSE_S = 0.1
_BURIED = "cancelled; the backend knew nothing of it any more"


def stop(run: OpenRun, selection: Selection) -> dict[str, str]:
    """Cancel the selected jobs, wait until they have ended, and release what no job needs any more.

    Finished jobs keep their result. Starts nothing: the next of a queue is the keeper's to start.

    Returns:
        What is left, by backend name, with the reason.
    """
    conductor = Conductor(run)
    conductor.look()
    # Before the right to act is had: whoever is busy making something for these jobs sees that it may stop.
    _record_wish(run, selection)
    with run.store.acting(run.id):
        conductor.look()
        targets = [job for job in run.history().jobs if selection.covers(job.number) and not job.launched.state.final]
        handles = [job.launched.handle for job in targets if job.launched.handle]
    left: dict[str, str] = {}
    try:
        refused = run.session.cancel(run.context(CANCEL_TIMEOUT_S), handles)
        left = {handle.name: handle.problem or "it could not be asked to end" for handle in refused}
    except EvalyardError as error:
        left = {handle.name: error.message for handle in handles}
    conductor.act(ENDING_STEPS)
    give_up = time.monotonic() + AFTER_CANCEL_S
    pause_s = _FIRST_PAUSE_S
    unmentioned: set[str] = set()
    while not left:
        conductor.look()
        # Twice in a row: one that just ended may not be in this answer and be in the next, with how it ended.
        before, unmentioned = unmentioned, {name for name, seen in conductor.observations.items() if seen.missing}
        _bury(run, selection, before & unmentioned)
        awaited = _awaited(conductor.act(ENDING_STEPS), selection, kept=run.store.has_keeper(run.id))
        if not awaited:
            break
        if time.monotonic() > give_up:
            left = awaited
            break
        time.sleep(pause_s)
        # Somebody waits, so it is asked sooner at first than the backend wants to be asked for hours.
        pause_s = max(_FIRST_PAUSE_S, min(pause_s * 2, run.invocation.connection.poll_interval_s))
    return left | conductor.actor.remaining


def _awaited(situation: Situation, selection: Selection, *, kept: bool) -> dict[str, str]:
    """Return the jobs that are not done with, and why. Collecting and telling is a keeper's, where there is one."""
    history = situation.history
    awaited: dict[int, str] = {}
    if not kept:
        awaited |= {number: "the extensions were not told of its end yet" for number, _ in ends_to_tell(situation)}
        awaited |= dict.fromkeys(ends_to_collect(situation), "its results were not brought home yet")
    live = [job.number for job in history.jobs if not job.launched.state.final]
    awaited |= dict.fromkeys(live, "it was asked to end and has not yet")
    return {f"{history.invocation.id}.{number}": why for number, why in awaited.items() if selection.covers(number)}


def _bury(run: OpenRun, selection: Selection, unmentioned: set[str]) -> None:
    """Note the end of jobs that the backend does not mention, as soon as it says that nothing of them is there.

    What nobody has asked to end gets more time, as schedulers and accounting lag.
    """
    asked = (job for job in run.history().jobs if selection.covers(job.number) and job.launched.cancel_asked)
    forgotten = [
        (job, handle)
        for job in asked
        if job.launched.live and (handle := job.launched.handle) and handle.name in unmentioned
    ]
    handles = [handle for _, handle in forgotten]
    try:
        remaining = {handle.name for handle in run.session.teardown(run.context(CANCEL_TIMEOUT_S), handles)}
    except EvalyardError:
        return  # that cannot be said now
    run.record(
        job_entry(Event.STATE, job.number, job.launched.number, state=JobState.CANCELLED, reason=_BURIED)
        for job, handle in forgotten
        if handle.name not in remaining
    )


def stop_all(targets: Sequence[tuple[OpenRun, Selection]]) -> dict[str, str]:
    """Stop several selections side by side, so that they take one grace and not one each; the rest is as in `stop`.

    Raises:
        EvalyardError: one could not be stopped; the others were all the same.
    """
    from concurrent.futures import ThreadPoolExecutor

    left: dict[str, str] = {}
    with ThreadPoolExecutor(min(len(targets), MOST_AT_ONCE)) as pool:
        for remaining in pool.map(lambda target: stop(*target), targets):
            left |= remaining
    return left


def undo(run: OpenRun) -> dict[str, str]:
    """Undo a run that was interrupted while it started: cancel every job, release every need.

    Returns:
        What could not be undone, by backend name, with the reason.
    """
    with _uninterrupted():
        everything = Selection(invocation=run.id)
        # Before anything is looked at: a script that the interrupt itself has ended was cancelled and did not fail.
        _record_wish(run, everything)
        try:
            return stop(run, everything)
        except EvalyardError as error:
            return {run.id: error.message}


def _record_wish(run: OpenRun, selection: Selection) -> None:
    wanted = [job for job in run.history().jobs if selection.covers(job.number) and not job.launched.state.final]
    run.record(job_entry(Event.CANCEL, job.number, job.launched.number) for job in wanted)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let the undoing finish: an impatient second Ctrl-C would leave half of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
