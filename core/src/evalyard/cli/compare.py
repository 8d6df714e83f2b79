"""`evalyard compare`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import IO, Annotated, Any

from cyclopts import Parameter

from evalyard.api import look
from evalyard.cli.formats import AsCsv, AsMarkdown, check_one_format, csv_text, escaped, markdown_table
from evalyard.cli.options import AsJson
from evalyard.cli.render import Row, put, put_json, say, show_table
from evalyard.cli.results import Metrics
from evalyard.cli.scores import MARK, show_problems
from evalyard.errors import EXIT_JOB_FAILED, EXIT_OK, UsageError
from evalyard.scoring.compare import ALPHA, METHOD, Comparison, Measured, compare as compared, drops, job_notes
from evalyard.scoring.records import JobResults
from evalyard.scoring.select import label, only
from evalyard.scoring.table import style_of

COLUMNS = ("run", "task", "metric", "n", "baseline", "value", "difference", "stderr", "p", "change")
FIELDS = (
    "baseline_job",
    "job",
    "task",
    "metric",
    "score",
    "group",
    "baseline_value",
    "value",
    "difference",
    "baseline_stderr",
    "value_stderr",
    "stderr",
    "p_value",
    "change",
    "baseline_n",
    "n",
    "notes",
)
NOT_STATED = "not stated"
STYLES = {"better": "green", "worse": "bold red"}


def compare(
    baseline: str,
    /,
    *others: str,
    metric: Metrics = (),
    max_drop: Annotated[
        float | None, Parameter(name="--max-drop", help="Exit with 1 when a score got worse by more than this.")
    ] = None,
    json: AsJson = False,
    csv: AsCsv = False,
    markdown: AsMarkdown = False,
) -> int:
    """Compare the scores of runs or jobs with those of the first. Exits 1 when a job has none, or dropped too far.

    Args:
        baseline: The run or job that the others are compared with.
        others: Runs or jobs, whole ids or their start.
    """
    check_one_format(json=json, csv=csv, markdown=markdown)
    if not others:
        raise UsageError("there is nothing to compare it with", hint=f"evalyard compare {baseline} ID")
    if max_drop is not None and not max_drop >= 0:
        raise UsageError(f"--max-drop {max_drop:g}: expected 0 or more, in the units of the scores")
    sets = [look.results(name) for name in (baseline, *others)]
    jobs = [job for found in sets for job in found]
    chosen = {job.card.job: job for job in only(jobs, metric)}
    first, *rest = [[chosen[job.card.job] for job in found] for found in sets]
    rows = [row for name, found in zip(others, rest, strict=True) for row in compared(first, _name(name, found), found)]
    if json:
        put_json(_json(first, rows))
    elif csv:
        put(csv_text([_fields(row) for row in rows], FIELDS))
    elif markdown:
        put(markdown_table(COLUMNS, _cells(rows)))
        put("".join(f"\n{escaped(line)}\n" for line in _below(rows)).rstrip("\n"))
    else:
        _show(rows, to=sys.stdout)
    show_problems({job.card.job: job for job in jobs}.values())
    dropped = drops(rows, max_drop) if max_drop is not None else ()
    for line in dropped:
        say(f"gate failed: {line}")
    return EXIT_JOB_FAILED if dropped or not rows or any(job.problem for job in jobs) else EXIT_OK


def _name(given: str, found: Sequence[JobResults]) -> str:
    """Return the whole id of what was given as an id's start."""
    if len(found) == 1 and "." in given:
        return found[0].card.job
    return found[0].card.invocation if found else given


def _show(rows: Sequence[Comparison], *, to: IO[str]) -> None:
    if not rows:
        say("there are no scores to compare")
        return
    show_table(COLUMNS, _cells(rows), STYLES, to=to)
    for line in _below(rows):
        say(line, to=to)


def _below(rows: Sequence[Comparison]) -> list[str]:
    """Return what there is to know of a table: the method, and what makes jobs hard to compare, each once."""
    pairs = {(row.other.job.card.job, row.baseline.job.card.job): row for row in rows if row.baseline and row.other}
    notes = [
        f"{new} against {old}: {note}"
        for (new, old), row in pairs.items()
        if row.baseline and row.other
        for note in job_notes(row.baseline.job, row.other.job)
    ]
    return [f"p: {METHOD}; better and worse are marked below {ALPHA:g}", *notes]


def _cells(rows: Iterable[Comparison]) -> list[Row]:
    return [
        (
            row.run,
            f"{row.score.task} (group)" if row.score.group else row.score.task,
            label(row.score),
            _counts(row),
            _value(row.baseline),
            _value(row.other),
            _signed(row),
            _stderr(row),
            "" if row.p_value is None else f"{row.p_value:.3g}",
            row.change or ("missing" if row.other is None else "new" if row.baseline is None else ""),
        )
        for row in rows
    ]


def _value(measured: Measured | None) -> str:
    if measured is None:
        return ""
    value = measured.score.value
    return f"{format(value, style_of(value))}{MARK if measured.job.limited else ''}"


def _counts(row: Comparison) -> str:
    """Return how many samples there were: once where both agree."""
    counts = [side.score.n for side in (row.baseline, row.other) if side]
    return " -> ".join("?" if n is None else str(n) for n in dict.fromkeys(counts)) if any(counts) else ""


def _signed(row: Comparison) -> str:
    return "" if row.difference is None else format(row.difference, f"+{style_of(row.score.value)}")


def _stderr(row: Comparison) -> str:
    if row.difference is None:
        return ""
    return NOT_STATED if row.stderr is None else f"± {format(row.stderr, style_of(row.score.value))}"


def _json(first: Sequence[JobResults], rows: Iterable[Comparison]) -> dict[str, Any]:
    return {
        "baseline": [job.card.job for job in first],
        "method": METHOD,
        "alpha": ALPHA,
        "comparisons": [_fields(row) for row in rows],
    }


def _fields(row: Comparison) -> dict[str, Any]:
    before, after, score = row.baseline, row.other, row.score
    return {
        "baseline_job": before.job.card.job if before else "",
        "job": after.job.card.job if after else "",
        "task": score.task,
        "metric": score.metric,
        "score": score.score,
        "group": score.group,
        "baseline_value": before.score.value if before else None,
        "value": after.score.value if after else None,
        "difference": row.difference,
        "baseline_stderr": before.score.stderr if before else None,
        "value_stderr": after.score.stderr if after else None,
        "stderr": row.stderr,
        "p_value": row.p_value,
        "change": row.change,
        "baseline_n": before.score.n if before else None,
        "n": after.score.n if after else None,
        "notes": list(row.notes),
    }
