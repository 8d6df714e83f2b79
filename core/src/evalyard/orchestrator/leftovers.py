"""What ended runs still hold, and what backends have of ours that no record knows: found, and removed on request."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Hashable, Iterator
from pathlib import Path

from attrs import evolve, frozen

from evalyard.config import structure
from evalyard.errors import EvalyardError
from evalyard.ids import backend_name, names_begin
from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.run import open_run
from evalyard.orchestrator.steps import ENDING_STEPS
from evalyard.plugins.context import CALL_DEADLINE_S, Context
from evalyard.plugins.discovery import EXECUTORS, installed, load_executor
from evalyard.plugins.session import Session, open_session
from evalyard.records.connections import Connection
from evalyard.specs import Section
from evalyard.store.history import History
from evalyard.store.runs import Store

IN_NO_RECORD = "in no record"
STILL_THERE = "it is still there"
DAMAGED = "the record of its run is damaged, and may name it"


@frozen(kw_only=True)
class Leftover:
    """Something that nobody needs any more."""

    name: str
    """The name that the backend knows it by."""
    executor: str
    invocation: str = ""
    """The run that holds it; empty = no record knows it."""
    why: str
    removed: bool = False
    problem: str = ""
    """Why it is still there."""


@frozen(kw_only=True)
class Cleaning:
    """What was found, and what could not be looked at."""

    leftovers: tuple[Leftover, ...]
    unseen: tuple[str, ...] = ()
    """Backends that could not be asked, each with the reason."""


def clean(store: Store, *, remove: bool) -> Cleaning:
    """Find what ended runs still hold and what is in no record, at every backend that is on record or installed.

    Runs that have not ended are left alone: `kill` and `resume` see to them.

    Args:
        remove: whether to remove it as well.
    """
    histories, _ = store.read_all()
    leftovers: list[Leftover] = []
    unseen: list[str] = []
    for history in histories:
        held = _held(history)
        if held and history.ended and not store.has_keeper(history.invocation.id):
            leftovers += _released(store, history, held) if remove else held
    recorded = {history.invocation.connection.key: history.invocation.connection for history in histories}
    for connection in recorded.values():
        try:
            leftovers += _orphans(store, connection, remove=remove)
        except EvalyardError as error:
            unseen.append(f"{connection.executor}: {error.message}")
    for connection in _unrecorded(recorded):
        # Installed is not in use: what is not there has nothing of ours.
        with contextlib.suppress(EvalyardError):
            leftovers += _orphans(store, connection, remove=remove)
    return Cleaning(leftovers=tuple(leftovers), unseen=tuple(unseen))


def _held(history: History) -> list[Leftover]:
    """Return what a run holds that does not outlast it."""
    header = history.invocation
    things = [
        (str(job.number), job.launched, f"job {header.id}.{job.number} has ended")
        for job in history.jobs
        if job.launched.exit_code is None  # one that said how it ended has left nothing behind
    ]
    things += [
        (need.key, need.latest, f"run {header.id} has ended") for need in history.needs if not need.latest.kind.lasting
    ]
    return [
        Leftover(
            name=backend_name(header.id, part, attempt.number),
            executor=header.connection.executor,
            invocation=header.id,
            why=why,
        )
        for part, attempt, why in things
        if attempt.sent and not attempt.released
    ]


def _released(store: Store, history: History, held: list[Leftover]) -> Iterator[Leftover]:
    try:
        conductor = Conductor(open_run(store, history.invocation.id, strict=False))
        conductor.act(ENDING_STEPS)
    except EvalyardError as error:
        yield from (evolve(leftover, problem=error.message) for leftover in held)
        return
    still = {leftover.name for leftover in _held(store.read(history.invocation.id))}
    for leftover in held:
        problem = conductor.actor.remaining.get(leftover.name, STILL_THERE) if leftover.name in still else ""
        yield evolve(leftover, removed=not problem, problem=problem)


def _unrecorded(recorded: Collection[Hashable]) -> Iterator[Connection]:
    """Yield the backends that installed executors know by themselves and no record names."""
    for plugin in installed(EXECUTORS):
        try:
            section = Section(name=plugin.name, path="execution", data={"output_dir": "."})
            connection: Connection = structure(section, load_executor(plugin.name).Settings).connection()
        except EvalyardError:
            continue  # it has to be told where its backend is, or cannot be loaded
        if connection.key not in recorded:
            yield connection


def _orphans(store: Store, connection: Connection, *, remove: bool) -> list[Leftover]:
    session: Session = open_session(connection, strict=False)
    context = Context(connection=connection, owner=store.owner, deadline=time.monotonic() + CALL_DEADLINE_S)
    handles = session.orphans(context, _known(store))
    # What was launched while the backend was asked is on record by now: intent comes first.
    known = _known(store)
    handles = tuple(handle for handle in handles if known.get(handle.name) != handle.mark)
    found = [Leftover(name=handle.name, executor=connection.executor, why=IN_NO_RECORD) for handle in handles]
    if not remove or not handles:
        return found
    unclear = _unclear(store)
    left = {handle.name: DAMAGED for handle in handles if handle.name.startswith(unclear)}
    certain = [handle for handle in handles if handle.name not in left]
    left |= {handle.name: handle.problem or STILL_THERE for handle in session.teardown(context, certain)}
    return [
        evolve(leftover, removed=leftover.name not in left, problem=left.get(leftover.name, "")) for leftover in found
    ]


def _known(store: Store) -> dict[str, str]:
    """Return all names on record and their marks, wherever they are: a backend may be reached by several addresses."""
    histories, _ = store.read_all()
    return {name: mark for history in histories for name, mark in _marks(history)}


def _unclear(store: Store) -> tuple[str, ...]:
    """Return how the names of what damaged records may hold begin."""
    histories, unreadable = store.read_all()
    damaged = [Path(damage.path).name for damage in unreadable]
    damaged += [history.invocation.id for history in histories if history.damage]
    return tuple(names_begin(invocation) for invocation in damaged)


def _marks(history: History) -> Iterator[tuple[str, str]]:
    for job in history.jobs:
        for attempt in job.attempts:
            yield backend_name(history.invocation.id, job.number, attempt.number), attempt.mark
    for need in history.needs:
        for attempt in need.attempts:
            yield backend_name(history.invocation.id, need.key, attempt.number), attempt.mark
