"""The keeper: one detached process per invocation that sees it to its end.

It is the loop of `conduct` and nothing more, so its death loses nothing: host processes and containers outlive it,
`status` says what is left to do, and `resume` starts another one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from attrs import frozen

from evalyard.errors import EvalyardError
from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.run import open_run
from evalyard.secrets import redact
from evalyard.store.runs import Store

START_PATIENCE_S = 20.0
_log = logging.getLogger(__name__)


class _Redacting(logging.Formatter):
    """Keeps secrets out of the keeper's log, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


@frozen
class Standby:
    """A keeper's process that does nothing yet: `start_keeper` lets it begin; it ends when nobody can any more."""

    log: Path
    process: subprocess.Popen[bytes]
    words: IO[bytes]
    """What it listens to."""

    def begin(self) -> None:
        """Say that it is wanted."""
        with contextlib.suppress(BrokenPipeError):  # it is dead, which its exit code tells
            self.words.write(b"\n")
            self.words.close()

    def drop(self) -> None:
        """End it, unless it was begun."""
        if not self.words.closed:
            self.process.kill()
            self.process.communicate()


@contextlib.contextmanager
def keeper_on_standby(store: Store, invocation: str) -> Iterator[Standby]:
    """Load a keeper, detached from this process and its terminal, while its invocation is being launched."""
    log = store.folder(invocation) / "keeper.log"
    with log.open("ab") as stream:
        # -P: a file of the current folder must not pass for a module of the standard library.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "evalyard.orchestrator.keeper", invocation],
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env=os.environ | {"EVALYARD_HOME": str(store.home)},
        )
    standby = Standby(log, process, cast("IO[bytes]", process.stdin))
    try:
        yield standby
    finally:
        standby.drop()


def start_keeper(store: Store, invocation: str, standby: Standby) -> None:
    """Let a keeper begin, and return once it keeps.

    When the invocation has one already, the new one finds that out and ends.

    Raises:
        EvalyardError: it ended at once; the message says where its log is.
    """
    standby.begin()
    process = standby.process
    give_up = time.monotonic() + START_PATIENCE_S
    while not store.has_keeper(invocation):
        ended = process.poll() is not None
        if ended and process.returncode == 0:
            return  # everything was done before we could look
        if ended or time.monotonic() > give_up:
            raise EvalyardError(
                f"the keeper of {invocation} did not start; its log is {standby.log}",
                hint=f"evalyard resume {invocation}",
            )
        time.sleep(0.01)
    # Its life is its own from here on; without this, Python warns that nobody waits for it.
    process.returncode = 0


def keep(store: Store, invocation: str) -> None:
    """See an invocation through, unless somebody else does."""
    with store.keeping(invocation) as ours:
        if not ours:
            return
        run = open_run(store, invocation)
        conductor = Conductor(run)
        conductor.see_through()
        for name, why in conductor.actor.remaining.items():
            _log.warning("%s remains: %s", name, why)


def main(arguments: list[str]) -> int:
    """Keep the invocation that the arguments name; the entry point of the detached process."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Redacting("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        keep(Store(), arguments[0])
    except EvalyardError as error:
        _log.error("%s", error)
        return error.exit_code
    except Exception:  # noqa: BLE001 - see below
        # The last boundary: whoever reads the log wants to know where, and no secret may be in it.
        _log.exception("the keeper ended by a bug")
        return 70
    return 0


if __name__ == "__main__":
    # Without a word it is not wanted, or whoever launched is dead, which `status` says.
    sys.exit(main(sys.argv[1:]) if sys.stdin.buffer.readline() else 0)
