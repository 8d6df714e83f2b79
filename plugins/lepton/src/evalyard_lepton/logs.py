"""Reading logs by time: bounded requests that never wait, where the service's own stream waits for ever.

The cursor is `<ns>:<lines of that moment that were read>`; `:end` follows once the job's last line was read, and
`:<seconds>` once a job that ended without one was first seen, after which late lines are still waited for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from attrs import evolve, frozen

from evalyard import Home, LogChunk, is_for_home, read_home
from evalyard_lepton.gateway import Absent, Gateway, LogLine

LAG_S = 15.0
"""How long the lines of an ended job may take to be there."""
EARLIER_NS = 600 * 10**9
"""How far before the moment that the service calls a job's beginning we look: clocks differ."""
FEWEST_LINES, MOST_LINES = 100, 5000
LINE_BYTES = 80
LAST_LINES = 20
"""Among how many lines at the end of a log the job's own last one is looked for."""


@frozen(kw_only=True)
class Cursor:
    """Where a reader stands."""

    at_ns: int
    seen: int = 0
    ended: bool = False
    waiting_since: int = 0

    def __str__(self) -> str:
        mark = ":end" if self.ended else f":{self.waiting_since}" if self.waiting_since else ""
        return f"{self.at_ns}:{self.seen}{mark}"


def parse_cursor(text: str, created_ms: int) -> Cursor:
    """Return a cursor from its text; "" = the beginning of the log."""
    if not text:
        return Cursor(at_ns=max(1, created_ms * 10**6 - EARLIER_NS))
    at_ns, seen, *mark = text.split(":")
    since = int(mark[0]) if mark and mark[0].isdecimal() else 0
    return Cursor(at_ns=int(at_ns), seen=int(seen), ended=mark == ["end"], waiting_since=since)


def read(
    gateway: Gateway, cursor: Cursor, limit: int, *, mark: str = "", job: str = "", endpoint: str = ""
) -> tuple[LogChunk, bool]:
    """Return up to `limit` bytes' worth of lines after a cursor, and whether there were none.

    Args:
        mark: whose last line ends the log.
    """
    if cursor.ended:
        return LogChunk(cursor=str(cursor), ended=True), False
    wanted = min(MOST_LINES, max(FEWEST_LINES, limit // LINE_BYTES)) + cursor.seen
    try:
        found = gateway.log(job=job, endpoint=endpoint, start_ns=cursor.at_ns, limit=wanted)
    except Absent:
        return LogChunk(cursor=str(evolve(cursor, ended=True)), ended=True), False
    fresh = after(found, cursor)
    lines, position, size = [], cursor, 0
    for line in fresh:
        if size >= limit:
            break
        position = _past(position, line)
        if mark and read_home([line.text], mark):
            position = evolve(position, ended=True)
            break
        if not is_for_home(line.text):
            lines.append(line.text)
            size += len(line.text.encode()) + 1
    return LogChunk(lines=tuple(lines), cursor=str(position), ended=position.ended), not fresh


def after(lines: Sequence[LogLine], cursor: Cursor) -> list[LogLine]:
    """Return the lines that a cursor has not passed."""
    first = [line for line in lines if line.at_ns == cursor.at_ns]
    return first[cursor.seen :] + [line for line in lines if line.at_ns > cursor.at_ns]


def waited(cursor: str) -> tuple[str, bool]:
    """Return the cursor of an ended job's log in which nothing new was, and whether nothing will be."""
    position = parse_cursor(cursor, 0)
    now = int(time.time())
    if not position.waiting_since:
        return str(evolve(position, waiting_since=now)), False
    if now - position.waiting_since < LAG_S:
        return cursor, False
    return str(evolve(position, ended=True)), True


def home_of(gateway: Gateway, job: str, mark: str, created_ms: int) -> Home | None:
    """Return what a job printed at its end, or None when the log does not have it (yet)."""
    start_ns = parse_cursor("", created_ms).at_ns
    try:
        lines = gateway.log(job=job, start_ns=start_ns, limit=LAST_LINES, newest=True)
    except Absent:
        return None
    return read_home((line.text for line in reversed(lines)), mark)


def last_words(gateway: Gateway, endpoint: str, created_ms: int) -> str:
    """Return the last line that a model server wrote; empty = none, or nobody says."""
    start_ns = parse_cursor("", created_ms).at_ns
    lines = [line.text.strip() for line in gateway.log(endpoint=endpoint, start_ns=start_ns, limit=5, newest=True)]
    return next((line for line in reversed(lines) if line), "")[:300]


def _past(cursor: Cursor, line: LogLine) -> Cursor:
    seen = cursor.seen + 1 if line.at_ns == cursor.at_ns else 1
    return Cursor(at_ns=line.at_ns, seen=seen)
