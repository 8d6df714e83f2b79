"""evalyard.batch.answers: rows, and what they say."""

import pytest
from attrs import evolve

from evalyard import JobRow, Transient
from evalyard.batch.answers import parse_status, queue_in, rows_of, table
from tests.core.batch.toy import TOY


@pytest.mark.parametrize("answer", [b"", b"now\t2026-01-02T03:04:05\n", b"queue\t61|RUNN", b"job\ta\t1\nend"])
def test_an_answer_that_broke_off_is_none(answer: bytes) -> None:
    with pytest.raises(Transient, match="broke off"):
        rows_of(answer)


def test_a_scheduler_that_is_silent_is_told_in_its_own_words() -> None:
    with pytest.raises(Transient, match=r"^toy: no answer$"):
        rows_of(b"failed\ttoy:  no\tanswer\n")
    with pytest.raises(Transient, match="no answer"):
        rows_of(b"failed\t\n")


def test_a_run_that_somebody_else_submits_is_to_be_asked_again() -> None:
    with pytest.raises(Transient, match="another launcher"):
        rows_of(b"busy\n")


def test_rows_are_sent_between_tabs_whatever_bytes_a_path_has() -> None:
    assert table([("a", "/ü/\udcff")]) == b"a\t/\xc3\xbc/\xff\n"


def test_a_queue_that_was_not_asked_says_nothing_and_one_that_cannot_be_read_is_no_answer() -> None:
    assert queue_in(TOY, rows_of(b"job\tx\t7\nend\n")) == ()
    assert queue_in(TOY, rows_of(b"queue\t\nend\n")) == ()
    with pytest.raises(Transient, match="Toy's answer cannot be read: that is a web page"):
        queue_in(TOY, rows_of(b"queue\t<html>\nend\n"))


def test_the_queue_is_believed_before_accounting() -> None:
    answer = parse_status(TOY, b"queue\t7|a|going||\naccount\t7|a|done||\naccount\t8|b|done||\nend\n")
    assert answer.jobs == {
        "7": JobRow(id="7", name="a", word="going"),
        "8": JobRow(id="8", name="b", word="done"),
    }


def test_accounting_that_cannot_be_read_is_told_and_spoils_nothing_else() -> None:
    answer = parse_status(TOY, b"queue\t7|a|going||\naccount\t<html>\nend\n")
    assert answer.unaccounted == "its answer cannot be read: that is a web page"
    assert set(answer.jobs) == {"7"}


def test_what_a_queue_says_of_jobs_that_it_does_not_know_is_kept_from_who_reads_of_the_others() -> None:
    rows = rows_of(b"queue\ttoy: I know none of these: 8\nqueue\t7|a|going||\nend\n")
    assert [row.id for row in queue_in(TOY, rows)] == ["7"]
    strict = evolve(TOY, parse_queue=lambda text: pytest.fail(f"was asked to read {text!r}"))
    assert queue_in(strict, rows_of(b"queue\ttoy: I know none of these: 8\nend\n")) == ()
    assert queue_in(strict, rows_of(b"queue\t\nend\n")) == ()


def test_a_row_that_cannot_be_read_says_nothing_and_spoils_no_other() -> None:
    answer = parse_status(TOY, b"exit\ta\t{\nstart\ta\nwhy\ta\nsomething new\nprogress\tb\t 4/9 \nend\n")
    assert (answer.exits, answer.starts, answer.whys) == ({}, {}, {})
    assert answer.progress == {"b": "4/9"}


def test_the_last_line_of_a_servers_log_that_has_words_is_its_last_words() -> None:
    assert parse_status(TOY, b"server\ta\tone\nserver\ta\ttwo\tthree\nserver\ta\t\nend\n").servers == {
        "a": "two\tthree"
    }
