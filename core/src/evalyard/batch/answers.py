"""What commands at a login node answer: rows of a word and fields between tabs. Pure.

The last row says that the answer is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import field, frozen

from evalyard.batch.system import BatchSystem, JobRow, one_line
from evalyard.errors import Transient
from evalyard.harness.evidence import StartRecord, parse_exit, parse_start
from evalyard.records import ExitRecord

Row = tuple[str, ...]


def table(rows: Iterable[Sequence[str]]) -> bytes:
    """Return rows as a command reads them from its standard input."""
    return "".join("\t".join(row) + "\n" for row in rows).encode("utf-8", "surrogateescape")


def rows_of(answer: bytes, plain: Callable[[str], str] = one_line) -> tuple[Row, ...]:
    """Return the rows of an answer, without the last one, which only says that it is whole.

    Args:
        plain: what is told of the scheduler's words.

    Raises:
        Transient: the cluster did not answer, or the answer broke off.
    """
    lines = answer.decode("utf-8", "replace").split("\n")
    rows = tuple(tuple(line.split("\t")) for line in lines if line)
    last = rows[-1] if rows else ("",)
    match last[0]:
        case "end" if lines[-1] == "":
            return rows[:-1]
        case "busy":
            raise Transient("another launcher has been submitting jobs of this run for a minute")
        case "failed":
            raise Transient(plain("\t".join(last[1:])) or "no answer")
    raise Transient("the cluster's answer broke off")


def text_of(rows: Iterable[Row], word: str) -> str:
    """Return what a program printed, which came in rows of this word, a line each."""
    return "\n".join("\t".join(row[1:]) for row in rows if row[0] == word)


def queue_in(system: BatchSystem, rows: Sequence[Row]) -> tuple[JobRow, ...]:
    """Return what the queue says in an answer; nothing where it was not asked.

    Raises:
        Transient: that cannot be read.
    """
    if not any(row[0] == "queue" for row in rows):
        return ()
    try:
        return tuple(system.parse_queue(text_of(rows, "queue")))
    except ValueError as error:
        raise Transient(f"{system.title}'s answer cannot be read: {error}") from error


@frozen(kw_only=True)
class BatchAnswer:
    """What a cluster said of all jobs that it was asked about."""

    now: str = ""
    """The cluster's own clock."""
    jobs: Mapping[str, JobRow] = field(factory=dict)
    """By number: from the queue, or from accounting where the queue has forgotten it."""
    unaccounted: str = ""
    """Why accounting could not be asked; empty = it was, or the cluster has none."""
    exits: Mapping[str, ExitRecord] = field(factory=dict)
    """By the job's name, as everything that follows."""
    starts: Mapping[str, StartRecord] = field(factory=dict)
    whys: Mapping[str, tuple[str, str]] = field(factory=dict)
    """A state and a reason that the batch script noted."""
    progress: Mapping[str, str] = field(factory=dict)
    servers: Mapping[str, str] = field(factory=dict)
    """What the model server said last, where it ended before the evaluation."""


def parse_status(system: BatchSystem, answer: bytes) -> BatchAnswer:
    """Return what a cluster said of jobs. A row that cannot be read says nothing.

    Raises:
        Transient: the cluster did not answer, or the answer broke off.
    """
    exits: dict[str, ExitRecord] = {}
    starts: dict[str, StartRecord] = {}
    whys: dict[str, tuple[str, str]] = {}
    progress: dict[str, str] = {}
    servers: dict[str, str] = {}
    now = unaccounted = ""
    rows = rows_of(answer, system.plain)
    for row in rows:
        match row:
            case ("now", moment):
                now = moment
            case ("unaccounted", *said):
                unaccounted = system.plain("\t".join(said))
            case ("exit", name, *text):
                if record := parse_exit("\t".join(text)):
                    exits[name] = record
            case ("start", name, *text):
                if begun := parse_start("\t".join(text)):
                    starts[name] = begun
            case ("why", name, state, reason):
                whys[name] = (state, reason)
            case ("progress", name, text):
                progress[name] = text.strip()
            case ("server", name, *text):
                if words := system.server_words("\t".join(text)).strip():
                    servers[name] = words
    accounts = system.parse_accounts(text_of(rows, "account"))
    return BatchAnswer(
        now=now,
        jobs={row.id: row for row in (*accounts, *queue_in(system, rows))},
        unaccounted=unaccounted,
        exits=exits,
        starts=starts,
        whys=whys,
        progress=progress,
        servers=servers,
    )
