"""evalyard_lepton.logs: every line once, however small the pieces and however many lines share a moment."""

from __future__ import annotations

from typing import Any, cast

import pytest
from attrs import define, field

from evalyard_lepton import logs
from evalyard_lepton.gateway import Absent, Gateway, LogLine
from evalyard_lepton.names import common_part, invocation_of, part_of

MARK = "a" * 32


@define
class Book:
    """A log as the service has it."""

    lines: list[LogLine]
    asked: list[dict[str, Any]] = field(factory=list)
    absent: bool = False

    def log(self, *, start_ns: int, limit: int, **_: Any) -> list[LogLine]:
        if self.absent:
            raise Absent("no such log")
        self.asked.append({"start_ns": start_ns, "limit": limit})
        return [line for line in self.lines if line.at_ns >= start_ns][:limit]


def read_all(book: Book, limit: int) -> tuple[list[str], str, bool]:
    cursor = "5:0"
    found: list[str] = []
    while True:
        position = logs.parse_cursor(cursor, 0)
        chunk, silent = logs.read(cast(Gateway, book), position, limit, mark=MARK, job="j")
        found += chunk.lines
        cursor = chunk.cursor
        if chunk.ended or silent:
            return found, cursor, chunk.ended


@pytest.mark.parametrize("limit", [1, 7, 100, 100_000])
def test_every_line_comes_once_also_of_one_moment(limit: int) -> None:
    texts = [f"line {number}" for number in range(400)]
    book = Book([LogLine(at_ns=10 + number // 150, text=text) for number, text in enumerate(texts)])
    found, _, ended = read_all(book, limit)
    assert found == texts
    assert not ended


def test_what_is_for_us_is_left_out_and_its_last_line_ends_the_log() -> None:
    ours = [f"evalyard-home {MARK} 1 abc", f"evalyard-home {MARK} end - 0 none on-time {{}}"]
    book = Book([LogLine(at_ns=at, text=text) for at, text in enumerate(["one", ours[0], "two", ours[1]], start=10)])
    found, cursor, ended = read_all(book, 5)
    assert (found, ended) == (["one", "two"], True)
    before = len(book.asked)
    assert logs.read(cast(Gateway, book), logs.parse_cursor(cursor, 0), 5, mark=MARK, job="j")[0].ended
    assert len(book.asked) == before


def test_another_jobs_last_line_ends_nothing() -> None:
    other = f"evalyard-home {'b' * 32} end - 0 none on-time {{}}"
    assert read_all(Book([LogLine(at_ns=10, text=other)]), 100) == ([], "10:1", False)


def test_a_log_that_is_gone_has_ended() -> None:
    assert read_all(Book([], absent=True), 100)[2]


def test_late_lines_of_an_ended_job_are_waited_for_and_then_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    cursor, ended = logs.waited("10:1")
    assert not ended
    assert logs.waited(cursor) == (cursor, False)
    monkeypatch.setattr(logs, "LAG_S", 0.0)
    assert logs.waited(cursor) == ("10:1:end", True)


def test_a_log_is_read_from_before_the_jobs_beginning_as_clocks_differ() -> None:
    assert logs.parse_cursor("", 1_000_000).at_ns == 1_000_000 * 10**6 - logs.EARLIER_NS
    assert logs.parse_cursor("", 0).at_ns == 1  # the SDK refuses 0


@pytest.mark.parametrize(
    ("name", "invocation", "part"),
    [("ey-0a1b2c3d-12-1", "0a1b2c3d", "12"), ("ey-0a1b2c3d-server-3-2", "0a1b2c3d", "server-3"), ("other", "", "")],
)
def test_names_tell_what_they_stand_for(name: str, invocation: str, part: str) -> None:
    assert (invocation_of(name), part_of(name)) == (invocation, part)


def test_one_request_is_for_as_few_jobs_as_possible() -> None:
    assert common_part(["ey-0a1b2c3d-1-1", "ey-0a1b2c3d-2-1"]) == "ey-0a1b2c3d-"
    assert common_part(["ey-0a1b2c3d-1-1", "ey-ffffffff-2-1"]) == "ey-"
