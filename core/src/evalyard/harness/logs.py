"""Reading a growing log file in whole lines."""

from __future__ import annotations

from pathlib import Path

from evalyard.records.observations import LogChunk


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
    return _chunk(data, offset, last=last)


def cut_log(data: bytes, cursor: str, limit: int, *, more: bool, writer_ended: bool) -> LogChunk:
    """Return what `read_log` would of a log that was read elsewhere.

    Args:
        data: what there is after `cursor`, or a first piece of it, which should be larger than any line.
        more: whether there is more than this piece.
        writer_ended: as for `read_log`; found out before the log was read.
    """
    offset = int(cursor or 0)
    wanted, rest = data[:limit], data[limit:]
    if wanted and b"\n" not in wanted:
        first, newline, _ = rest.partition(b"\n")
        wanted += first + newline
        if more and not newline:
            return LogChunk(lines=(_decoded(wanted),), cursor=str(offset + len(wanted)))  # a line without end
    return _chunk(wanted, offset, last=writer_ended and not more and len(wanted) == len(data))


def _chunk(data: bytes, offset: int, *, last: bool) -> LogChunk:
    whole = data if last else data[: data.rfind(b"\n") + 1]
    lines = _decoded(whole).split("\n")
    if lines[-1] == "":
        lines.pop()
    return LogChunk(lines=tuple(lines), cursor=str(offset + len(whole)), ended=last)


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
