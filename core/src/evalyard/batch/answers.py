"""What commands at a login node answer: rows of a word and fields between tabs. Pure.

The last row says that the answer is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import datetime

from attrs import evolve, field, frozen

from evalyard.batch.system import BatchSystem, JobRow, one_line
from evalyard.errors import Transient
from evalyard.harness.evidence import StartRecord, parse_exit, parse_start
from evalyard.records.handles import Handle
from evalyard.records.observations import ExitRecord, Observation
from evalyard.secrets import redact
from evalyard.states import JobState

LATE_FILES_S = 60.0
"""How long after a job's end its files may still be unseen: disks of a network show them late."""
_LONGEST_WORDS = 300
_LONGEST_PROGRESS = 40

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
    lines = text_of(rows, "queue").split("\n")
    text = "\n".join(line for line in lines if not any(words in line for words in system.none_known))
    if not text.strip():
        return ()
    try:
        return tuple(system.parse_queue(text))
    except ValueError as error:
        raise Transient(f"{system.title}'s answer cannot be read: {error}") from error


@frozen(kw_only=True)
class BatchAnswer:
    """What a cluster said of all jobs that it was asked about."""

    now: str = ""
    """The cluster's own clock."""
    jobs: Mapping[str, JobRow] = field(factory=dict)
    """By number: from the queue, or from accounting where the queue has forgotten it."""
    numbers: Mapping[str, str] = field(factory=dict)
    """By name, of a job that has begun under another number than the one that was asked about."""
    unaccounted: str = ""
    """Why accounting could not be asked; empty = it was, or the cluster has none."""
    exits: Mapping[str, ExitRecord] = field(factory=dict)
    """By name, as everything that follows."""
    starts: Mapping[str, StartRecord] = field(factory=dict)
    whys: Mapping[str, tuple[str, str]] = field(factory=dict)
    """A state and a reason that the batch script noted."""
    progress: Mapping[str, str] = field(factory=dict)
    servers: Mapping[str, str] = field(factory=dict)
    """What the model server said last, where it ended before the evaluation."""
    stopped: Set[str] = frozenset()
    """What was asked to end, by whomever."""

    def row_of(self, handle: Handle) -> JobRow | None:
        """Return what the scheduler says of a job."""
        row = self.jobs.get(handle.id)
        return row if row is not None and row.belongs_to(handle.name) else None

    def exit_of(self, handle: Handle) -> ExitRecord | None:
        """Return how a job ended by its own record."""
        record = self.exits.get(handle.name)
        return record if record is not None and record.mark == handle.mark else None

    def noted(self, handle: Handle) -> Observation | None:
        """Return what the batch script noted of its end before it ended."""
        word, reason = self.whys.get(handle.name, ("", ""))
        return Observation(state=JobState(word), reason=reason) if word in JobState.__members__ else None

    def unmentioned(self, handle: Handle) -> Observation | None:
        """Return what is known of a job without a record of its end, which the scheduler does not mention."""
        if self.unaccounted:
            return Observation(state=JobState.UNKNOWN, reason=f"accounting does not answer: {self.unaccounted}")
        if handle.name in self.stopped:
            return Observation(state=JobState.CANCELLED, reason="it was stopped, and left no word of its end")
        return None

    def begun(self, handle: Handle, said: Observation) -> Observation:
        """Return an observation with what a job's own files add while it has not ended."""
        start = self.starts.get(handle.name)
        if start is None or start.mark != handle.mark:
            return said
        progress = self.progress.get(handle.name, "")
        return evolve(said, progress=progress if len(progress) < _LONGEST_PROGRESS else "", started_at=start.started_at)

    def failure(self, handle: Handle, record: ExitRecord) -> str:
        """Return why a job failed by its own record, with what its model server said last."""
        words = redact(self.servers.get(handle.name, ""))[:_LONGEST_WORDS]
        return f"{record.reason}: {words}" if words else record.reason

    def may_lack_files(self, row: JobRow) -> bool | None:
        """Whether a job ended so short ago that its files may still come; None = it is not told when it ended."""
        try:
            age_s = (datetime.fromisoformat(self.now) - datetime.fromisoformat(row.ended_at)).total_seconds()
        except (ValueError, TypeError):
            return None
        return age_s < LATE_FILES_S


def parse_status(system: BatchSystem, answer: bytes) -> BatchAnswer:
    """Return what a cluster said of jobs. A row that cannot be read says nothing.

    Raises:
        Transient: the cluster did not answer, or the answer broke off.
    """
    numbers: dict[str, str] = {}
    exits: dict[str, ExitRecord] = {}
    starts: dict[str, StartRecord] = {}
    whys: dict[str, tuple[str, str]] = {}
    progress: dict[str, str] = {}
    servers: dict[str, str] = {}
    stopped: set[str] = set()
    now = unaccounted = ""
    rows = rows_of(answer, system.plain)
    for row in rows:
        match row:
            case ("now", moment):
                now = moment
            case ("unaccounted", *said):
                unaccounted = system.plain("\t".join(said))
            case ("begun", name, number):
                numbers[name] = number
            case ("exit", name, *text):
                if record := parse_exit("\t".join(text)):
                    exits[name] = record
            case ("start", name, *text):
                if begun := parse_start("\t".join(text)):
                    starts[name] = begun
            case ("why", name, state, reason):
                whys[name] = (state, reason)
            case ("stopped", name):
                stopped.add(name)
            case ("progress", name, text):
                progress[name] = text.strip()
            case ("server", name, *text):
                if words := system.server_words("\t".join(text)).strip():
                    servers[name] = words
    accounts: tuple[JobRow, ...] = ()
    try:
        accounts = tuple(system.parse_accounts(text_of(rows, "account")))
    except ValueError as error:
        unaccounted = f"its answer cannot be read: {error}"
    return BatchAnswer(
        now=now,
        jobs={row.id: row for row in (*accounts, *queue_in(system, rows))},
        numbers=numbers,
        unaccounted=unaccounted,
        exits=exits,
        starts=starts,
        whys=whys,
        progress=progress,
        servers=servers,
        stopped=frozenset(stopped),
    )
