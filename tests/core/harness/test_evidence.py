"""evalyard.harness.evidence: records that the job script leaves, and what is no record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalyard.harness.evidence import (
    StartRecord,
    attempt_folder,
    attempts_in,
    parse_exit,
    parse_start,
    read_exit,
    read_start,
    there,
)
from evalyard.records.observations import ExitRecord

EXIT: dict[str, Any] = {
    "attempt": 2,
    "mark": "f" * 32,
    "by_hand": False,
    "exit_code": 143,
    "signal": "TERM",
    "reason": "",
    "results": True,
    "started_at": "2026-01-02T03:04:05Z",
    "ended_at": "2026-01-02T03:04:06Z",
}
START = {"attempt": 2, "mark": "f" * 32, "by_hand": True, "pid": 4711, "started_at": "2026-01-02T03:04:05Z"}
NO_RECORD = ["", "{", "null", "[]", "7", '"text"', "{}", "\0"]


def test_an_exit_record_says_what_the_script_wrote() -> None:
    assert parse_exit(json.dumps(EXIT)) == ExitRecord(**EXIT)
    assert parse_exit(json.dumps(EXIT | {"added_later": 1})) == ExitRecord(**EXIT)


def test_a_start_record_says_who_took_the_attempt() -> None:
    expected = StartRecord(attempt=2, mark="f" * 32, by_hand=True, pid=4711, started_at="2026-01-02T03:04:05Z")
    assert parse_start(json.dumps(START)) == expected


@pytest.mark.parametrize("missing", EXIT)
def test_an_exit_record_without_one_of_its_fields_is_none(missing: str) -> None:
    assert parse_exit(json.dumps({name: value for name, value in EXIT.items() if name != missing})) is None


@pytest.mark.parametrize("length", range(0, len(json.dumps(EXIT)), 9))
def test_a_record_cut_short_is_none(length: int) -> None:
    assert parse_exit(json.dumps(EXIT)[:length]) is None


@pytest.mark.parametrize("text", NO_RECORD)
def test_anything_else_is_no_record(text: str) -> None:
    assert parse_exit(text) is None
    assert parse_start(text) is None


@pytest.mark.parametrize("field", ["exit_code", "attempt"])
def test_a_number_that_is_none_is_no_record(field: str) -> None:
    assert parse_exit(json.dumps(EXIT | {field: "many"})) is None
    assert parse_exit(json.dumps(EXIT | {field: None})) is None


def test_attempts_are_those_that_somebody_started(tmp_path: Path) -> None:
    assert attempts_in(tmp_path) == ()
    for name in ("10", "2", "1", "x", "3"):
        (tmp_path / "attempts" / name).mkdir(parents=True)
    for name in ("10", "2", "x"):
        (tmp_path / "attempts" / name / "started.json").write_text(json.dumps(START))
    assert attempts_in(tmp_path) == (2, 10)


def test_records_are_read_per_attempt_and_absent_or_damaged_ones_are_none(tmp_path: Path) -> None:
    folder = tmp_path / "attempts" / "2"
    folder.mkdir(parents=True)
    assert (read_exit(tmp_path, 2), read_start(tmp_path, 2)) == (None, None)
    (folder / "exit.json").write_text(json.dumps(EXIT))
    (folder / "started.json").write_bytes(b"\xff")
    assert read_exit(tmp_path, 2) == ExitRecord(**EXIT)
    assert (read_exit(tmp_path, 1), read_start(tmp_path, 2)) == (None, None)


def test_files_of_an_attempt_are_in_the_task_folder_until_it_is_past(tmp_path: Path) -> None:
    assert attempt_folder(tmp_path, 1) == tmp_path
    (tmp_path / "attempts" / "1").mkdir(parents=True)
    assert attempt_folder(tmp_path, 1) == tmp_path
    (tmp_path / "attempts" / "1" / "logs").mkdir()
    assert attempt_folder(tmp_path, 1) == tmp_path / "attempts" / "1"


def test_a_file_system_that_gives_no_answer_has_no_files(tmp_path: Path) -> None:
    beyond = tmp_path / ("x" * 300)
    assert not there(beyond)
    assert attempt_folder(beyond, 1) == beyond
