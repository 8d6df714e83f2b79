"""nemo-evaluator's schema, `results.tasks|groups.<name>.metrics.<metric>.scores.<score>`, to scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from evalyard.scoring.document import ResultsError, known_count, known_stderr, number
from evalyard.scoring.records import Score


def nemo_scores(root: Any, source: str) -> tuple[Score, ...]:
    """Return the scores of a result file's data, tasks before groups, in the order of the file.

    A score of a group is left out when a task of that name has the same one: some harnesses write both. A value that
    is no number becomes NaN, which shows that something is amiss and costs none of the other scores.

    Raises:
        ResultsError: it is not of the schema.
    """
    if not isinstance(root, Mapping) or "results" not in root:
        raise ResultsError(f"{source}: not a result file: it has no `results:` at the top level")
    reader = _Reader(source)
    results = reader.mapping(root["results"], "results")
    scores = list(reader.scores(results, "tasks"))
    values = {(score.task, score.metric, score.score): score.value for score in scores}
    for score in reader.scores(results, "groups"):
        known = values.get((score.task, score.metric, score.score))
        if known is None or not _same(known, score.value):
            scores.append(score)
    return tuple(scores)


class _Reader:
    """Goes down the schema; an absent or null level is empty, any other surprise an error that names its key path."""

    def __init__(self, source: str) -> None:
        self._source = source

    def mapping(self, value: Any, path: str) -> Mapping[Any, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise ResultsError(f"{self._source}: {path} is not a mapping, so this is not a result file")
        return value

    def scores(self, results: Mapping[Any, Any], section: str) -> Iterator[Score]:
        path = f"results.{section}"
        for task, entry in self.mapping(results.get(section), path).items():
            yield from self._entry(entry, f"{path}.{task}", str(task), section == "groups")

    def _entry(self, entry: Any, path: str, task: str, group: bool) -> Iterator[Score]:
        for metric, scores, below in self._metrics(entry, path):
            for name, fields in scores.items():
                yield self._score(fields, f"{below}.{name}", (task, metric, str(name)), group)
        # Groups may hold groups.
        for name, inner in self.mapping(self.mapping(entry, path).get("groups"), f"{path}.groups").items():
            yield from self._entry(inner, f"{path}.groups.{name}", str(name), True)

    def _metrics(self, entry: Any, path: str) -> Iterator[tuple[str, Mapping[Any, Any], str]]:
        metrics = self.mapping(self.mapping(entry, path).get("metrics"), f"{path}.metrics")
        for metric, value in metrics.items():
            below = f"{path}.metrics.{metric}"
            yield (
                str(metric),
                self.mapping(self.mapping(value, below).get("scores"), f"{below}.scores"),
                f"{below}.scores",
            )

    def _score(self, value: Any, path: str, names: tuple[str, str, str], group: bool) -> Score:
        fields = self.mapping(value, path)
        stats = self.mapping(fields.get("stats"), f"{path}.stats")
        task, metric, score = names
        return Score(
            task=task,
            metric=metric,
            score=score,
            value=number(fields.get("value")),
            stderr=_stderr(stats),
            n=known_count(stats.get("count")),
            group=group,
        )


def _stderr(stats: Mapping[Any, Any]) -> float | None:
    """Return the standard error that is stated, or follows from the spread of the samples."""
    stated, spread, count = (known_stderr(stats.get(name)) for name in ("stderr", "stddev", "count"))
    if stated is not None or spread is None or not count:
        return stated
    return spread / math.sqrt(count)


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
