"""evalyard.harness.logs: a growing log in whole lines, each once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from evalyard.harness.logs import cut_log, read_log
from evalyard.records.observations import LogChunk

PLENTY = 1_000_000


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "stdout.log"


def read_all(path: Path, limit: int) -> list[str]:
    """Read an ended log to its end, chunk by chunk."""
    lines: list[str] = []
    cursor = ""
    while True:
        chunk = read_log(path, cursor, limit, writer_ended=True)
        lines += chunk.lines
        if chunk.ended:
            return lines
        assert int(chunk.cursor) > int(cursor or 0), "no headway"
        cursor = chunk.cursor


def test_reading_goes_on_where_the_cursor_stands(log: Path) -> None:
    log.write_bytes(b"one\ntwo\n")
    first = read_log(log, "", PLENTY, writer_ended=False)
    assert first == LogChunk(lines=("one", "two"), cursor="8", ended=False)
    assert read_log(log, "8", PLENTY, writer_ended=False) == LogChunk(cursor="8")
    with log.open("ab") as stream:
        stream.write(b"three\n")
    assert read_log(log, "8", PLENTY, writer_ended=False) == LogChunk(lines=("three",), cursor="14")
    assert read_log(log, "4", PLENTY, writer_ended=True) == LogChunk(lines=("two", "three"), cursor="14", ended=True)


def test_a_line_without_its_newline_waits_until_the_writer_ended(log: Path) -> None:
    log.write_bytes(b"whole\nhal")
    assert read_log(log, "", PLENTY, writer_ended=False) == LogChunk(lines=("whole",), cursor="6")
    assert read_log(log, "6", PLENTY, writer_ended=False) == LogChunk(cursor="6")
    assert read_log(log, "6", PLENTY, writer_ended=True) == LogChunk(lines=("hal",), cursor="9", ended=True)


def test_an_absent_file_may_still_come_until_the_writer_ended(log: Path) -> None:
    assert read_log(log, "", PLENTY, writer_ended=False) == LogChunk()
    assert read_log(log, "", PLENTY, writer_ended=True) == LogChunk(ended=True)


def test_a_file_that_went_away_leaves_the_cursor_where_it_was(log: Path) -> None:
    assert read_log(log, "8", PLENTY, writer_ended=False) == LogChunk(cursor="8")


def test_an_empty_log_has_no_lines(log: Path) -> None:
    log.touch()
    assert read_log(log, "", PLENTY, writer_ended=False) == LogChunk(cursor="0")
    assert read_log(log, "", PLENTY, writer_ended=True) == LogChunk(cursor="0", ended=True)


def test_empty_lines_are_lines(log: Path) -> None:
    log.write_bytes(b"\n\na\n\n")
    assert read_log(log, "", PLENTY, writer_ended=True).lines == ("", "", "a", "")


@pytest.mark.parametrize("writer_ended", [False, True])
def test_a_line_longer_than_the_limit_comes_whole(log: Path, writer_ended: bool) -> None:
    log.write_bytes(b"a" * 100 + b"\nnext\n")
    chunk = read_log(log, "", 10, writer_ended=writer_ended)
    assert chunk == LogChunk(lines=("a" * 100,), cursor="101", ended=False)


@pytest.mark.parametrize("writer_ended", [False, True])
def test_a_long_line_without_its_newline_waits_like_a_short_one(log: Path, writer_ended: bool) -> None:
    log.write_bytes(b"a" * 100)
    expected = LogChunk(lines=("a" * 100,), cursor="100", ended=True) if writer_ended else LogChunk(cursor="0")
    assert read_log(log, "", 10, writer_ended=writer_ended) == expected


def test_more_than_the_limit_is_left_for_the_next_call(log: Path) -> None:
    log.write_bytes(b"one\ntwo\nthree\n")
    assert read_log(log, "", 9, writer_ended=True) == LogChunk(lines=("one", "two"), cursor="8", ended=False)


def test_the_end_is_said_with_the_last_line_that_just_fits(log: Path) -> None:
    log.write_bytes(b"one\ntwo\n")
    assert read_log(log, "", 8, writer_ended=True) == LogChunk(lines=("one", "two"), cursor="8", ended=True)


@pytest.mark.parametrize("limit", range(1, 12))
def test_no_limit_splits_a_character(log: Path, limit: int) -> None:
    lines = ["é", "日本", "🙂🙂", "ende"]
    log.write_bytes("\n".join(lines).encode())
    assert read_all(log, limit) == lines


def test_a_character_that_is_written_in_two_halves_is_read_whole(log: Path) -> None:
    text = "größe\n".encode()
    half = text.index(b"\xc3") + 1
    log.write_bytes(text[:half])
    first = read_log(log, "", PLENTY, writer_ended=False)
    with log.open("ab") as stream:
        stream.write(text[half:])
    assert first.lines == ()
    assert read_log(log, first.cursor, PLENTY, writer_ended=False).lines == ("größe",)


def test_bytes_that_are_no_text_are_shown_as_such_and_cost_no_other_line(log: Path) -> None:
    log.write_bytes(b"before\n\xff\xfe\xc3\nafter\n")
    chunk = read_log(log, "", PLENTY, writer_ended=True)
    assert chunk.lines == ("before", "\N{REPLACEMENT CHARACTER}" * 3, "after")
    assert chunk.cursor == "17"


def test_only_a_newline_ends_a_line(log: Path) -> None:
    log.write_bytes("10%\r20%\r\na\x0bb\u2028c\x00d\n".encode())
    assert read_log(log, "", PLENTY, writer_ended=True).lines == ("10%\r20%\r", "a\x0bb\u2028c\x00d")


@pytest.mark.parametrize("limit", [4096, 64 * 1024, 1_000_003])
def test_ten_megabytes_in_chunks_give_every_line_once(log: Path, limit: int) -> None:
    lines = [f"{number} {'ä' * (number % 97)}" for number in range(100_000)]
    log.write_text("\n".join(lines), encoding="utf-8")
    assert log.stat().st_size > 10_000_000
    assert read_all(log, limit) == lines


@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"))), st.integers(1, 40), st.booleans())
def test_any_limit_gives_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], limit: int, last_newline: bool
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    text = "\n".join(lines) + ("\n" if last_newline and lines else "")
    path.write_bytes(text.encode())
    expected = text.split("\n")
    if expected[-1] == "":
        expected.pop()
    assert read_all(path, limit) == expected


@pytest.mark.parametrize("ended", [True, False])
@given(data=st.binary(max_size=60).map(lambda data: data.replace(b"~", b"\n")), limit=st.integers(1, 20))
def test_a_log_that_was_read_elsewhere_is_cut_as_one_that_is_here(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, limit: int, ended: bool
) -> None:
    path = tmp_path_factory.mktemp("log") / "stdout.log"
    path.write_bytes(data)
    cursor = ""
    while True:
        here = read_log(path, cursor, limit, writer_ended=ended)
        assert cut_log(data[int(cursor or 0) :], cursor, limit, more=False, writer_ended=ended) == here
        if here.ended or here.cursor == cursor:
            break
        cursor = here.cursor


def test_a_line_that_is_longer_than_the_piece_is_given_in_parts() -> None:
    chunk = cut_log(b"x" * 100, "7", 10, more=True, writer_ended=False)
    assert chunk == LogChunk(lines=("x" * 100,), cursor="107")


def test_a_piece_that_is_not_all_never_ends_a_log() -> None:
    assert not cut_log(b"one\n", "", 10, more=True, writer_ended=True).ended
