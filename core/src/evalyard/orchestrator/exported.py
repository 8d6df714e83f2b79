"""What became of the exports of a run, for people."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from evalyard.states import JobState
from evalyard.store.history import Export, History, JobHistory


@frozen(kw_only=True)
class ExportStatus:
    """Where the results of one job stand with one destination."""

    destination: str
    state: str
    """`waiting`, `exported`, `failing` (it will be tried again) or `failed`."""
    where: str = ""
    """The page or file that they are in."""
    reason: str = ""
    """Why it failed, the last time."""
    tries: int = 0
    """How often in a row it failed."""


def export_statuses(history: History, job: JobHistory) -> tuple[ExportStatus, ...]:
    """Return how a job stands with every destination that its results go to, or went to when somebody asked."""
    known = job.latest.exports
    wanted = () if job.latest.state.final and job.latest.state is not JobState.SUCCEEDED else _automatic(history)
    return tuple(_status(name, known.get(name, Export())) for name in dict.fromkeys((*wanted, *known)))


def export_lines(history: History, jobs: Iterable[JobHistory], *, kept: bool) -> Iterable[str]:
    """Yield a line for every destination and outcome, with the command that helps where one does.

    Args:
        kept: whether somebody sees to what is still to be sent.
    """
    groups: dict[tuple[str, str, str], list[int]] = {}
    for job in jobs:
        for export in export_statuses(history, job):
            name = job.number
            if export.state == "exported" and not export.reason:
                groups.setdefault((export.destination, "exported to", export.where), []).append(name)
            elif export.reason:
                text = f"{export.reason} ({_again(history, export, kept=kept)})"
                groups.setdefault((export.destination, "not exported to", text), []).append(name)
            elif job.latest.state is JobState.SUCCEEDED and not kept:
                text = f"evalyard export {history.invocation.id}"
                groups.setdefault((export.destination, "not exported yet to", text), []).append(name)
    for (destination, verb, text), numbers in groups.items():
        all_of_them = len(numbers) == len(history.jobs)
        which = "" if all_of_them else f"job{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))} "
        yield f"{which}{verb} {destination}: {text}"


def _automatic(history: History) -> tuple[str, ...]:
    return history.invocation.auto_export


def _status(name: str, export: Export) -> ExportStatus:
    if export.where:
        state = "exported"
    elif export.given_up:
        state = "failed"
    else:
        state = "failing" if export.failures else "waiting"
    return ExportStatus(destination=name, state=state, where=export.where, reason=export.reason, tries=export.failures)


def _again(history: History, export: ExportStatus, *, kept: bool) -> str:
    tried = f"tried {export.tries} time{'s' if export.tries > 1 else ''}"
    if export.state == "failing" and kept:
        return f"{tried}, and will be again"
    return f"{tried}; again: evalyard export {history.invocation.id} --dest {export.destination}"
