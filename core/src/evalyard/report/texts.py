"""Text that others wrote, made fit to be shown: the ends of logs, configurations, anything with control characters."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import field, frozen

from evalyard.scoring.records import JobResults
from evalyard.secrets import learn_saved, redact
from evalyard.states import JobState

TAIL_LINES = 40
TAIL_BYTES = 1 << 16
CONFIG_BYTES = 1 << 20
LINE_CHARACTERS = 2000

# CSI sequences (colours, cursor), OSC sequences (titles, links) up to their end, and two-character escapes.
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CREDENTIALS = re.compile(r"""(?<=://)[^/\s?#"'<>]*@""")


@frozen(kw_only=True)
class Texts:
    """What was read from files, as it was in them."""

    logs: Mapping[str, str] = field(factory=dict)
    """Path -> the end of a log."""
    configurations: Mapping[str, str] = field(factory=dict)
    """Path -> a resolved configuration."""


def read_texts(jobs: Iterable[JobResults]) -> Texts:
    """Read the configurations of these jobs, and the ends of the logs of those that went wrong.

    What cannot be read is left out. The redactor learns what the runs' secrets files hold.
    """
    logs: dict[str, str] = {}
    configurations: dict[str, str] = {}
    for job in jobs:
        if job.artifacts:
            learn_saved(_run_dir(Path(job.artifacts)))
        if job.log and went_wrong(job) and job.log not in logs:
            logs[job.log] = _end_of(Path(job.log), TAIL_BYTES)
        if job.config and job.config not in configurations:
            configurations[job.config] = _start_of(Path(job.config), CONFIG_BYTES)
    return Texts(
        logs={path: text for path, text in logs.items() if text},
        configurations={path: text for path, text in configurations.items() if text},
    )


def went_wrong(job: JobResults) -> bool:
    """Whether a job ended without success, or without the scores that were expected of it."""
    if job.state is not JobState.SUCCEEDED:
        return job.state.final
    return bool(job.problem) and job.card.results is not None


def last_lines(text: str, count: int = TAIL_LINES) -> str:
    """Return the last lines of a log as a terminal leaves them: without colours, progress bars at their end."""
    lines = [_as_left_on_screen(line) for line in text.rstrip().split("\n")[-count:]]
    return "\n".join(line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]} …" for line in lines)


def presentable(text: str) -> str:
    """Return a text without secrets, without user and password in its URLs, and without what HTML cannot hold."""
    plain = _CONTROL.sub("", _TERMINAL.sub("", text.replace("\r\n", "\n")))
    encodable = plain.encode("utf-8", errors="replace").decode("utf-8")
    return _CREDENTIALS.sub("", redact(encodable))


def _run_dir(artifacts: Path) -> Path:
    """Return the run directory of `<task>/artifacts`, or of `<task>/attempts/<k>/artifacts`."""
    attempt = artifacts.parent
    task = attempt.parent.parent if attempt.parent.name == "attempts" else attempt
    return task.parent


def _as_left_on_screen(line: str) -> str:
    return _TERMINAL.sub("", line).rstrip("\r").rpartition("\r")[2]


def _end_of(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - limit))
            text = stream.read(limit).decode("utf-8", errors="replace")
    except OSError:
        return ""
    # What begins in the middle of a line would begin in the middle of a secret, too.
    return text.partition("\n")[2] if size > limit else text


def _start_of(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as stream:
            text = stream.read(limit + 1).decode("utf-8", errors="replace")
    except OSError:
        return ""
    return text if len(text) <= limit else text[:limit].rpartition("\n")[0] + "\n# … cut here: the file is longer"
