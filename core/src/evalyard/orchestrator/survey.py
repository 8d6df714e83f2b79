"""Where invocations stand, for people: `status`, `results`, `ls runs`. Records what ended; starts nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from evalyard.errors import EvalyardError
from evalyard.harness.evidence import attempts_in, read_exit, read_start
from evalyard.ids import job_id
from evalyard.orchestrator.decide import Situation, ends_to_collect, ends_to_tell
from evalyard.orchestrator.exported import ExportStatus, export_lines, export_statuses
from evalyard.orchestrator.run import OpenRun, job_entry, known_handles, open_run
from evalyard.orchestrator.watch import look, verdict
from evalyard.records.invocations import Invocation
from evalyard.records.observations import Observation
from evalyard.states import JobState
from evalyard.store.history import Attempt, History, JobHistory
from evalyard.store.journal import Entry, Event
from evalyard.store.layout import job_folder
from evalyard.store.lookup import Selection
from evalyard.store.runs import Store


@frozen(kw_only=True)
class JobStatus:
    """One row of `status`."""

    job: str
    task: str
    state: JobState
    reason: str
    attempt: int
    by_hand: bool
    executor: str
    progress: str = ""
    started_at: str = ""
    ended_at: str = ""
    exit_code: int | None = None
    folder: str = ""
    """The task's directory, where the job runs."""
    exports: tuple[ExportStatus, ...] = ()


@frozen(kw_only=True)
class RunStatus:
    """One invocation."""

    history: History
    jobs: tuple[JobStatus, ...]
    kept: bool
    """Whether a keeper is at work."""
    left: tuple[str, ...] = ()
    """What nobody will do unless somebody is asked to, each with the command that does it."""
    warnings: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    """Where results went, or why they could not."""

    @property
    def id(self) -> str:
        """The invocation's id."""
        return self.history.invocation.id

    @property
    def ended(self) -> bool:
        """Whether all of its jobs have."""
        return all(job.state.final for job in self.jobs)


def survey(store: Store, selections: Sequence[Selection], *, export: bool = True) -> list[RunStatus]:
    """Look at these invocations, with one query per backend, and say where they stand.

    Args:
        export: whether to export results that are due and that no keeper sees to.

    Raises:
        StoreError: an invocation's header cannot be read.
    """
    ids = list(dict.fromkeys(selection.invocation for selection in selections))
    histories = {invocation: store.read(invocation) for invocation in ids}
    live = [
        invocation
        for invocation, history in histories.items()
        if known_handles(history) or any(job.launched.live for job in history.jobs)
    ]
    seen, warnings = _look_at(store, live)
    statuses = []
    for invocation in ids:
        record_by_hand(store, histories[invocation])
        history = store.read(invocation)
        kept = store.has_keeper(invocation)
        said = list(warnings.get(invocation, ()))
        if export and not kept and _exports_due(history):
            said += _export(store, invocation)
            history = store.read(invocation)
        chosen = [s for s in selections if s.invocation == invocation]
        jobs = [job for job in history.jobs if any(choice.covers(job.number) for choice in chosen)]
        statuses.append(
            RunStatus(
                history=history,
                jobs=tuple(_row(history, job, seen) for job in jobs),
                kept=kept,
                left=() if kept else (*_left(history), *_ends_left(store, history)),
                warnings=(*said, *(f"damaged record: {damage}" for damage in history.damage)),
                exports=tuple(export_lines(history, jobs, kept=kept)),
            )
        )
    return statuses


def on_record(history: History, numbers: Sequence[int]) -> RunStatus:
    """Return where some jobs of an invocation stand on record, asking nobody."""
    return RunStatus(history=history, jobs=tuple(_row(history, history.job(n), {}) for n in numbers), kept=False)


def _exports_due(history: History) -> bool:
    return any(
        status.state in ("waiting", "failing")
        for job in history.jobs
        if job.latest.state is JobState.SUCCEEDED
        for status in export_statuses(history, job)
    )


def _export(store: Store, invocation: str) -> tuple[str, ...]:
    """Export what is due, trying once; return why that was not even tried."""
    from evalyard.orchestrator.conduct import Conductor  # what it conducts gathers results, which begins here

    try:
        Conductor(open_run(store, invocation, strict=False)).export()
    except EvalyardError as error:
        return (error.message,)
    return ()


def _look_at(store: Store, invocations: Iterable[str]) -> tuple[dict[str, Observation], dict[str, tuple[str, ...]]]:
    groups: dict[object, list[OpenRun]] = {}
    seen: dict[str, Observation] = {}
    warnings: dict[str, tuple[str, ...]] = {}
    for invocation in invocations:
        try:
            run = open_run(store, invocation, strict=False)
        except EvalyardError as error:
            warnings[invocation] = (error.message,)
            unknown = Observation(state=JobState.UNKNOWN, reason=error.message)
            seen.update(dict.fromkeys(known_handles(store.read(invocation)), unknown))
            continue
        warnings[invocation] = run.session.warnings
        groups.setdefault(run.invocation.connection.key, []).append(run)
    for runs in groups.values():
        seen.update(look(runs))
    return seen, warnings


def _row(history: History, job: JobHistory, seen: Mapping[str, Observation]) -> JobStatus:
    attempt, header = job.latest, history.invocation.job(job.number)
    state, reason, progress = attempt.state, attempt.reason, ""
    observation = seen.get(attempt.handle.name) if attempt.handle else None
    if observation is not None and not state.final:
        progress = observation.progress
        if observation.state is JobState.UNKNOWN:
            state, reason = JobState.UNKNOWN, observation.reason
    if state is JobState.PENDING:
        made = [need.key for need in history.needs if need.latest.live and need.latest.handle is None]
        if made and not job.launched.sent:
            state, reason = JobState.PROVISIONING, f"makes {', '.join(made)} ready"
        reason = reason or _why_pending(history, job)
    return JobStatus(
        job=f"{history.invocation.id}.{job.number}",
        task=header.task,
        state=state,
        reason=reason,
        attempt=attempt.number,
        by_hand=attempt.by_hand,
        executor=history.invocation.connection.executor,
        progress=progress,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        exit_code=attempt.exit_code,
        folder=f"{history.invocation.run_dir}/{header.folder}",
        exports=export_statuses(history, job),
    )


def _why_pending(history: History, job: JobHistory) -> str:
    if job.launched.sent:
        return "handed to the backend; its answer is not on record"
    return "waits for its turn" if any(other.launched.sent for other in history.jobs) else "not launched yet"


def _left(history: History) -> Iterable[str]:
    """Say what remains to be done and that nobody is doing it."""
    invocation = history.invocation.id
    waiting = [job for job in history.jobs if not job.latest.state.final and not job.launched.sent]
    unclear = [job for job in history.jobs if job.launched.live and job.launched.handle is None]
    if unclear:
        yield f"{len(unclear)} of {len(history.jobs)} jobs sent, and no answer on record: evalyard resume {invocation}"
    if waiting:
        yield f"{len(waiting)} of {len(history.jobs)} jobs not launched: evalyard resume {invocation}"
    killed = [job.number for job in history.jobs if _ended_unheard(job.launched)]
    if killed:
        names = ", ".join(f"{invocation}.{number}" for number in killed)
        yield f"{names} may have left processes behind: evalyard kill {invocation}"
    for need in history.needs:
        attempt = need.latest
        if not attempt.sent or attempt.released or attempt.kind.lasting:
            continue
        if history.ended:
            yield f"{need.key} is not released: evalyard kill {invocation}"
        elif not waiting:
            yield f"nobody will release {need.key}: evalyard resume {invocation}"


def _ends_left(store: Store, history: History) -> Iterable[str]:
    """Say which ended jobs nobody sees to any more: what they left is elsewhere, or extensions do not know of them."""
    header = history.invocation
    ended = [attempt for job in history.jobs for attempt in job.attempts if attempt.state.final]
    # Most runs need neither, and asking their executor would load it.
    here = header.connection.shares_disk or Path(header.run_dir).is_dir()
    if all((attempt.told or not header.extensions) and (attempt.collected or here) for attempt in ended):
        return
    try:
        run = open_run(store, header.id, strict=False)
    except EvalyardError:
        return  # whoever does anything about it is told
    listens = run.session.listens or bool(run.session.warnings)
    situation = Situation(history=history, plans={}, fetches=run.session.fetches, listens=listens)
    remedy = f"evalyard {'kill' if history.ended else 'resume'} {header.id}"
    if far := ends_to_collect(situation):
        yield f"results of {_names(header, far)} were not brought home: {remedy}"
    if untold := dict.fromkeys(number for number, _ in ends_to_tell(situation)):
        why = f" ({'; '.join(run.session.warnings)})" if run.session.warnings else ""
        yield f"extensions were not told that {_names(header, untold)} ended{why}: {remedy}"


def _names(header: Invocation, numbers: Iterable[int]) -> str:
    return ", ".join(job_id(header.id, number) for number in numbers)


def _ended_unheard(attempt: Attempt) -> bool:
    """Whether an attempt ended without saying how, and nobody has looked after what it left."""
    return attempt.state.final and attempt.handle is not None and attempt.exit_code is None and not attempt.released


def record_by_hand(store: Store, history: History) -> None:
    """Put attempts on record that somebody made by running a script in the run directory."""
    entries: list[Entry] = []
    for job in history.jobs:
        if job.launched.state.final:
            header = history.invocation.job(job.number)
            entries += _by_hand(job, job_folder(store, history.invocation, header))
    store.record(history.invocation.id, entries)


def _by_hand(job: JobHistory, folder: Path) -> Iterable[Entry]:
    known = {attempt.number: attempt for attempt in job.attempts}
    for number in attempts_in(folder):
        attempt = known.get(number, Attempt(number=number))
        start = read_start(folder, number)
        if start is None or not start.by_hand or attempt.state.final:
            continue
        if number not in known:
            yield job_entry(Event.PLANNED, job.number, number, by_hand=True)
            yield job_entry(Event.SENDING, job.number, number)
        end = read_exit(folder, number)
        if end is not None:
            state, reason = verdict(evolve(attempt, number=number), end)
            yield job_entry(
                Event.STATE,
                job.number,
                number,
                state=state,
                reason=reason,
                exit_code=end.exit_code,
                started_at=end.started_at,
                ended_at=end.ended_at,
            )
        elif start.elsewhere:
            continue
        elif runs_by_hand(start.pid):
            if attempt.state is not JobState.RUNNING:
                yield job_entry(Event.STATE, job.number, number, state=JobState.RUNNING, started_at=start.started_at)
        else:
            reason = "ended without recording how"
            yield job_entry(Event.STATE, job.number, number, state=JobState.FAILED, reason=reason)


def runs_by_hand(pid: int) -> bool:
    """Whether the script of an attempt by hand still runs on this machine."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any("run.sh" in word for word in process.cmdline())
    except psutil.Error:
        return False
