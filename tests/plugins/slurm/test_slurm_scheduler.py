"""evalyard_slurm.scheduler: what is asked of a cluster, and what its answers mean."""

from pathlib import Path

import pytest

from evalyard import BatchAnswer, JobRow
from evalyard.batch.answers import parse_status
from evalyard.batch.commands import command_text
from evalyard_slurm.scheduler import passes, plain, server_words
from evalyard_slurm.system import SLURM

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> BatchAnswer:
    return parse_status(SLURM, (RECORDED / name).read_bytes())


def test_an_answer_of_queue_files_and_accounting_is_read() -> None:
    answer = recorded("status.txt")
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
    answer = recorded("status_damaged.txt")
    assert list(answer.jobs) == ["65"]
    assert answer.exits == {}


def test_array_and_het_jobs_of_others_are_no_job_of_ours() -> None:
    jobs = recorded("status_damaged.txt").jobs
    assert "66" not in jobs
    assert "67" not in jobs


def test_an_accounting_that_does_not_answer_is_remembered() -> None:
    answer = parse_status(SLURM, b"now\t2026\nunaccounted\tsacct: error: slurm_persist_conn_open: refused\nend\n")
    assert answer.unaccounted == "slurm_persist_conn_open: refused"


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


def test_no_command_holds_what_would_break_an_argument() -> None:
    for name in ("submit", "find", "end", "status", "orphans", "owners", "tail", "unpack", "check", "pack"):
        assert "\0" not in command_text(SLURM, name)
        assert len(command_text(SLURM, name)) < 20_000, "an argument of a command has a limit"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1: out of luck", "out of luck"),
        ("out of luck", "out of luck"),
        ("slurmstepd-n1: error: *** STEP 7.0 CANCELLED ***", ""),
        ("0: slurmstepd-n1: error: *** STEP 7.0 CANCELLED ***", ""),
        ("srun: error: n1: task 0: Killed", ""),
        ("slurmstepd-n1: error: Detected 1 oom-kill event(s) in StepId=7.0. Some of your processes", "out of memory"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks", "out of memory"),
        ("Detected 1 oom-kill event(s), says the server", "Detected 1 oom-kill event(s), says the server"),
    ],
)
def test_what_slurm_says_in_a_servers_log_is_not_the_servers(line: str, words: str) -> None:
    assert server_words(line) == words


def test_a_job_is_submitted_with_its_number_alone_or_with_its_clusters_name() -> None:
    assert [SLURM.number_in(said) for said in ("101", "101;cluster", "=101", "Welcome to 2 clusters")] == [
        *["101"] * 3,
        "",
    ]
