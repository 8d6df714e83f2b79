"""Scores of any file of data, found by dotted paths that the configuration gives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalyard.scoring.document import ResultsError, number
from evalyard.scoring.records import Score


def scores_at(root: Any, paths: Mapping[str, str], source: str, task: str) -> tuple[Score, ...]:
    """Return the score that each path leads to, in the order of `paths`.

    Args:
        paths: name of a score -> path: keys and list indices (from 0, or from -1 backwards) with dots between. A key
            that itself has dots is found too.
        task: what the scores were measured on.

    Raises:
        ResultsError: paths that lead nowhere or to no number, all of them at once, each naming the file and the path.
    """
    if not paths:
        raise ResultsError(f"{source}: the configuration does not say where its scores are (harness.results.scores)")
    scores: list[Score] = []
    problems: list[str] = []
    for name, path in paths.items():
        found = next(_values(root, path.split(".")), None)
        if found is None:
            problems.append(f"no '{path}' (score {name}){_instead(root, path)}")
        elif math.isnan(number(found.value)) and not _is_nan(found.value):
            problems.append(f"'{path}' (score {name}) is {_kind(found.value)}, not a number")
        else:
            scores.append(Score(task=task, metric=name, score=name, value=number(found.value)))
    if problems:
        raise ResultsError(f"{source}: {'; '.join(problems)}")
    return tuple(scores)


class _Found:
    def __init__(self, value: Any) -> None:
        self.value = value


def _values(value: Any, parts: Sequence[str]) -> Iterator[_Found]:
    """Yield what a path can lead to, keys with the most dots first."""
    if not parts:
        yield _Found(value)
    elif isinstance(value, Mapping):
        named = {str(key): inner for key, inner in value.items()}
        for length in range(len(parts), 0, -1):
            key = ".".join(parts[:length])
            if key in named:
                yield from _values(named[key], parts[length:])
    elif isinstance(value, list) and parts[0].removeprefix("-").isdecimal():
        index = int(parts[0])
        if -len(value) <= index < len(value):
            yield from _values(value[index], parts[1:])


def _instead(root: Any, path: str) -> str:
    """Return what there is at the last level that the path reaches."""
    parts = path.split(".")
    for length in range(len(parts) - 1, -1, -1):
        found = next(_values(root, parts[:length]), None)
        if found is None:
            continue
        where = f"'{'.'.join(parts[:length])}'" if length else "the file"
        if isinstance(found.value, Mapping):
            return f"; {where} has {', '.join(map(str, list(found.value)[:8])) or 'nothing'}"
        if isinstance(found.value, list):
            return f"; {where} is a list of {len(found.value)}"
        return f"; {where} is {_kind(found.value)}"
    return ""


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "empty" if value is None else f"{value!r}"


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, str) and value.strip().lower() in ("nan", "+nan", "-nan"))
