"""Exports under way of one run: started, watched and put on record without ever holding up its jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence

from attrs import define, field, frozen

from evalyard.config import load_exports
from evalyard.errors import EvalyardError
from evalyard.exports.destination import Destination, destination
from evalyard.exports.records import Exported
from evalyard.exports.sending import Sending
from evalyard.exports.variables import FOLDER, environment
from evalyard.ids import split_job_id
from evalyard.orchestrator.decide import export_matter
from evalyard.orchestrator.gather import gather
from evalyard.orchestrator.run import OpenRun, job_entry
from evalyard.orchestrator.steps import Export, Matter
from evalyard.orchestrator.survey import on_record
from evalyard.store.history import History
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store

MOST_TRIES = 8
"""How often an export that may succeed later is tried: with the pauses between, for about two minutes."""
FIRST_PAUSE_S = 1.0


@frozen
class _Parcel:
    """One process, and the attempts whose results it sends: number of the job -> attempt."""

    sending: Sending
    attempts: Mapping[int, int]


@define
class Outbox:
    """At most one export to each destination at a time."""

    run: OpenRun
    _under_way: dict[str, _Parcel] = field(factory=dict, init=False)

    def start(self, step: Export, history: History) -> None:
        """Begin an export; what prevents that is a failure of the export and goes on record."""
        environ = os.environ if self.run.environ is None else self.run.environ
        attempts = {number: history.job(number).latest.number for number in step.jobs}
        try:
            chosen, variables = prepare_export(self.run.store, self.run.id, step.destination, environ=environ)
            sending = send(self.run.store, history, chosen, step.jobs, variables)
        except EvalyardError as error:
            self.run.record(failed_entries(history, step.destination, attempts, error))
        else:
            self._under_way[step.destination] = _Parcel(sending, attempts)

    def settle(self, *, wait: bool = False) -> None:
        """Put on record what has ended.

        Args:
            wait: until all has.
        """
        for name, parcel in list(self._under_way.items()):
            if not (wait or parcel.sending.ended()):
                continue
            try:
                entries = exported_entries(name, parcel.attempts, parcel.sending.answer())
            except EvalyardError as error:
                entries = failed_entries(self.run.history(), name, parcel.attempts, error)
            del self._under_way[name]
            self.run.record(entries)

    def drop(self) -> None:
        """Make an end of what is under way, unrecorded: whoever comes next sends it again, to the same effect."""
        for parcel in self._under_way.values():
            parcel.sending.drop()
        self._under_way.clear()

    def resting(self, history: History) -> frozenset[Matter]:
        """Return the exports that are not to be started yet: under way, or failed a moment ago."""
        now = time.time()
        busy = {export_matter(name, job.number) for name in self._under_way for job in history.jobs}
        failed = {
            export_matter(name, job.number)
            for job in history.jobs
            for name, export in job.latest.exports.items()
            # A clock that was set back must not make the pause longer.
            if export.failures and 0 <= now - export.tried_at < FIRST_PAUSE_S * 2 ** (export.failures - 1)
        }
        return frozenset(busy | failed)


def prepare_export(
    store: Store, invocation: str, name: str, overrides: Sequence[str] = (), *, environ: Mapping[str, str]
) -> tuple[Destination, dict[str, str]]:
    """Return a destination as a run's configuration describes it, and the variables of its exporter.

    Raises:
        EvalyardError: it is not installed, its section is wrong, a variable has no value.
    """
    records = store.folder(invocation)
    sections, declared = load_exports(store.config(invocation), str(records / "config.yaml"), overrides)
    chosen = destination(name, sections)
    return chosen, environment(declared, getattr(chosen.exporter, "variables", ()), environ, records)


def send(
    store: Store, history: History, chosen: Destination, jobs: Sequence[int], variables: Mapping[str, str]
) -> Sending:
    """Start to export the results of some jobs of a run."""
    return Sending(
        chosen,
        gather(store, [on_record(history, jobs)]),
        environ=variables,
        folder=store.home / FOLDER / chosen.name,
        lock=store.folder(history.invocation.id) / FOLDER / f"{chosen.name}.lock",
    )


def exported_entries(name: str, attempts: Mapping[int, int], exported: Iterable[Exported]) -> list[Entry]:
    """Return journal entries for results that are at a destination."""
    numbers = ((split_job_id(one.job)[1], one.where) for one in exported)
    return [job_entry(Event.EXPORTED, n, attempts[n], destination=name, where=where) for n, where in numbers]


def failed_entries(history: History, name: str, attempts: Mapping[int, int], error: EvalyardError) -> list[Entry]:
    """Return journal entries for results that could not be sent; says whether that was the last try."""
    entries = []
    for number, attempt in attempts.items():
        before = history.job(number).latest.exports.get(name)
        tries = (before.failures if before else 0) + 1
        reason = f"{error.message}; {error.hint}" if error.hint else error.message
        entries.append(
            job_entry(
                Event.NOT_EXPORTED,
                number,
                attempt,
                destination=name,
                reason=" ".join(reason.split()),
                given_up=not error.transient or tries >= MOST_TRIES,
            )
        )
    return entries
