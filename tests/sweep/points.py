"""Which points of a scenario are tried, and trying them."""

import fcntl
import json
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from evalyard.testing.killpoints import KillPoint, points
from tests.sweep.scenarios import Yard

ALL = os.environ.get("EVALYARD_SWEEP") == "all"
SHARDS = 64 if ALL else 1
SEED = "kill points"

Point = TypeVar("Point")
Make = Callable[[Path], Yard]
"""Makes the yard of a scenario in a folder."""


def once(record: Path, take: Callable[[], str]) -> str:
    """Return the text of a record, which is taken once for all workers: a second one may differ by a poll."""
    with record.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            record.write_text(take(), encoding="utf-8")
        return record.read_text(encoding="utf-8")


def points_of(name: str, shared: Path, make: Make) -> list[KillPoint]:
    """Return the points of a scenario."""

    def count() -> str:
        yard = make(shared / f"{name}-counted")
        try:
            return yard.count()
        finally:
            yard.clear()

    return points(json.loads(once(shared / f"{name}.json", count)))


def chosen(found: Sequence[Point], shard: int, sample: int) -> list[Point]:
    """Return the points that a shard tries: its part of all, or of a sample, which is always the same."""
    assert len(found) > sample
    return list(found if ALL else random.Random(SEED).sample(found, sample))[shard::SHARDS]


def sweep(tried: Sequence[KillPoint], folder: Path, make: Make) -> None:
    """Kill at each of these points, and go on.

    Raises:
        AssertionError: something was wrong afterwards, or too few points were reached.
    """
    wrong: list[str] = []
    reached = 0
    for number, point in enumerate(tried):
        yard = make(folder / str(number))
        try:
            reached += yard.kill(point)
            wrong += [f"{point}: {problem}" for problem in yard.go_on()]
        finally:
            yard.clear()
    assert wrong == []
    assert reached >= len(tried) // 2, f"only {reached} of {len(tried)} points were reached"
