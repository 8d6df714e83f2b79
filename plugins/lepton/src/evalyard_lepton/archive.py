"""Bringing results home through the log: a checksummed archive, or the log alone when there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from evalyard import BackendError, Context, Handle, Home, Transient, is_for_home, unpack_home
from evalyard_lepton import jobs, logs, states
from evalyard_lepton.gateway import Absent, Gateway, LogLine
from evalyard_lepton.names import invocation_of, part_of

HOME_TEXT = "evalyard-home"
LOG = "logs/stdout.log"


def fetch(ctx: Context, gateway: Gateway, handle: Handle, dest: Path) -> tuple[str, ...]:
    """Bring an ended job's files into a folder; return their paths below it.

    Raises:
        Transient: the log does not have all of it yet.
        BackendError: the folder cannot be written.
    """
    home = jobs.home_of(gateway, handle)
    if home is None and _may_come(gateway, handle):
        raise Transient(f"{handle.name}: {jobs.UNHEARD}")
    try:
        _put_previous_away(dest, home.exit.attempt if home and home.exit else 0)
        brought: tuple[str, ...] = ()
        if home is not None and home.lines:
            lines = _lines(gateway, handle, with_text=HOME_TEXT)
            brought = unpack_home((line.text for line in lines), handle.mark, home, dest)
        if LOG not in brought:
            brought += _write_log(dest, _lines(gateway, handle))
        if home is not None and home.exit is not None:
            record = dest / "attempts" / str(home.exit.attempt) / "exit.json"
            if record.is_file():
                shutil.copyfile(record, dest / "exit.json")
    except ValueError as error:
        raise Transient(f"{handle.name}: {error}") from error
    except OSError as error:
        raise BackendError(f"cannot write {error.filename or dest}: {error.strerror}") from error
    ctx.say(_which_way(ctx, handle, home))
    return brought


def _which_way(ctx: Context, handle: Handle, home: Home | None) -> str:
    """Say how the results came, and where those are that did not."""
    job = f"{invocation_of(handle.name)}.{part_of(handle.name)}"
    storage = handle.data.get("storage")
    there = f"{storage}/{Path(ctx.run_dir).name}"
    if home is None:
        return f"{job}: nothing but its log came home, for {jobs.NO_RECORD}"
    if home.whole:
        return f"{job}: all that it left came home through the log" + (f"; they are in {there}, too" if storage else "")
    where = f"they are in {there}, in the storage that is mounted" if storage else "they are gone with the container"
    what = "only the result file came home" if home.lines else "no artifact came home"
    return f"{job}: {what}: the others are larger than execution.archive_limit_mb; {where}"


def _may_come(gateway: Gateway, handle: Handle) -> bool:
    try:
        view = gateway.job(handle.id)
    except Absent:
        return False
    return view.state not in states.ENDED or jobs.may_lag(view)


def _lines(gateway: Gateway, handle: Handle, with_text: str = "") -> list[LogLine]:
    """Read a log from its beginning to its end."""
    cursor = logs.parse_cursor("", int(handle.data.get("created_ms") or 0))
    lines: list[LogLine] = []
    while True:
        limit = logs.MOST_LINES + cursor.seen
        try:
            found = gateway.log(job=handle.id, start_ns=cursor.at_ns, limit=limit, with_text=with_text)
        except Absent:
            return lines
        fresh = logs.after(found, cursor)
        lines += fresh
        if len(found) < limit or not fresh:
            return lines
        last = fresh[-1].at_ns
        cursor = logs.Cursor(at_ns=last, seen=sum(1 for line in found if line.at_ns == last))


def _write_log(dest: Path, lines: Sequence[LogLine]) -> tuple[str, ...]:
    text = "".join(f"{line.text}\n" for line in lines if not is_for_home(line.text))
    if not text:
        return ()
    (dest / LOG).parent.mkdir(parents=True, exist_ok=True)
    (dest / LOG).write_text(text, encoding="utf-8")
    return (LOG,)


def _put_previous_away(dest: Path, attempt: int) -> None:
    """Keep what an earlier attempt left, where it is looked for."""
    try:
        previous = int(json.loads((dest / "exit.json").read_text(encoding="utf-8"))["attempt"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if previous >= attempt:
        return
    for item in ("logs", "artifacts"):
        target = dest / "attempts" / str(previous) / item
        if (dest / item).exists() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            (dest / item).rename(target)
    (dest / "exit.json").unlink()
