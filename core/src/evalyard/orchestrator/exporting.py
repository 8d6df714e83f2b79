"""Exporting on demand: the results of runs on record, and of folders alone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from evalyard.config import load_exports
from evalyard.errors import EvalyardError, Transient, UsageError
from evalyard.exports.destination import Destination, destination
from evalyard.exports.records import Exported
from evalyard.exports.sending import Sending
from evalyard.exports.variables import FOLDER, environment
from evalyard.ids import split_job_id
from evalyard.orchestrator.gather import gather_folders
from evalyard.orchestrator.outbox import exported_entries, failed_entries, prepare_export, send
from evalyard.orchestrator.survey import RunStatus, survey
from evalyard.plugins.discovery import EXPORTERS, installed
from evalyard.scoring.records import JobResults
from evalyard.states import JobState
from evalyard.store.lookup import Selection
from evalyard.store.runs import Store

_OVERRIDE = re.compile(r"(?P<how>\+\+|\+|~)?(?P<rest>.*)", re.DOTALL)


@frozen(kw_only=True)
class Delivery:
    """The results of one job at one destination."""

    job: str
    task: str
    destination: str
    where: str
    skipped: str = ""
    """Why nothing was sent; empty = it was."""


@frozen(kw_only=True)
class Deliveries:
    """What came of an export."""

    made: tuple[Delivery, ...]
    without: Mapping[str, str]
    """Jobs that have nothing to export -> why."""
    errors: tuple[EvalyardError, ...]

    def raise_if_failed(self) -> None:
        """Raise one error that says all, if anything failed; it is transient only if all of them are."""
        if not self.errors:
            return
        first = self.errors[0]
        if len(self.errors) == 1:
            raise first
        text = "\n".join(error.message for error in self.errors)
        kind = Transient if all(error.transient for error in self.errors) else type(first)
        raise kind(text, hint=next((error.hint for error in self.errors if error.hint), None))


@frozen
class _Package:
    """What goes to one destination in one go, ready to start."""

    destination: str
    tasks: Mapping[str, str]
    start: Callable[[], Sending]
    record: Callable[[tuple[Exported, ...] | EvalyardError], None]


def export(
    store: Store,
    selections: Sequence[Selection],
    *,
    destinations: Sequence[str] = (),
    overrides: Sequence[str] = (),
    folders: Sequence[Path] = (),
) -> Deliveries:
    """Export the results of jobs that succeeded; those at a destination already are replaced there.

    Args:
        destinations: names of exporters; by default where the results of each run go by themselves.
        overrides: changes of `export.<destination>`, each as after `-o`; a key alone is one of every destination.
        folders: run directories or folders of tasks, without records.

    Raises:
        UsageError: no destination, a destination that is not installed, or settings that are wrong; before anything
            is sent.
    """
    statuses = survey(store, selections, export=False)
    given = tuple(qualified(overrides, destinations or _automatic(statuses)))
    packages: list[_Package] = []
    without: dict[str, str] = {}
    for status in statuses:
        for name in _destinations_of(status, destinations):
            packages += _of_run(store, status, name, given, without)
    if folders and not destinations:
        raise UsageError("a folder does not say where its results go", hint=f"--dest NAME: {_installed()}")
    for name in destinations if folders else ():
        packages += _of_folders(store, folders, name, given, without)
    made, errors = _sent(packages)
    return Deliveries(made=made, without=without, errors=errors)


def _sent(packages: Iterable[_Package]) -> tuple[tuple[Delivery, ...], tuple[EvalyardError, ...]]:
    """Send one package after the other, whatever becomes of each; return what arrived, and what went wrong."""
    made: list[Delivery] = []
    errors: list[EvalyardError] = []
    for package in packages:
        try:
            exported = package.start().answer()
        except EvalyardError as error:
            package.record(error)
            errors.append(error)
            continue
        package.record(exported)
        made += [
            Delivery(
                job=one.job,
                task=package.tasks[one.job],
                destination=package.destination,
                where=one.where,
                skipped=one.skipped,
            )
            for one in exported
        ]
    return tuple(made), tuple(errors)


def qualified(overrides: Iterable[str], destinations: Sequence[str]) -> Iterator[str]:
    """Yield overrides with whole keys: `format=csv` is one of every destination.

    Raises:
        UsageError: one names a destination to which nothing is exported.
    """
    for text in overrides:
        match = _OVERRIDE.fullmatch(text)
        how, rest = (match["how"] or "", match["rest"]) if match else ("", text)
        if not rest.startswith("export."):
            yield from (f"{how}export.{name}.{rest}" for name in destinations)
            continue
        name = re.split(r"[.=]", rest)[1]
        if name not in (*destinations, "env_vars"):
            raise UsageError(f"-o {text}: nothing is exported to {name}", hint=f"--dest {name} does")
        yield text


def _meant_for(name: str, overrides: Iterable[str]) -> list[str]:
    """Return the overrides that change one destination, or the variables of all."""
    return [text for text in overrides if re.match(rf"\W*export\.({re.escape(name)}|env_vars)\b", text)]


def _destinations_of(status: RunStatus, destinations: Sequence[str]) -> Sequence[str]:
    names = destinations or status.history.invocation.auto_export
    if not names:
        raise UsageError(
            f"the configuration of {status.id} does not say where its results go", hint=f"--dest NAME: {_installed()}"
        )
    return names


def _automatic(statuses: Iterable[RunStatus]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for status in statuses for name in status.history.invocation.auto_export))


def _installed() -> str:
    return ", ".join(plugin.name for plugin in installed(EXPORTERS)) or "no exporter is installed"


def _of_run(
    store: Store, status: RunStatus, name: str, overrides: Sequence[str], without: dict[str, str]
) -> Iterator[_Package]:
    chosen, variables = prepare_export(store, status.id, name, _meant_for(name, overrides), environ=os.environ)
    without |= {job.job: _why_none(job.state, job.reason) for job in status.jobs if not _succeeded(job.state)}
    jobs = {split_job_id(job.job)[1]: job for job in status.jobs if _succeeded(job.state)}
    history = status.history
    attempts = {number: history.job(number).latest.number for number in jobs}

    def record(came: tuple[Exported, ...] | EvalyardError) -> None:
        if isinstance(came, EvalyardError):
            store.record(status.id, failed_entries(history, name, attempts, came))
        else:
            store.record(status.id, exported_entries(name, attempts, came))

    if jobs:
        tasks = {job.job: job.task for job in jobs.values()}
        yield _Package(name, tasks, lambda: send(store, history, chosen, tuple(jobs), variables), record)
    yield from _packed(store, _folders_of(chosen), chosen, variables, without)


def _of_folders(
    store: Store, folders: Sequence[Path], name: str, overrides: Sequence[str], without: dict[str, str]
) -> Iterator[_Package]:
    sections, declared = load_exports("{}", "command line", _meant_for(name, overrides))
    chosen = destination(name, sections)
    variables = environment(declared, (), os.environ, None)
    yield from _packed(store, (*folders, *_folders_of(chosen)), chosen, variables, without)


def _packed(
    store: Store, folders: Sequence[Path], chosen: Destination, variables: Mapping[str, str], without: dict[str, str]
) -> Iterator[_Package]:
    """Yield a package for every run that these folders are of."""
    results = gather_folders(folders) if folders else ()
    without |= {r.card.job: _why_none(r.state, r.reason) for r in results if not _succeeded(r.state)}
    runs: dict[str, list[JobResults]] = {}
    for result in results:
        if _succeeded(result.state):
            runs.setdefault(result.card.invocation, []).append(result)
    home = store.home / FOLDER
    for invocation, group in runs.items():
        yield _Package(
            chosen.name,
            {result.card.job: result.card.task for result in group},
            # As defaults: the loop goes on before they are called.
            lambda group=group, lock=home / f"{chosen.name}.{invocation}.lock": Sending(  # type: ignore[misc]
                chosen, group, environ=variables, folder=home / chosen.name, lock=lock
            ),
            lambda _: None,
        )


def _folders_of(chosen: Destination) -> tuple[Path, ...]:
    return tuple(Path(folder) for folder in getattr(chosen.settings, "job_dirs", ()))


def _succeeded(state: JobState) -> bool:
    return state is JobState.SUCCEEDED


def _why_none(state: JobState, reason: str) -> str:
    return f"{state.value}{': ' + reason if reason else ''}"
