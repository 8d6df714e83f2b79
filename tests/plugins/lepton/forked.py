"""Commands in forks of a process that has imported the SDK: a sweep would spend hours on imports alone."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

PRELOADED = ("evalyard.cli.app", "evalyard.orchestrator.conduct", "evalyard.testing.killpoints", "leptonai.api.v2")
PATIENCE_S = 120.0


@frozen(kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    """The negative number of the signal that ended it, if one did."""
    said: str


def forked(argv: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Ended:
    """Run `python -m evalyard.testing.killpoints` with these arguments in a fork."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED])
    output = folder / "output"
    process = context.Process(target=_play, args=(list(argv), str(folder), dict(environ), str(output)))
    process.start()
    process.join(PATIENCE_S)
    if process.is_alive():
        process.kill()
        process.join()
    assert process.exitcode is not None
    return Ended(code=process.exitcode, said=output.read_text(errors="replace") if output.exists() else "")


def _play(argv: list[str], folder: str, environ: dict[str, str], output: str) -> None:
    from evalyard.testing import killpoints

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    stream = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(stream, number)
    os.close(stream)
    sys.exit(killpoints.main(argv))
