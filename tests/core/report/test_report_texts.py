"""evalyard.report.texts: what others wrote is read without surprises and shown without secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalyard.records.jobs import JobCard
from evalyard.report.texts import (
    CONFIG_BYTES,
    LINE_CHARACTERS,
    TAIL_BYTES,
    last_lines,
    presentable,
    read_texts,
    went_wrong,
)
from evalyard.scoring.records import JobResults
from evalyard.secrets import render_env_file
from evalyard.states import JobState
from tests.core.report.made_up import job, score


def failure(**fields: Any) -> JobResults:
    return job(state=JobState.FAILED, problem="FAILED", **fields)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m and \x1b]8;;http://a.b\x07linked\x1b]8;;\x1b\\", "red and linked"),
        ("10%\r50%\r100%", "100%"),
        ("Windows\r\nlines\r\n", "Windows\nlines"),
        ("one\n\n\n", "one"),
    ],
)
def test_lines_of_a_log_are_shown_as_a_terminal_leaves_them(text: str, shown: str) -> None:
    assert last_lines(text) == shown


def test_only_the_last_lines_are_shown_and_endless_ones_are_cut() -> None:
    text = "\n".join([*map(str, range(100)), "x" * 10_000])
    first, *_, last = last_lines(text, 3).split("\n")
    assert first == "98"
    assert len(last) == LINE_CHARACTERS + len(" …")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:s3cr@t@host/v1?a=b@c", "https://host/v1?a=b@c"),
        ("http://me@host", "http://host"),
        ("mail me@host, or http://host/@me", "mail me@host, or http://host/@me"),
        ("a\x00b\x07c\x9b\td\ne", "abc\td\ne"),
        ("\udce9t\xe9", "?té"),
    ],
)
def test_a_text_loses_credentials_and_what_no_page_can_hold(text: str, shown: str) -> None:
    assert presentable(text) == shown


def test_of_a_long_log_only_whole_lines_of_its_end_are_read(tmp_path: Path) -> None:
    log = tmp_path / "stdout.log"
    log.write_text("".join(f"line {number:06}\n" for number in range(100_000)))
    texts = read_texts([failure(log=str(log))])
    lines = texts.logs[str(log)].splitlines()
    assert lines[-1] == "line 099999"
    assert {len(line) for line in lines} == {len("line 000000")}
    assert TAIL_BYTES - 100 < len(texts.logs[str(log)]) <= TAIL_BYTES


def test_logs_are_read_of_what_went_wrong_alone(tmp_path: Path) -> None:
    log = tmp_path / "stdout.log"
    log.write_text("all is well\n")
    assert read_texts([job(score(), log=str(log))]).logs == {}


@pytest.mark.parametrize("name", ["gone", "."])
def test_files_that_cannot_be_read_are_left_out(name: str, tmp_path: Path) -> None:
    gone = str(tmp_path / name)
    texts = read_texts([failure(log=gone, config=gone)])
    assert (texts.logs, texts.configurations) == ({}, {})


def test_a_huge_configuration_is_cut_and_says_so(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("a: 1\n" * CONFIG_BYTES)
    (text,) = read_texts([job(config=str(config))]).configurations.values()
    assert len(text) < CONFIG_BYTES + 100
    assert text.endswith("a: 1\n# … cut here: the file is longer")


@pytest.mark.parametrize("artifacts", ["ifeval/artifacts", "ifeval/attempts/2/artifacts"])
def test_secrets_of_the_run_directory_are_learnt(artifacts: str, tmp_path: Path) -> None:
    value = f"canary-{artifacts}"
    (tmp_path / "ifeval").mkdir()
    (tmp_path / "ifeval" / ".secrets.env").write_text(render_env_file({"API_KEY": value}))
    read_texts([failure(artifacts=str(tmp_path / artifacts))])
    assert presentable(f"key {value}!") == "key ***!"


@pytest.mark.parametrize(
    ("result", "wrong"),
    [
        (job(score()), False),
        (failure(), True),
        (job(state=JobState.CANCELLED), True),
        (job(state=JobState.RUNNING, problem="RUNNING"), False),
        (job(problem="there is no result file"), True),
        (
            JobResults(card=JobCard(job="3b397722.1", task="t", results=None), state=JobState.SUCCEEDED, problem="-"),
            False,
        ),
    ],
    ids=["scores", "failed", "cancelled", "running", "no result file", "none expected"],
)
def test_wrong_is_an_end_without_success_or_without_expected_scores(result: JobResults, wrong: bool) -> None:
    assert went_wrong(result) is wrong
