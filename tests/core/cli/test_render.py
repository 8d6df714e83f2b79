"""evalyard.cli.render: the same facts for a terminal, for a pipe and for a program; no secret in any of them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from attrs import evolve

from evalyard.cli.render import (
    STATE_STYLES,
    STATUS_COLUMNS,
    duration,
    finding_json,
    plain_table,
    put,
    put_json,
    say,
    show_findings,
    show_table,
    status_json,
    status_row,
)
from evalyard.orchestrator.survey import JobStatus
from evalyard.records.findings import Finding, Severity
from evalyard.secrets import redact
from evalyard.states import JobState

JOB = JobStatus(
    job="a1b2c3d4.1",
    task="smoke",
    state=JobState.RUNNING,
    reason="on node 7",
    attempt=2,
    by_hand=False,
    executor="local",
    progress="40/100",
    started_at="2026-01-02T03:04:05Z",
    ended_at="2026-01-02T03:05:06Z",
    folder="/run/smoke",
)


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([], ["job  state"]),
        ([("a.1", "RUNNING")], ["job  state", "a.1  RUNNING"]),
        ([("a.10", "OK"), ("b", "")], ["job   state", "a.10  OK", "b"]),
        ([("a", "two\nlines\tand  more")], ["job  state", "a    two lines and more"]),
    ],
    ids=["empty", "one", "aligned", "line breaks"],
)
def test_a_pipe_gets_aligned_columns_a_line_for_each_row(rows: list[tuple[str, str]], lines: list[str]) -> None:
    assert plain_table(["job", "state"], rows) == lines


def test_a_terminal_gets_colours_and_a_pipe_none() -> None:
    pipe, terminal = io.StringIO(), Terminal()
    for stream in (pipe, terminal):
        show_table(["state"], [["FAILED"], ["[bold]no markup[/bold]"]], STATE_STYLES, to=stream)
    assert pipe.getvalue() == "state\nFAILED\n[bold]no markup[/bold]\n"
    assert "FAILED" in terminal.getvalue()
    assert "[bold]no markup[/bold]" in terminal.getvalue()
    assert terminal.getvalue() != pipe.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_table_shows_no_known_secret(stream: type[io.StringIO]) -> None:
    redact.add(["canary-in-a-cell"])
    to = stream()
    show_table(["reason"], [["it said canary-in-a-cell"]], {}, to=to)
    assert "canary" not in to.getvalue()


def test_what_was_asked_for_goes_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    redact.add(["canary-in-a-line"])
    say("said canary-in-a-line")
    put("put canary-in-a-line")
    assert capsys.readouterr() == ("put ***\n", "said ***\n")


@pytest.mark.parametrize("secret", ['quo"ted', "back\\slash", "two\nlines", "true", "null", '": "', "1234"])
def test_json_stays_json_and_shows_no_secret_whatever_the_secret_is(
    secret: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redact, "_values", set())
    redact.add([secret])
    put_json({"reason": f"got {secret}", "list": [{"a": (secret,)}], "flag": True, "none": None, "number": 1234})
    assert json.loads(capsys.readouterr().out) == {
        "reason": "got ***",
        "list": [{"a": ["***"]}],
        "flag": True,
        "none": None,
        "number": 1234,
    }
    monkeypatch.undo()
    redact.add([])


def test_a_row_of_status_has_a_cell_for_each_column() -> None:
    assert status_row(JOB) == ("a1b2c3d4.1", "smoke", "RUNNING", "2", "1:01", "40/100", "on node 7")
    assert len(status_row(JOB)) == len(STATUS_COLUMNS)
    assert status_row(evolve(JOB, by_hand=True))[3] == "2 (by hand)"


def test_status_as_json_has_the_fields_that_programs_rely_on() -> None:
    fields = status_json(JOB)
    expected: dict[str, Any] = {
        "job": "a1b2c3d4.1",
        "task": "smoke",
        "state": "RUNNING",
        "reason": "on node 7",
        "attempt": 2,
        "executor": "local",
    }
    assert {key: fields[key] for key in expected} == expected
    assert json.loads(json.dumps(fields)) == fields


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("", "", ""),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", "0:00"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:05:04Z", "0:59"),
        ("2026-01-02T03:04:05Z", "2026-01-02T04:04:04Z", "59:59"),
        ("2026-01-02T03:04:05Z", "2026-01-03T04:05:06Z", "25:01:01"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:04Z", "0:00"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:06Z", "0:01"),
        ("yesterday", "", ""),
    ],
)
def test_time_taken_is_written_as_a_clock_shows_it(start: str, end: str, text: str) -> None:
    assert duration(evolve(JOB, started_at=start, ended_at=end)) == text


def test_a_finding_is_shown_with_its_remedy() -> None:
    finding = Finding(severity=Severity.ERROR, subject="disk space", message="1 GiB left", remedy="make room")
    to = io.StringIO()
    show_findings([finding], to=to)
    assert to.getvalue().splitlines()[1].split("  ") == ["error", "disk space", "1 GiB left", "make room"]
    assert finding_json(finding) == {
        "severity": "error",
        "subject": "disk space",
        "message": "1 GiB left",
        "remedy": "make room",
    }


def test_every_state_that_needs_a_look_stands_out() -> None:
    assert {state for state in JobState if state.final or state is JobState.UNKNOWN} <= {*map(JobState, STATE_STYLES)}
