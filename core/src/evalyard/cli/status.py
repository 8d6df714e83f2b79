"""`evalyard status`."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from typing import Annotated

from attrs import define, evolve, field
from cyclopts import Parameter

from evalyard.cli.options import AsJson
from evalyard.cli.progress import estimated_total, progress_text
from evalyard.cli.render import (
    STATE_STYLES,
    STATUS_COLUMNS,
    put_json,
    rich_table,
    say,
    show_statuses,
    status_json,
    status_row,
)
from evalyard.errors import EXIT_BACKEND, EXIT_JOB_FAILED, EXIT_OK, EvalyardError
from evalyard.orchestrator.gather import planned_card
from evalyard.orchestrator.pace import spread
from evalyard.orchestrator.survey import JobStatus, RunStatus, survey
from evalyard.secrets import redact
from evalyard.states import JobState
from evalyard.store.lookup import Selection, look_up_all, unended
from evalyard.store.runs import Store

WATCH_POLL_S = 1.0


def status(
    *ids: str,
    watch: Annotated[
        bool, Parameter(name=["--watch", "-w"], negative=(), show_default=False, help="Stay until every job ended.")
    ] = False,
    json: AsJson = False,
) -> int:
    """Show where runs and jobs stand, and why. Exits 1 when one of them failed, 3 when one cannot be told.

    Args:
        ids: Runs or jobs, whole ids or their start; by default what has not ended, else the latest run.
    """
    store = Store()
    selections = look_up_all(store, ids) if ids else _unended(store)
    if not selections:
        if json:
            put_json([])
        else:
            say("there are no runs yet; start one: evalyard run --config FILE")
        return EXIT_OK
    statuses = _watch(store, selections) if watch and not json else survey(store, selections)
    while watch and json and not all(status.ended for status in statuses):
        time.sleep(_pause_s(statuses))
        statuses = survey(store, selections)
    if json:
        put_json([status_json(job) for status in statuses for job in status.jobs])
    elif not (watch and sys.stdout.isatty()):
        show_statuses(statuses, to=sys.stdout)
    return _code(statuses)


def _unended(store: Store) -> tuple[Selection, ...]:
    selections, damage = unended(store)
    for record in damage:
        say(f"damaged record: {record}")
    return selections


def _code(statuses: list[RunStatus]) -> int:
    states = [job.state for status in statuses for job in status.jobs]
    if any(state.final and state is not JobState.SUCCEEDED for state in states):
        return EXIT_JOB_FAILED
    return EXIT_BACKEND if JobState.UNKNOWN in states else EXIT_OK


def _pause_s(statuses: Sequence[RunStatus]) -> float:
    """Return how long to wait before looking again: as long as the backend that wants most rest."""
    wanted = [status.history.invocation.connection.poll_interval_s for status in statuses if not status.ended]
    return max([WATCH_POLL_S, *map(spread, wanted)])


def _watch(store: Store, selections: tuple[Selection, ...]) -> list[RunStatus]:
    """Look again and again until everything has ended; a live table on a terminal, a line per change in a pipe."""
    if sys.stdout.isatty():
        return _watch_live(store, selections)
    said: dict[str, str] = {}
    while True:
        statuses = survey(store, selections)
        for job in (job for status in statuses for job in status.jobs):
            text = f"{job.job}  {job.task}  {job.state.value}{'  ' + job.reason if job.reason else ''}"
            if said.get(job.job) != text:
                said[job.job] = text
                print(redact(text), flush=True)
        if all(status.ended for status in statuses):
            return statuses
        time.sleep(_pause_s(statuses))


def _watch_live(store: Store, selections: tuple[Selection, ...]) -> list[RunStatus]:
    from rich.live import Live

    totals = Totals(store)
    with Live(refresh_per_second=4) as live:
        while True:
            statuses = survey(store, selections)
            jobs = [totals.with_bar(status, job) for status in statuses for job in status.jobs]
            rows = [[redact(cell) for cell in status_row(job)] for job in jobs]
            live.update(rich_table(STATUS_COLUMNS, rows, STATE_STYLES), refresh=True)
            if all(status.ended for status in statuses):
                return statuses
            time.sleep(_pause_s(statuses))


@define
class Totals:
    """How much there is to do in each job: looked up once, and only for jobs that say how far they are."""

    store: Store
    _known: dict[str, float | None] = field(factory=dict, init=False)

    def with_bar(self, status: RunStatus, job: JobStatus) -> JobStatus:
        """Return a job with a bar for its progress."""
        if not job.progress:
            return job
        if job.job not in self._known:
            with contextlib.suppress(EvalyardError):
                self._known[job.job] = estimated_total(planned_card(self.store, status.history, job))
        return evolve(job, progress=progress_text(job.progress, self._known.get(job.job)))
