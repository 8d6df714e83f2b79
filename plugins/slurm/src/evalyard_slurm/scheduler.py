"""What is asked of a cluster, as texts for a POSIX shell, and what its answers mean. Pure.

A command's text stands in `commands/`. It asks Slurm and looks at files in one go, and answers in rows: a word, then
fields between tabs. The last row says that the answer is whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files

from attrs import field, frozen

from evalyard import BackendError, ExitRecord, StartRecord, Transient, parse_exit, parse_start

_PARTS: Mapping[str, Sequence[str]] = {
    "submit": ("prelude", "turns", "submit"),
    "find": ("prelude", "turns", "find"),
    "end": ("prelude", "turns", "end"),
    "status": ("prelude", "status"),
    "orphans": ("prelude", "orphans"),
    "tail": ("prelude", "tail"),
    "unpack": ("prelude", "unpack"),
    "check": ("prelude", "check"),
    "pack": ("pack",),
}

Row = tuple[str, ...]

# What passes by itself: the same request may be taken later, or has been taken already.
_PASSING = re.compile(
    r"unable to contact slurm controller|socket timed out|temporarily unable|zero bytes were transmitted"
    r"|connection (refused|timed out|reset)|unexpected message|transport endpoint|resource temporarily unavailable"
    r"|slurm backup controller in standby",
    re.IGNORECASE,
)

_COMMANDS = re.compile(r"\b(sbatch|squeue|sacct|scancel|scontrol): |\b(slurm_load_jobs )?error: ")


@cache
def command_text(name: str) -> str:
    """Return the text of a command."""
    folder = files("evalyard_slurm.commands")
    return "".join(folder.joinpath(f"{part}.sh").read_text(encoding="utf-8") for part in _PARTS[name])


def table(rows: Iterable[Sequence[str]]) -> bytes:
    """Return rows as a command reads them from its standard input."""
    return "".join("\t".join(row) + "\n" for row in rows).encode("utf-8", "surrogateescape")


def rows_of(answer: bytes) -> tuple[Row, ...]:
    """Return the rows of an answer, without the last one, which only says that it is whole.

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
            raise refusal(last[1] if len(last) > 1 else "")
    raise Transient("the cluster's answer broke off")


def refusal(said: str) -> BackendError:
    """Return the error for what Slurm, or a command, said instead of an answer."""
    text = plain(said) or "no answer"
    return Transient(text)


def plain(said: str) -> str:
    """Return Slurm's words without the names of its commands, on one line."""
    words = _COMMANDS.sub("", " ".join(said.split()))
    return words[:500].strip()


def passes(said: str) -> bool:
    """Whether a refusal may pass by itself, or the request may have been taken all the same."""
    return bool(_PASSING.search(said)) or not said.strip()


@frozen(kw_only=True)
class JobRow:
    """What the queue or accounting says of a job."""

    id: str
    word: str
    """The state in Slurm's word: `RUNNING`, `CANCELLED by 1000`."""
    name: str
    reason: str = ""
    """Slurm's own: `Priority`, `NodeDown`."""
    exit_code: str = ""
    """As accounting has it: `<code>:<signal>`."""
    ended_at: str = ""
    """On the cluster's own clock; empty = it has not ended."""

    def belongs_to(self, name: str) -> bool:
        """Whether it is the job of this name: numbers are given again after a controller has lost its memory."""
        return self.name == name or self.name.endswith(f".{name}")


@frozen(kw_only=True)
class Answer:
    """What a cluster said of all jobs that it was asked about."""

    now: str = ""
    """The cluster's own clock."""
    jobs: Mapping[str, JobRow] = field(factory=dict)
    """By number: from the queue, or from accounting where the queue has forgotten it."""
    unaccounted: str = ""
    """Why accounting could not be asked; empty = it was, or the cluster has none."""
    exits: Mapping[str, ExitRecord] = field(factory=dict)
    starts: Mapping[str, StartRecord] = field(factory=dict)
    whys: Mapping[str, tuple[str, str]] = field(factory=dict)
    """A state and a reason that the batch script noted."""
    progress: Mapping[str, str] = field(factory=dict)
    servers: Mapping[str, str] = field(factory=dict)
    """What the model server said last, where it ended before the evaluation."""


def parse_status(answer: bytes) -> Answer:
    """Return what a cluster said of jobs. A row that cannot be read says nothing.

    Raises:
        Transient: the cluster did not answer, or the answer broke off.
    """
    jobs: dict[str, JobRow] = {}
    exits: dict[str, ExitRecord] = {}
    starts: dict[str, StartRecord] = {}
    whys: dict[str, tuple[str, str]] = {}
    progress: dict[str, str] = {}
    servers: dict[str, str] = {}
    now = unaccounted = ""
    for row in rows_of(answer):
        match row:
            case ("now", moment):
                now = moment
            case ("queue", line):
                _add(jobs, _queue_row(line))
            case ("account", line):
                _add(jobs, _account_row(line))
            case ("unaccounted", said):
                unaccounted = plain(said)
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
            case ("server", name, text):
                servers[name] = text.strip()
    return Answer(
        now=now,
        jobs=jobs,
        unaccounted=unaccounted,
        exits=exits,
        starts=starts,
        whys=whys,
        progress=progress,
        servers=servers,
    )


def _add(jobs: dict[str, JobRow], row: JobRow | None) -> None:
    if row is not None:
        jobs.setdefault(row.id, row)


def _queue_row(line: str) -> JobRow | None:
    parts = line.split("|", 4)
    if len(parts) != 5 or not parts[1]:
        return None
    number, word, reason, ended_at, name = parts
    return JobRow(id=number, word=word, reason=reason, ended_at=_moment(ended_at), name=name)


def _account_row(line: str) -> JobRow | None:
    parts = line.split("|", 4)
    if len(parts) != 5 or not parts[1]:
        return None
    number, word, exit_code, ended_at, name = parts
    return JobRow(id=number, word=word, exit_code=exit_code, ended_at=_moment(ended_at), name=name)


def _moment(text: str) -> str:
    return text if text[:1].isdigit() else ""
