"""Benchmarks by name: what `evalyard ls tasks` lists and what a task's bare name means."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

from attrs import frozen


@frozen(kw_only=True)
class ListedTask:
    """One benchmark that a configuration may name without saying how it is run."""

    name: str
    harness: str
    endpoint_types: tuple[str, ...]
    """Kinds of endpoint that it can use, the preferred one first."""
    description: str


@cache
def listed_tasks() -> tuple[ListedTask, ...]:
    """Return all benchmarks of the bundled table, in its order."""
    text = files("evalyard.catalogue").joinpath("tasks.csv").read_text(encoding="utf-8")
    return tuple(
        ListedTask(
            name=row["task"],
            harness=row["harness"],
            endpoint_types=tuple(row["endpoint_types"].split()),
            description=row["description"],
        )
        for row in csv.DictReader(text.splitlines())
    )
