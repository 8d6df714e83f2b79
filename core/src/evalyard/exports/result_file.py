"""Files of results that grow: what there is, without the jobs that are exported again, and those at the end. Pure.

A job is there once, whatever its attempt: a later attempt replaces an earlier one, as it does everywhere else.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve

from evalyard.errors import UsageError
from evalyard.scoring.flat import SCORE_FIELDS, score_rows
from evalyard.scoring.records import JobResults, Score

Choice = Callable[[JobResults], tuple[Score, ...]]
"""Which scores of a job are wanted."""

SCORE_KEYS = ("task", "metric", "score", "value", "stderr", "n", "group")
"""What a row says of the score itself; the rest is the job's."""


class DamagedFileError(UsageError):
    """There is a file of that name, and it is no file of results. It was left as it is."""


def merged_json(before: str, source: str, results: Sequence[JobResults], choose: Choice) -> str:
    """Return the text of a JSON file: `{"jobs": [...]}`, one object a job, its scores in `scores`.

    Args:
        before: the text that is there; empty = there is none.
        source: what messages call it.

    Raises:
        DamagedFileError: `before` is something else.
    """
    known: list[Any] = []
    if before.strip():
        try:
            known = json.loads(before)["jobs"]
            if not all(isinstance(job["job"], str) for job in known):
                raise TypeError
        except (ValueError, TypeError, KeyError) as error:
            raise _damaged(source, 'a JSON object with a list "jobs"') from error
    new = {result.card.job: _job(evolve(result, scores=choose(result))) for result in results}
    jobs = [new.pop(job["job"], job) for job in known]
    return json.dumps({"jobs": [*jobs, *new.values()]}, indent=1, ensure_ascii=False, default=str) + "\n"


def merged_csv(before: str, source: str, results: Sequence[JobResults], choose: Choice) -> str:
    """Return the text of a CSV file, a row for each score; columns that somebody added are kept.

    Args:
        before: the text that is there; empty = there is none.
        source: what messages call it.

    Raises:
        DamagedFileError: `before` is something else.
    """
    known: list[dict[str, Any]] = []
    columns = list(SCORE_FIELDS)
    if before.strip():
        try:
            reader = csv.DictReader(io.StringIO(before, newline=""), strict=True)
            known = list(reader)
        except csv.Error as error:
            raise _damaged(source, "CSV") from error
        found = list(reader.fieldnames or ())
        if "job" not in found or any(None in row or None in row.values() for row in known):
            raise _damaged(source, "CSV with a column `job` and rows as long as its first line")
        columns = [*found, *(name for name in columns if name not in found)]
    again = {result.card.job for result in results}
    rows = [row for row in known if row["job"] not in again]
    rows += [_cells(row) for row in score_rows(evolve(result, scores=choose(result)) for result in results)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _job(result: JobResults) -> dict[str, Any]:
    rows = score_rows([result if result.scores else evolve(result, scores=(_NOTHING,))])
    about = {key: value for key, value in rows[0].items() if key not in SCORE_KEYS}
    scores = [{key: _number(row[key]) for key in SCORE_KEYS} for row in rows] if result.scores else []
    return {**about, "reason": result.reason, "problem": result.problem, "scores": scores}


_NOTHING = Score(task="", metric="", score="", value=math.nan)


def _number(value: Any) -> Any:
    """Return a value as JSON has it: no NaN, no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    return {key: _cell(value) for key, value in row.items()}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _damaged(source: str, expected: str) -> DamagedFileError:
    return DamagedFileError(
        f"{source} is not {expected}; it was left as it is", hint="move it away, or choose another name"
    )
