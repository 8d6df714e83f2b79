"""Tables for other programs: CSV and Markdown. Pure, save for the choice among options."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from evalyard.cli.render import Row
from evalyard.errors import UsageError

AsCsv = Annotated[bool, Parameter(name="--csv", negative=(), show_default=False, help="Print CSV on stdout.")]
AsMarkdown = Annotated[
    bool, Parameter(name="--markdown", negative=(), show_default=False, help="Print a Markdown table on stdout.")
]


def check_one_format(**asked: bool) -> None:
    """Refuse several formats at once. Raises UsageError."""
    chosen = [f"--{name}" for name, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other")


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return CSV with a header, a row for each mapping; None is empty, what is no scalar is JSON."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[column]) for column in columns] for row in rows)
    return text.getvalue().removesuffix("\n")


def markdown_table(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Return a table in the Markdown that Git hosts render."""
    lines = [columns, ["---"] * len(columns), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list | tuple) else value


def escaped(cell: str) -> str:
    """Return a text that Markdown shows as it is."""
    text = " ".join(cell.split())
    for character in "\\|*_<`":
        text = text.replace(character, f"\\{character}")
    return text
