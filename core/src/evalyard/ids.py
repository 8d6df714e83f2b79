"""Names of invocations, jobs and attempts.

An invocation is 8 hex digits, a job is `<invocation>.<n>` (n from 1), and what a backend sees is
`ey-<invocation>-<n>-<attempt>`: lower case, at most 36 characters, valid as a DNS label, a container name and a
scheduler's job name alike.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from pathlib import PurePath

INVOCATION_PATTERN = re.compile(r"[0-9a-f]{8}")
_JOB_PATTERN = re.compile(r"([0-9a-f]{8})\.([1-9][0-9]*)")

SERVER_FOLDER = "deployment"
"""Where the model server's scripts lie in the run directory; those of a further one in `deployment-<its name>`."""

RESERVED_NAMES = frozenset({"config.yaml", SERVER_FOLDER, "harness", "run_all.sequential.sh"})
"""What a run directory holds beside the tasks' folders."""


def new_invocation() -> str:
    """Return 8 random hex digits; uniqueness in the store is the store's to check."""
    return secrets.token_hex(4)


def new_mark() -> str:
    """Return a 128-bit launch token: what tells our attempt from a stranger's of the same name."""
    return secrets.token_hex(16)


def job_id(invocation: str, number: int) -> str:
    """Return the id of the `number`th job (from 1) of an invocation."""
    return f"{invocation}.{number}"


def split_job_id(job: str) -> tuple[str, int]:
    """Split a job id into invocation and number.

    Raises:
        ValueError: when `job` is not of the form `<8 hex digits>.<number from 1>`.
    """
    match = _JOB_PATTERN.fullmatch(job)
    if match is None:
        raise ValueError(f"not a job id: {job!r}")
    return match[1], int(match[2])


def backend_name(invocation: str, part: str | int, attempt: int) -> str:
    """Return the name under which a backend knows an attempt of a job (`part` = its number) or of a need (its key)."""
    return f"{names_begin(invocation)}{part}-{attempt}"


def names_begin(invocation: str) -> str:
    """Return how all names of an invocation at a backend begin."""
    return f"ey-{invocation}-"


_AUXILIARY = "aux-"


def server_key(name: str) -> str:
    """Return the key of the need for a further model server: part of the name that the backend sees."""
    return f"{_AUXILIARY}{_lowered(name)}"


def server_folder(name: str) -> str:
    """Return where a model server's scripts lie in the run directory; an empty name is that of the model under test."""
    return f"{SERVER_FOLDER}-{_lowered(name)}" if name else SERVER_FOLDER


def server_of(key: str) -> str:
    """Return what `server_key` was given, in lower case; empty where the key is another one."""
    return key.removeprefix(_AUXILIARY) if key.startswith(_AUXILIARY) else ""


def server_title(name: str) -> str:
    """Return what messages call a model server."""
    return f"the model server '{name}'" if name else "the model server"


def _lowered(name: str) -> str:
    return name.lower().replace("_", "-")


def task_folders(names: list[str]) -> list[str]:
    """Return one folder name per task: the task's own name, or `<name>.<n>` (n from 0, as in
    `-t NAME.0`) where it occurs more than once.

    Characters that are awkward in paths become `-`. Folder names are unique even where that makes names collide.
    """
    plain = [re.sub(r"[^A-Za-z0-9._+-]+", "-", PurePath(name).as_posix()).strip("-.") or "task" for name in names]
    repeated = {name for name, count in Counter(plain).items() if count > 1}
    folders: list[str] = []
    repeated |= {name for name in plain if name in RESERVED_NAMES or name.startswith(f"{SERVER_FOLDER}-")}
    taken: set[str] = (set(plain) - repeated) | RESERVED_NAMES
    counters: Counter[str] = Counter()
    for name in plain:
        if name not in repeated:
            folders.append(name)
            continue
        folder = name
        while folder == name or folder in taken:
            folder = f"{name}.{counters[name]}"
            counters[name] += 1
        taken.add(folder)
        folders.append(folder)
    return folders
