"""From records to text: tables that suit a terminal and columns that suit a pipe, and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from evalyard.cli.streams import deliver
from evalyard.records.findings import Finding, Severity
from evalyard.secrets import redact
from evalyard.states import JobState

if TYPE_CHECKING:
    from evalyard.orchestrator.survey import JobStatus, RunStatus
    from evalyard.scoring.records import JobResults

STATE_STYLES = {
    JobState.SUCCEEDED.value: "green",
    JobState.FAILED.value: "bold red",
    JobState.TIMED_OUT.value: "bold red",
    JobState.LOST.value: "bold red",
    JobState.CANCELLED.value: "yellow",
    JobState.UNKNOWN.value: "magenta",
    JobState.RUNNING.value: "cyan",
}
SEVERITY_STYLES = {Severity.OK.value: "green", Severity.WARNING.value: "yellow", Severity.ERROR.value: "bold red"}

Row = Sequence[str]


def say(text: str = "", *, to: IO[str] | None = None) -> None:
    """Print a line for a person; to stderr unless told otherwise, so that stdout stays for what scripts read."""
    deliver(redact(text), to or sys.stderr)


def show_notices() -> None:
    """From now on, show what plugins say while a step takes long; on a terminal also how far it is."""
    import logging

    from evalyard.cli.notices import Shown
    from evalyard.plugins.context import NOTICES, PROGRESS

    shown = Shown(sys.stderr)
    for name in (NOTICES, PROGRESS) if shown.in_place else (NOTICES,):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.handlers = [shown]


def put(text: str) -> None:
    """Print a line of what was asked for, to stdout, at once."""
    deliver(redact(text), sys.stdout)


def put_json(data: Any) -> None:
    """Print data as JSON to stdout."""
    deliver(json.dumps(_redacted(data), indent=2, ensure_ascii=False), sys.stdout)


def _redacted(data: Any) -> Any:
    # Text by text: in the whole, escapes would hide a value, and a value like `true` would break the syntax.
    match data:
        case str():
            return redact(data)
        case Mapping():
            return {key: _redacted(value) for key, value in data.items()}
        case list() | tuple():
            return [_redacted(value) for value in data]
    return data


def show_table(columns: Sequence[str], rows: Sequence[Row], styles: Mapping[str, str], *, to: IO[str]) -> None:
    """Print a table: with rules and colours on a terminal, in aligned plain columns elsewhere.

    Args:
        styles: cell text -> how it looks on a terminal.
    """
    clean = [[redact(cell) for cell in row] for row in rows]
    if not to.isatty():
        deliver("\n".join(plain_table(columns, clean)), to)
        return
    from rich.console import Console

    Console(file=to).print(rich_table(columns, clean, styles))


def plain_table(columns: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Return aligned columns under a head, two spaces apart; a line break in a cell becomes a blank."""
    return plain_lines([columns, *rows])


def plain_lines(rows: Sequence[Row]) -> list[str]:
    """Return rows of equal length as aligned columns."""
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def rich_table(columns: Sequence[str], rows: Sequence[Row], styles: Mapping[str, str]) -> Any:
    """Return a table for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in row))
    return table


STATUS_COLUMNS = ("job", "task", "state", "attempt", "time", "progress", "reason")


def status_row(job: JobStatus) -> Row:
    """Return the cells of a job in `status`."""
    attempt = f"{job.attempt} (by hand)" if job.by_hand else str(job.attempt)
    return (job.job, job.task, job.state.value, attempt, duration(job), job.progress, job.reason)


def status_json(job: JobStatus) -> dict[str, Any]:
    """Return the fields of a job in `status --json`."""
    return {
        "job": job.job,
        "task": job.task,
        "state": job.state.value,
        "reason": job.reason,
        "attempt": job.attempt,
        "by_hand": job.by_hand,
        "executor": job.executor,
        "progress": job.progress,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "exit_code": job.exit_code,
        "directory": job.folder,
        "exports": [
            {
                "destination": export.destination,
                "state": export.state,
                "where": export.where,
                "reason": export.reason,
                "tries": export.tries,
            }
            for export in job.exports
        ],
    }


def duration(job: JobStatus | JobResults) -> str:
    """Return how long a job has taken, `1:02:03`; empty when it has not started."""
    try:
        start = datetime.fromisoformat(job.started_at)
        end = datetime.fromisoformat(job.ended_at) if job.ended_at else datetime.now(UTC)
    except ValueError:
        return ""
    minutes, seconds = divmod(max(0, round((end - start).total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def show_statuses(statuses: Sequence[RunStatus], *, to: IO[str]) -> None:
    """Print where jobs stand, and what nobody is doing about it."""
    rows = [status_row(job) for status in statuses for job in status.jobs]
    show_table(STATUS_COLUMNS, rows, STATE_STYLES, to=to)
    for status in statuses:
        for line in (*status.exports, *status.left, *status.warnings):
            say(f"{status.history.invocation.id}: {line}")


def show_findings(findings: Sequence[Finding], *, to: IO[str]) -> None:
    """Print what a check found, each with its remedy."""
    rows = [(finding.severity.value, finding.subject, finding.message, finding.remedy) for finding in findings]
    show_table(("is", "what", "found", "what to do"), rows, SEVERITY_STYLES, to=to)


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return the fields of a finding in `--json`."""
    return {
        "severity": finding.severity.value,
        "subject": finding.subject,
        "message": finding.message,
        "remedy": finding.remedy,
    }
