"""Ending jobs on request, and undoing a run that was interrupted."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from evalyard.errors import EvalyardError
from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.run import OpenRun, job_entry
from evalyard.orchestrator.steps import ENDING_STEPS
from evalyard.store.journal import Event
from evalyard.store.lookup import Selection

AFTER_CANCEL_S = 30.0
"""How long we wait for the backend to confirm an end before we say that it was only asked for."""
CANCEL_TIMEOUT_S = 600.0
MOST_AT_ONCE = 16
_POLL_S = 0.1


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
        left = {handle.name: "it could not be asked to end" for handle in refused}
    except EvalyardError as error:
        left = {handle.name: error.message for handle in handles}
    conductor.act(ENDING_STEPS)
    numbers = {job.number for job in targets}
    give_up = time.monotonic() + AFTER_CANCEL_S
    while not left:
        conductor.look()
        conductor.act(ENDING_STEPS)
        live = [job for job in run.history().jobs if job.number in numbers and not job.launched.state.final]
        if not live:
            break
        if time.monotonic() > give_up:
            left = {f"{run.id}.{job.number}": "it was asked to end and has not yet" for job in live}
        time.sleep(_POLL_S)
    return left | conductor.actor.remaining


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
