"""What Slurm's commands print, and what it means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from evalyard import JobRow

# What passes by itself: the same request may be taken later, or has been taken already.
_PASSING = re.compile(
    r"unable to contact slurm controller|socket timed out|temporarily unable|zero bytes were transmitted"
    r"|connection (refused|timed out|reset)|unexpected message|transport endpoint|resource temporarily unavailable"
    r"|slurm backup controller in standby",
    re.IGNORECASE,
)

_COMMANDS = re.compile(r"\b(sbatch|squeue|sacct|scancel|scontrol|srun): |\b(slurm_load_jobs )?error: ")
# What srun puts before a line, and what Slurm itself says there.
_OF_SRUN = re.compile(r"^(\d+: )?(srun|slurmstepd(-[^ ]*)?): .*|^\d+: ")
_OUT_OF_MEMORY = re.compile(r"slurmstepd.*: Detected .*oom[-_ ]kill", re.IGNORECASE)


def plain(said: str) -> str:
    """Return Slurm's words without the names of its commands, on one line."""
    words = _COMMANDS.sub("", " ".join(said.split()))
    return words[:500].strip()


def passes(said: str) -> bool:
    """Whether a refusal may pass by itself, or the request may have been taken all the same."""
    return bool(_PASSING.search(said)) or not said.strip()


def server_words(line: str) -> str:
    """Return what a model server said with a line of its log; empty = it is Slurm's.

    Of Slurm's, only that the server was killed for its memory is told: it cannot say so itself.
    """
    said = _OF_SRUN.sub("", line)
    return "out of memory" if not said and _OUT_OF_MEMORY.search(line) else said


def parse_queue(text: str) -> Iterable[JobRow]:
    """Read what `squeue` prints: number, state, reason, end, name and, where it was asked for, folder."""
    for line in text.split("\n"):
        parts = line.split("|", 5)
        if len(parts) < 5 or not parts[1]:
            continue
        number, word, reason, ended_at, name = parts[:5]
        folder = parts[5] if len(parts) == 6 else ""
        yield JobRow(id=number, word=word, reason=reason, ended_at=_moment(ended_at), name=name, folder=folder)


def parse_accounts(text: str) -> Iterable[JobRow]:
    """Read what `sacct` prints: number, state, exit code, end, name."""
    for line in text.split("\n"):
        parts = line.split("|", 4)
        if len(parts) != 5 or not parts[1]:
            continue
        number, word, exit_code, ended_at, name = parts
        yield JobRow(id=number, word=word, exit_code=exit_code, ended_at=_moment(ended_at), name=name)


def _moment(text: str) -> str:
    return text if text[:1].isdigit() else ""
