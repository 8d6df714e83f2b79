"""Reading on in the log of a job that a scheduler runs."""

from __future__ import annotations

import time
from collections.abc import Sequence

from attrs import define, field

from evalyard.batch.answers import Row, queue_in, rows_of
from evalyard.batch.cluster import Cluster
from evalyard.harness.logs import cut_log
from evalyard.plugins.context import Context
from evalyard.records.handles import Handle
from evalyard.records.observations import LogChunk

SMALLEST_PIECE = 1 << 16
"""Bytes of a log that are read at least: more than a line has."""
QUIET_S = 10.0
"""How often the queue is asked whether a job that has not written its end still runs, while its log is followed."""


@define
class Logs:
    """Reads logs, and asks the queue itself only now and then whether their job still runs."""

    cluster: Cluster
    _asked: dict[str, float] = field(factory=dict, init=False)

    def read(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read on in the log of a job, or of the server in it.

        Raises:
            Transient: the cluster did not answer.
        """
        if handle.kind != "job":
            return LogChunk(cursor=cursor, ended=True)
        now = time.monotonic()
        due = now - self._asked.setdefault(handle.name, now - QUIET_S) >= QUIET_S
        if due:
            self._asked[handle.name] = now
        size = max(limit, SMALLEST_PIECE)
        place = [handle.data["directory"], handle.data["attempt"], handle.id, role]
        # One byte more than is looked at tells whether there is more.
        given = self.cluster.ask(ctx, "tail", [*place, cursor or "0", str(size + 1), "ask" if due else ""])
        head, end, data = (b"\n" + given).partition(b"\nend\n")
        rows = rows_of(head + end, self.cluster.system.plain)
        writer_ended = ("ended",) in rows or (("asked",) in rows and not self._lives(handle, rows))
        return cut_log(data[:size], cursor, limit, more=len(data) > size, writer_ended=writer_ended)

    def _lives(self, handle: Handle, rows: Sequence[Row]) -> bool:
        system = self.cluster.system
        return any(
            row.id == handle.id and row.belongs_to(handle.name) and not system.state_of(row.word).final
            for row in queue_in(system, rows)
        )
