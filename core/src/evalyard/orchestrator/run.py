"""An invocation opened for work: its records, its session, and the way to write to both."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from evalyard.plugins.context import CALL_DEADLINE_S, Context
from evalyard.plugins.session import Session, open_session
from evalyard.records.handles import Handle
from evalyard.records.invocations import Invocation
from evalyard.records.plans import NeedKind, Plan
from evalyard.secrets import SecretSource, learn_saved
from evalyard.store.history import History
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store

CANCEL_POLL_S = 1.0


@define(kw_only=True)
class OpenRun:
    """What every step of the orchestrator works on."""

    store: Store
    invocation: Invocation
    session: Session
    environ: Mapping[str, str] | None = None
    """Where secrets are looked up; None = this process's environment."""
    _looked_at: float = field(default=0.0, init=False)
    _all_cancelled: bool = field(default=False, init=False)
    _plans: dict[tuple[int, int], Plan] = field(factory=dict, init=False)
    _read: tuple[int, History] | None = field(default=None, init=False)
    """How long the journal was, and what it added up to."""

    @property
    def id(self) -> str:
        """The invocation's id."""
        return self.invocation.id

    def history(self) -> History:
        """Read what has happened until now, by whomever."""
        length = self.store.journal_length(self.id)
        # It only ever grows. What is appended between the two reads is read again by the next call.
        if self._read is not None and self._read[0] == length:
            return self._read[1]
        history = self.store.read(self.id)
        # What could not be read this time may be readable the next.
        self._read = None if history.damage else (length, history)
        return history

    def record(self, entries: Iterable[Entry]) -> None:
        """Append to the journal."""
        self.store.record(self.id, list(entries))

    def plan(self, job: int, attempt: int) -> Plan:
        """Return the plan of an attempt.

        Raises:
            StoreError: it is absent or damaged.
        """
        key = (job, attempt)
        if key not in self._plans:
            self._plans[key] = self.store.plan(self.id, job, attempt)
        return self._plans[key]

    def context(self, timeout_s: float = CALL_DEADLINE_S) -> Context:
        """Return what a hook call gets; the call must end within `timeout_s`."""
        run_dir = Path(self.invocation.run_dir)
        source = (
            SecretSource(run_dir=run_dir)
            if self.environ is None
            else SecretSource(run_dir=run_dir, environ=self.environ)
        )
        return Context(
            connection=self.invocation.connection,
            run_dir=self.invocation.run_dir,
            owner=self.store.owner,
            deadline=time.monotonic() + timeout_s,
            cancelled=self._cancelled,
            secrets=source,
        )

    def _cancelled(self) -> bool:
        """Whether every job that has not ended was asked to; looks at the journal at most once a second."""
        if time.monotonic() - self._looked_at >= CANCEL_POLL_S:
            self._looked_at = time.monotonic()
            jobs = [job.launched for job in self.history().jobs]
            self._all_cancelled = all(attempt.cancel_asked or attempt.state.final for attempt in jobs)
        return self._all_cancelled


def open_run(store: Store, invocation: str, *, strict: bool = True) -> OpenRun:
    """Open a recorded invocation.

    Args:
        strict: whether an extension that cannot be loaded is an error.

    Raises:
        StoreError: its header cannot be read.
        PluginError: its executor cannot be loaded.
    """
    header = store.read(invocation).invocation
    learn_saved(Path(header.run_dir))
    session = open_session(header.connection, header.extensions, strict=strict)
    return OpenRun(store=store, invocation=header, session=session)


def job_entry(event: Event, job: int, attempt: int, **fields: Any) -> Entry:
    """Return a journal entry about an attempt of a job, stamped with the time of now."""
    return Entry(event=event, at=time.time(), job=job, attempt=attempt, **fields)


def need_entry(event: Event, need: str, attempt: int, **fields: Any) -> Entry:
    """Return a journal entry about an attempt of a need, stamped with the time of now."""
    return Entry(event=event, at=time.time(), need=need, attempt=attempt, **fields)


def known_handles(history: History) -> dict[str, Handle]:
    """Return the handles that are not known to have ended or gone: what a backend can be asked about.

    What lasts beyond a run (files, environments) is not watched.
    """
    things = [job.launched for job in history.jobs] + [need.latest for need in history.needs]
    return {
        attempt.handle.name: attempt.handle
        for attempt in things
        if attempt.handle and attempt.live and not attempt.released and attempt.handle.kind not in _LASTING
    }


_LASTING = frozenset(kind for kind in NeedKind if kind.lasting)
