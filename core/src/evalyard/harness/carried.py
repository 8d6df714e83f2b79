"""Jobs for backends that take an image and an argument list and give back a log: all that a job needs travels as data.

The arguments are one script in pieces. It writes the job's files, runs `run.sh`, and prints what must come home, as
lines that `read_home` understands. Nothing of it is ever read by a shell other than as quoted text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from attrs import frozen

from evalyard.harness.evidence import parse_exit
from evalyard.harness.shell import machinery
from evalyard.ids import SERVER_FOLDER
from evalyard.records.files import PlannedFile
from evalyard.records.jobs import Job
from evalyard.records.observations import ExitRecord
from evalyard.records.programs import Server
from evalyard.secrets import quote

STORAGE_VARIABLE = "EVALYARD_STORAGE"
"""Where a carried job finds storage that outlives it, if there is any; its run directory is then below it."""
PLACE_VARIABLE = "EVALYARD_PLACE"
"""Where a carried job's folders are, if not at /evalyard; no fixed names such as /results lead to them then."""
HOME_PREFIX = "evalyard-home"
"""What each line begins with that is for us and not for a reader of the log."""

PIECE = 25_000
"""Characters in one argument: Linux takes 128 KiB, and a character may have four bytes."""
_BOOT = (
    'f=${TMPDIR:-/tmp}/.evalyard-$$; mkdir -p "${f%/*}"; for piece; do printf %s "$piece"; done >"$f" && exec sh "$f"'
)


@frozen(kw_only=True)
class Home:
    """What a carried job printed at its end."""

    exit: ExitRecord | None
    late: bool
    """Whether its time limit ended it."""
    whole: bool
    """Whether all artifacts are in the archive, rather than the result file alone."""
    lines: int
    """How many lines the archive has in the log; 0 = there is none."""
    checksum: str = ""
    """SHA-256 of the archive."""


def carried_job(
    job: Job, files: Sequence[PlannedFile], *, timeout_s: int, grace_s: float, limit_bytes: int
) -> tuple[str, ...]:
    """Return the argument list of a job's container.

    Args:
        files: what the run directory has to hold, `run.sh` of the task among it; files of secrets stay behind.
        timeout_s: when it is ended; 0 = never.
        grace_s: between SIGTERM and SIGKILL then.
        limit_bytes: how large an archive of the results may be to go through the log.
    """
    results = job.contained.results
    head = [
        f"# {' '.join(job.task.name.split())}, evalyard job {job.id}.",
        "set -u",
        f"run={quote(PurePosixPath(job.run_dir).name)}",
        f"folder={quote(job.folder)}",
        f"results={quote(results.file if results else '')}",
        f"timeout={timeout_s} grace={max(1, round(grace_s))}   # seconds",
        f"limit={limit_bytes}   # bytes",
        *_unpack(files),
    ]
    return _words("\n".join(head) + "\n\n" + machinery("carried.sh"))


def carried_server(server: Server, invocation: str) -> tuple[str, ...]:
    """Return the argument list of a model server's container; its variables are the container's."""
    serve = PlannedFile(path=f"{SERVER_FOLDER}/serve.sh", text=server.script + "\n")
    lines = [
        f"# The model server of evalyard run {invocation} (recipe {server.recipe}).",
        "set -u",
        f"root=${{{PLACE_VARIABLE}:-/evalyard}}",
        'put() { mkdir -p "$root/${1%/*}" && printf %s "$3" >"$root/$1" && chmod "$2" "$root/$1"; }',
        *_unpack([serve, *server.files]),
        *(
            f'export {name}="${{{source}:?is not set where the server runs}}"'
            for name, source in server.runtime.items()
        ),
        f"EVALYARD_JOB_DIR=$root/{SERVER_FOLDER} EVALYARD_OUTPUT_DIR=$root/{SERVER_FOLDER}/artifacts",
        "export EVALYARD_JOB_DIR EVALYARD_OUTPUT_DIR",
        'unpack && mkdir -p "$EVALYARD_OUTPUT_DIR" || exit 73',
        'exec sh "$EVALYARD_JOB_DIR/serve.sh"',
    ]
    return _words("\n".join(lines) + "\n")


def _unpack(files: Iterable[PlannedFile]) -> list[str]:
    puts = [f"put {quote(file.path)} {file.mode:o} {quote(file.text)}" for file in files if not file.secrets]
    return ["unpack() {", " &&\n".join(puts), "}"]


def _words(script: str) -> tuple[str, ...]:
    pieces = [script[start : start + PIECE] for start in range(0, len(script), PIECE)]
    return ("sh", "-c", _BOOT, "evalyard", *pieces)


def is_for_home(line: str) -> bool:
    """Whether a line of a log is ours, and nothing for its reader."""
    return line.startswith(f"{HOME_PREFIX} ")


def read_home(lines: Iterable[str], mark: str) -> Home | None:
    """Return what the job of this mark printed at its end, or None when its last line is not among these (yet)."""
    start = f"{HOME_PREFIX} {mark} end "
    for line in lines:
        words = line.removeprefix(start).split(" ", 4)
        if line.startswith(start) and len(words) == 5 and words[1].isdecimal():
            return Home(
                exit=parse_exit(words[4]),
                late=words[3] == "late",
                whole=words[2] == "all",
                lines=int(words[1]),
                checksum=words[0],
            )
    return None


def unpack_home(lines: Iterable[str], mark: str, home: Home, dest: Path) -> tuple[str, ...]:
    """Write what came home into a folder; return the files' paths below it.

    Raises:
        ValueError: lines are missing, or what they hold is damaged; nothing is written then.
        OSError: the folder cannot be written.
    """
    start = f"{HOME_PREFIX} {mark} "
    pieces: dict[int, str] = {}
    for line in lines:
        number, _, piece = line.removeprefix(start).partition(" ")
        if line.startswith(start) and number.isdecimal():
            pieces[int(number)] = piece.strip()
    missing = [number for number in range(1, home.lines + 1) if number not in pieces]
    if missing:
        raise ValueError(f"{len(missing)} of {home.lines} lines of the archive are not in the log")
    try:
        data = base64.b64decode("".join(pieces[number] for number in range(1, home.lines + 1)), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the archive in the log is damaged: {error}") from error
    if hashlib.sha256(data).hexdigest() != home.checksum:
        raise ValueError("the archive in the log is damaged: its checksum is another one")
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        members = [member for member in archive.getmembers() if member.isfile() or member.isdir()]
        archive.extractall(dest, members, filter="data")
    return tuple(sorted(member.name for member in members if member.isfile()))
