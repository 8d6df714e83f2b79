"""lm-evaluation-harness's schema, `results.<task>.<metric>,<filter>`, to scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalyard.scoring.document import ResultsError, known_count, known_stderr, number
from evalyard.scoring.records import Score

NO_FILTER = "none"
_STDERR = "_stderr"


def lm_eval_scores(root: Any, source: str) -> tuple[Score, ...]:
    """Return the scores of a `results_*.json`, tasks before groups, in the order of the file.

    A key is `<metric>,<filter>`; its standard error stands under `<metric>_stderr,<filter>`, `N/A` where there is none.
    Groups are named both under `results` and under `groups`.

    Raises:
        ResultsError: it is not of the schema.
    """
    if not isinstance(root, Mapping) or not isinstance(root.get("results"), Mapping):
        raise ResultsError(f"{source}: not a result file of lm-eval: it has no `results` at the top level")
    groups = _mapping(root.get("groups"))
    counts = _mapping(root.get("n-samples"))
    scores: list[Score] = []
    for task, entry in {**root["results"], **groups}.items():
        if not isinstance(entry, Mapping):
            raise ResultsError(f"{source}: results.{task} is not a mapping, so this is not a result file")
        scores += _scores(str(task), entry, counts.get(task), group=task in groups)
    return tuple(sorted(scores, key=lambda score: score.group))


def _scores(task: str, entry: Mapping[Any, Any], count: Any, *, group: bool) -> Iterator[Score]:
    n = known_count(_mapping(count).get("effective"))
    for key, value in entry.items():
        metric, comma, variant = str(key).partition(",")
        # What has no comma is no score: `alias`, `sample_len`, the task's own name.
        if not comma or metric.endswith(_STDERR):
            continue
        yield Score(
            task=task,
            metric=metric,
            score=metric if variant == NO_FILTER else variant,
            value=number(value),
            stderr=known_stderr(entry.get(f"{metric}{_STDERR},{variant}")),
            n=n if n is not None else known_count(entry.get("sample_len")),
            group=group,
        )


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}
