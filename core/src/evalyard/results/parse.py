"""Result files of nemo-evaluator's schema, `results.tasks|groups.<name>.metrics.<metric>.scores.<score>`, to scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalyard.errors import EvalyardError
from evalyard.results.records import Score

RESULTS_FILE = "results.yml"
MAX_BYTES = 32 * 2**20


class ResultsError(EvalyardError):
    """A result file is absent, damaged or something else; the message names the file and what is wrong with it."""


def read_results(folder: Path, file: str = RESULTS_FILE) -> tuple[Score, ...]:
    """Return the scores in a result file of an artifacts folder.

    Raises:
        ResultsError: it is absent, cannot be read, or is no result file.
    """
    path = folder / file
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ResultsError(f"{path}: there is no result file") from None
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ResultsError(f"{path}: larger than {MAX_BYTES // 2**20} MiB; is this a result file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ResultsError(f"{path}:{line}: not UTF-8 text") from error
    return parse_results(text, str(path))


def parse_results(text: str, source: str) -> tuple[Score, ...]:
    """Return the scores in the text of a result file, tasks before groups, in the order of the file.

    A score of a group is left out when a task of that name has the same one: some harnesses write both. A value that
    is no number becomes NaN, which shows that something is amiss and costs none of the other scores.

    Args:
        source: what messages call the text.

    Raises:
        ResultsError: it is not YAML, or not of the schema.
    """
    root = _load(text, source)
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


def _load(text: str, source: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        # pure: the parser in C knows only YAML 1.1
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        # The first line alone: some of these problems go on with advice to programmers.
        problem = str(error.problem or error.context or "").partition("\n")[0]
        raise ResultsError(f"{where}: not YAML: {problem or 'it cannot be parsed'}") from error
    except Exception as error:
        # Any bytes meet a third party's parser here, which also fails with RecursionError, ValueError and the like.
        raise ResultsError(f"{source}: not YAML that can be read ({type(error).__name__})") from error


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
            for metric, scores, below in self._metrics(entry, f"{path}.{task}"):
                for name, fields in scores.items():
                    yield self._score(fields, f"{below}.{name}", (str(task), metric, str(name)), section == "groups")

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
        stderr, count = _number(stats.get("stderr")), _number(stats.get("count"))
        task, metric, score = names
        return Score(
            task=task,
            metric=metric,
            score=score,
            value=_number(fields.get("value")),
            stderr=stderr if math.isfinite(stderr) and stderr >= 0 else None,
            n=int(count) if math.isfinite(count) and count >= 0 else None,
            group=group,
        )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
