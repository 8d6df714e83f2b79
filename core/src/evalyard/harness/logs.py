"""Reading a growing log file in whole lines."""

from __future__ import annotations

from pathlib import Path

from evalyard.records import LogChunk


def read_log(path: Path, cursor: str, limit: int, *, writer_ended: bool) -> LogChunk:
    """Return up to about `limit` bytes of whole lines after `cursor`, a byte offset ("" = the start).

    Args:
        writer_ended: whether nothing will be written any more; then a last line without a newline counts as whole.
            Must have been found out before this call, or the end of the log could be missed.
    """
    offset = int(cursor or 0)
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(limit)
            if data and b"\n" not in data:
                data += stream.readline()
            rest = stream.read(1)
    except FileNotFoundError:
        return LogChunk(cursor=cursor, ended=writer_ended)
    last = writer_ended and not rest
    whole = data if last else data[: data.rfind(b"\n") + 1]
    lines = whole.decode("utf-8", errors="replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    return LogChunk(lines=tuple(lines), cursor=str(offset + len(whole)), ended=last)
