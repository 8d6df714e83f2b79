"""From a configuration to a run under way, and from a stored run to its next attempts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

import evalyard
from evalyard.config import load_text, structure
from evalyard.errors import Interrupted, UsageError
from evalyard.exports.destination import Destination, check_exports
from evalyard.exports.variables import keep_variables
from evalyard.ids import new_mark
from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.keeper import keeper_on_standby, start_keeper
from evalyard.orchestrator.plan import Attempt, first_attempts, headers, merged_needs, plan_attempts
from evalyard.orchestrator.run import OpenRun, job_entry, need_entry, open_run
from evalyard.orchestrator.steps import ENDING_STEPS
from evalyard.orchestrator.stop import undo
from evalyard.orchestrator.survey import record_by_hand
from evalyard.plugins.discovery import load_executor
from evalyard.plugins.session import Session, open_session
from evalyard.records.invocations import Invocation
from evalyard.records.plans import Plan
from evalyard.specs import RunSpec
from evalyard.states import JobState
from evalyard.store.journal import Entry, Event
from evalyard.store.lookup import Selection
from evalyard.store.runs import Store

DRY_RUN_ID = "00000000"


@frozen(kw_only=True)
class Prepared:
    """A run that is planned; nothing was sent or written."""

    spec: RunSpec
    settings: Any
    session: Session
    invocation: Invocation
    plans: tuple[Plan, ...]
    exports: tuple[Destination, ...] = ()
    """Where results go as soon as there are any."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, each line once."""
        return tuple(dict.fromkeys(note for plan in self.plans for note in plan.notes))


def prepare(spec: RunSpec, invocation: str = DRY_RUN_ID, now: datetime | None = None) -> Prepared:
    """Type the settings, open the session, and plan every task.

    Raises:
        PluginError: the executor or an extension cannot be used.
        ConfigError: the settings, a task, the deployment or an export is wrong.
    """
    exports = check_exports(spec)
    executor = load_executor(spec.execution.name)
    settings = structure(spec.execution, executor.Settings)
    connection = settings.connection()
    session = open_session(connection, spec.extensions)
    moment = now or datetime.now().astimezone()
    header = Invocation(
        id=invocation,
        created_at=moment.astimezone(UTC).isoformat(timespec="milliseconds"),
        source=spec.source,
        run_dir=f"{settings.output_dir}/{moment:%Y-%m-%d-%H-%M-%S}-{invocation}",
        connection=connection,
        jobs=headers(spec),
        extensions=spec.extensions,
        auto_export=spec.auto_export,
        evalyard_version=evalyard.__version__,
    )
    plans = plan_attempts(spec, session, settings, header, first_attempts(spec))
    return Prepared(spec=spec, settings=settings, session=session, invocation=header, plans=plans, exports=exports)


def begin(
    store: Store, prepared: Prepared, *, environ: Mapping[str, str], stay: bool, announce: Callable[[OpenRun], None]
) -> OpenRun:
    """Record the run, make what it needs, launch what may start now, and leave the rest to a keeper.

    Args:
        environ: where the values of secrets are looked up.
        stay: whether the caller will see the run through itself (`run --wait`), so that no keeper is needed.
        announce: called once the run is on record, before anything is sent.

    Raises:
        EvalyardError: it could not be recorded or its keeper not started.
        Interrupted: somebody interrupted; what was made is undone, or named.
    """
    planned = [
        Entry(event=Event.PLANNED, at=0.0, job=header.number, attempt=plan.attempt, mark=plan.mark)
        for header, plan in zip(prepared.invocation.jobs, prepared.plans, strict=True)
    ]
    run = OpenRun(store=store, invocation=prepared.invocation, session=prepared.session, environ=environ)
    with undone_when_interrupted(run):
        store.create(prepared.invocation, prepared.spec.resolved, prepared.plans, planned)
        if prepared.exports:
            keep_variables(store.folder(run.id), prepared.spec.export_env, prepared.exports, environ)
        announce(run)
        _set_going(run, stay=stay)
    return run


def resume(
    store: Store, selection: Selection, *, environ: Mapping[str, str], stay: bool, announce: Callable[[OpenRun], None]
) -> OpenRun:
    """Go on with an invocation: adopt what runs, launch what waits, and try again what ended without success.

    Raises:
        UsageError: there is nothing to resume.
        EvalyardError: its records, its executor or its secrets are not there.
    """
    run = open_run(store, selection.invocation)
    run.environ = environ
    conductor = Conductor(run)
    conductor.look()
    record_by_hand(store, run.history())
    conductor.act(ENDING_STEPS)  # what an ended attempt left behind goes before the next one begins
    with store.acting(run.id):
        attempts = _next_attempts(run, selection)
        if not attempts and not conductor.remains(conductor.situation()) and run.history().ended:
            raise _nothing_to_resume(run, selection)
        if attempts:
            _plan_again(run, attempts)
    with undone_when_interrupted(run):
        announce(run)
        _set_going(run, stay=stay)
    return run


@contextmanager
def undone_when_interrupted(run: OpenRun) -> Iterator[None]:
    """Undo what was started when somebody interrupts.

    Raises:
        Interrupted: saying that everything was ended, or what is left and the command that ends it.
        KeyboardInterrupt: the run is not on record, so there is nothing to undo.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not run.store.folder(run.id).exists():
            raise  # not even on record
        left = undo(run)
        if left:
            names = "; ".join(f"{name}: {why}" for name, why in left.items())
            text, hint = f"interrupted, and not everything has ended: {names}", f"evalyard kill {run.id}"
        else:
            counts = Counter(job.latest.state.value for job in run.history().jobs)
            ended = ", ".join(f"{count} {state}" for state, count in counts.items())
            text, hint = f"interrupted, and nothing of {run.id} runs any more: {ended}", f"evalyard resume {run.id}"
        raise Interrupted(text, hint=hint) from None


def _nothing_to_resume(run: OpenRun, selection: Selection) -> UsageError:
    failed = [job for job in run.history().jobs if job.latest.state is not JobState.SUCCEEDED]
    if selection.job and failed:
        text = f"nothing to resume: {run.id}.{selection.job} succeeded, and {len(failed)} other jobs of the run did not"
        return UsageError(text, hint=f"evalyard resume {run.id}")
    return UsageError(f"nothing to resume: every job of {run.id} succeeded")


def _set_going(run: OpenRun, *, stay: bool) -> None:
    conductor = Conductor(run)
    if stay:
        conductor.act()
        return
    # A keeper takes as long to load as many a launch takes.
    with keeper_on_standby(run.store, run.id) as standby:
        if conductor.remains(conductor.act()):
            start_keeper(run.store, run.id, standby)


def _next_attempts(run: OpenRun, selection: Selection) -> tuple[Attempt, ...]:
    history = run.history()
    again = [
        job
        for job in history.jobs
        if selection.covers(job.number) and job.latest.state.final and job.latest.state is not JobState.SUCCEEDED
    ]
    return tuple(Attempt(number=job.number, attempt=job.latest.number + 1, mark=new_mark()) for job in again)


def _plan_again(run: OpenRun, attempts: tuple[Attempt, ...]) -> None:
    source = str(run.store.folder(run.id) / "config.yaml")
    spec = load_text(run.store.config(run.id), source)
    settings = structure(spec.execution, load_executor(spec.execution.name).Settings)
    plans = plan_attempts(spec, run.session, settings, run.invocation, attempts)
    for plan in plans:
        run.store.write_plan(run.id, plan)
    history = run.history()
    entries = []
    for need in merged_needs(plans):
        known = history.need(need.key)
        if known and (need.kind.lasting or known.latest.state.final or known.latest.released):
            entries.append(need_entry(Event.PLANNED, need.key, known.latest.number + 1, mark=new_mark()))
    entries += [job_entry(Event.PLANNED, plan.number, plan.attempt, mark=plan.mark) for plan in attempts]
    run.record(entries)
