"""evalyard_slurm.scheduler: what is asked of a cluster, and what its answers mean."""

from pathlib import Path

import pytest

from evalyard import Transient
from evalyard_slurm.scheduler import JobRow, command_text, parse_status, passes, plain, rows_of, table

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def test_an_answer_of_queue_files_and_accounting_is_read() -> None:
    answer = parse_status(recorded("status.txt"))
    assert answer.now == "2026-01-02T03:04:05"
    assert answer.jobs["61"] == JobRow(id="61", word="PENDING", reason="Priority", name="ey-a1b2c3d4-1-1")
    assert answer.jobs["62"].ended_at == "2026-01-02T03:03:59"
    assert answer.jobs["64"] == JobRow(
        id="64",
        word="CANCELLED by 1000",
        exit_code="0:0",
        ended_at="2026-01-02T03:00:00",
        name="acc-sub.ey-a1b2c3d4-4-1",
    )
    assert answer.exits["ey-a1b2c3d4-2-1"].exit_code == 3
    assert answer.whys == {"ey-a1b2c3d4-3-1": ("TIMED_OUT", "it met its walltime of 01:00:00")}
    assert answer.progress == {"ey-a1b2c3d4-3-1": "40/100"}
    assert answer.unaccounted == ""


def test_a_row_that_cannot_be_read_says_nothing_and_spoils_no_other() -> None:
    answer = parse_status(recorded("status_damaged.txt"))
    assert list(answer.jobs) == ["65"]
    assert answer.exits == {}


def test_array_and_het_jobs_of_others_are_no_job_of_ours() -> None:
    jobs = parse_status(recorded("status_damaged.txt")).jobs
    assert "66" not in jobs
    assert "67" not in jobs


def test_an_accounting_that_does_not_answer_is_remembered() -> None:
    answer = parse_status(b"now\t2026\nunaccounted\tsacct: error: slurm_persist_conn_open: refused\nend\n")
    assert answer.unaccounted == "slurm_persist_conn_open: refused"


@pytest.mark.parametrize("answer", [b"", b"now\t2026-01-02T03:04:05\n", b"queue\t61|RUNN", b"job\ta\t1\nend"])
def test_an_answer_that_broke_off_is_none(answer: bytes) -> None:
    with pytest.raises(Transient, match="broke off"):
        rows_of(answer)


def test_a_controller_that_is_silent_is_told_in_its_own_words() -> None:
    said = b"failed\tslurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
    with pytest.raises(Transient, match=r"^Unable to contact slurm controller \(connect failure\)$"):
        rows_of(said)


def test_a_run_that_somebody_else_submits_is_to_be_asked_again() -> None:
    with pytest.raises(Transient, match="another launcher"):
        rows_of(b"busy\n")


def test_a_refusal_is_told_without_the_names_of_commands() -> None:
    said = "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n"
    assert plain(said) == "Batch job submission failed: Invalid account or account/partition combination specified"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", True),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", True),
        ("", True),
        ("sbatch: error: invalid partition specified: nowhere", False),
        ("sbatch: error: Batch job submission failed: Requested time limit is invalid", False),
    ],
)
def test_what_may_pass_by_itself_is_told_from_what_does_not(said: str, expected: bool) -> None:
    assert passes(said) is expected


def test_rows_are_sent_between_tabs_whatever_bytes_a_path_has() -> None:
    assert table([("a", "/ü/\udcff")]) == b"a\t/\xc3\xbc/\xff\n"


def test_no_command_holds_what_would_break_an_argument() -> None:
    for name in ("submit", "find", "end", "status", "orphans", "tail", "unpack", "check", "pack"):
        assert "\0" not in command_text(name)
        assert len(command_text(name)) < 20_000, "an argument of a command has a limit"
