"""User CPU and wall time of whole commands, as the operating system counts them."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen


@frozen(kw_only=True)
class Sample:
    """One run of a command, or the medians of several."""

    user_s: float
    """User CPU of the process and of the children it waited for."""
    wall_s: float


@frozen(kw_only=True)
class Figure:
    """Something measured, and the most that it may be."""

    name: str
    value: float
    unit: str
    target: float | None = None

    @property
    def missed(self) -> bool:
        """Whether a target was set and not met."""
        return self.target is not None and self.value > self.target


class CommandFailed(Exception):
    """A measured command exited with a code that means it did not do its work."""


def timed(act: Callable[[], object]) -> float:
    """Return how many seconds something takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def run_once(argv: Sequence[str], env: Mapping[str, str], codes: Sequence[int] = (0,)) -> Sample:
    """Run `argv` to its end with standard output thrown away.

    Args:
        codes: the exit codes that count as having done the work.

    Raises:
        CommandFailed: with the end of what it wrote to standard error.
    """
    with tempfile.TemporaryFile() as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        # Popen must know that its child is gone: wait4 has already collected it.
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            stderr.seek(0)
            tail = stderr.read().decode(errors="replace")[-2000:]
            raise CommandFailed(f"{' '.join(argv)} exited with {process.returncode}:\n{tail}")
    return Sample(user_s=usage.ru_utime, wall_s=wall_s)


def median(take: Callable[[], Sample], *, runs: int, warm_ups: int = 1) -> Sample:
    """Call `take` warm_ups + runs times and return the medians of the last `runs`."""
    samples = [take() for _ in range(warm_ups + runs)][warm_ups:]
    return Sample(
        user_s=statistics.median(sample.user_s for sample in samples),
        wall_s=statistics.median(sample.wall_s for sample in samples),
    )
