"""evalyard.cli.formats: tables that other programs read back."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from evalyard.cli.formats import check_one_format, csv_text, markdown_table
from evalyard.errors import UsageError


def test_csv_is_read_back_by_a_reader_of_csv() -> None:
    rows: list[dict[str, Any]] = [{"a": 'say "x", y\nz', "b": None, "c": {"t": 0.5}}, {"a": "", "b": 1e-05, "c": []}]
    first, second = csv.DictReader(io.StringIO(csv_text(rows, ("a", "b", "c"))))
    assert first == {"a": rows[0]["a"], "b": "", "c": json.dumps(rows[0]["c"])}
    assert (second["b"], second["c"]) == ("1e-05", "[]")


def test_without_rows_csv_is_its_header() -> None:
    assert csv_text([], ("a", "b")) == "a,b"


def test_markdown_shows_cells_as_they_are() -> None:
    lines = markdown_table(("task", "value"), [("a_b|c", "0.5*"), ("two\nlines", "<b>`x`")]).splitlines()
    assert lines == [
        "| task | value |",
        "| --- | --- |",
        r"| a\_b\|c | 0.5\* |",
        r"| two lines | \<b>\`x\` |",
    ]


def test_only_one_format_is_printed() -> None:
    check_one_format(json=True, csv=False)
    with pytest.raises(UsageError, match="--json and --csv exclude each other"):
        check_one_format(json=True, csv=True)
