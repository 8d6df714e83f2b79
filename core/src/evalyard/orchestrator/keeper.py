"""The keeper: one detached process per invocation that sees it to its end.

It is the loop of `conduct` and nothing more, so its death loses nothing: host processes and containers outlive it,
`status` says what is left to do, and `resume` starts another one.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time

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


def start_keeper(store: Store, invocation: str) -> None:
    """Start a keeper, detached from this process and its terminal, and return once it keeps.

    When the invocation has one already, the new one finds that out and ends.

    Raises:
        EvalyardError: it ended at once; the message says where its log is.
    """
    log = store.folder(invocation) / "keeper.log"
    with log.open("ab") as stream:
        # -P: a file of the current folder must not pass for a module of the standard library.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "evalyard.orchestrator.keeper", invocation],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env=os.environ | {"EVALYARD_HOME": str(store.home)},
        )
    give_up = time.monotonic() + START_PATIENCE_S
    while not store.has_keeper(invocation):
        ended = process.poll() is not None
        if ended and process.returncode == 0:
            return  # everything was done before we could look
        if ended or time.monotonic() > give_up:
            raise EvalyardError(
                f"the keeper of {invocation} did not start; its log is {log}", hint=f"evalyard resume {invocation}"
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
    sys.exit(main(sys.argv[1:]))
