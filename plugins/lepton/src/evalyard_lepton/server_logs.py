"""The log of a model server: the service's as long as it lives, then what was kept of it on this machine."""

from __future__ import annotations

from pathlib import Path

from evalyard import SERVER_FOLDER, Context, Handle, LogChunk, NeedKind, read_log
from evalyard_lepton import logs
from evalyard_lepton.endpoints import kept_log
from evalyard_lepton.gateway import Absent, Gateway

KEPT = "kept:"
"""What a cursor in the file begins with."""


def read(ctx: Context, handle: Handle, cursor: str, limit: int) -> LogChunk:
    """Read on in the log of a job's model server, or of a model server itself."""
    file = kept_log(str(Path(ctx.run_dir) / SERVER_FOLDER))
    if file.exists() and (not cursor or cursor.startswith(KEPT)):
        chunk = read_log(file, cursor.removeprefix(KEPT), limit, writer_ended=True)
        return LogChunk(lines=chunk.lines, cursor=KEPT + chunk.cursor, ended=chunk.ended)
    endpoint = handle.id if handle.kind == NeedKind.SERVER else handle.data.get("server", "")
    if not endpoint:
        return LogChunk(cursor=cursor, ended=True)
    gateway = Gateway(ctx)
    position = logs.parse_cursor(cursor, int(handle.data.get("created_ms") or 0))
    if handle.kind != NeedKind.SERVER and not cursor:
        # A job begins after its server.
        position = logs.Cursor(at_ns=max(1, position.at_ns - logs.EARLIER_NS * 6))
    chunk, silent = logs.read(gateway, position, limit, endpoint=endpoint)
    if silent and not chunk.ended:
        try:
            gateway.endpoint(endpoint)
        except Absent:
            return LogChunk(cursor=chunk.cursor, ended=True)
    return chunk
