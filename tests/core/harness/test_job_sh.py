"""evalyard/harness/job.sh: attempts, signals, secrets and evidence, by evalyard and by hand, under every shell."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evalyard.harness.evidence import attempts_in, read_exit, read_start
from evalyard.secrets import render_env_file
from tests.core.harness.jobs import (
    MARK,
    SHELLS,
    WRITE_RESULTS,
    argv,
    by_hand,
    end_of,
    launch,
    launched,
    make_job,
    runtime,
    start,
    until,
    write,
)

COUNT = f'echo run >>"$COUNT"; {WRITE_RESULTS}'
each_shell = pytest.mark.parametrize("shell", SHELLS)


def log(folder: Path) -> str:
    return (folder / "logs" / "stdout.log").read_text()


@each_shell
def test_a_launch_records_who_took_the_attempt_and_how_it_ended(shell: str, tmp_path: Path) -> None:
    folder = write(tmp_path, make_job(f"echo out; echo err >&2; {WRITE_RESULTS}"))
    record = launch(folder, shell=shell)
    assert (record.attempt, record.mark, record.by_hand) == (1, MARK, False)
    assert (record.exit_code, record.signal, record.reason, record.results) == (0, "", "", True)
    assert record.started_at <= record.ended_at
    begun = read_start(folder, 1)
    assert begun is not None
    assert (begun.mark, begun.by_hand, begun.started_at) == (MARK, False, record.started_at)
    assert "out\nerr\n" in log(folder)
    assert (folder / "exit.json").read_text() == (folder / "attempts" / "1" / "exit.json").read_text()


@pytest.mark.parametrize(
    ("command", "code", "results"),
    [("exit 7", 7, False), (f"{WRITE_RESULTS}; exit 7", 7, True), ("true", 0, False), ("no-such-program", 127, False)],
)
def test_the_exit_code_and_the_result_file_are_recorded_as_they_are(
    command: str, code: int, results: bool, tmp_path: Path
) -> None:
    record = launch(write(tmp_path, make_job(command)))
    assert (record.exit_code, record.results, record.signal) == (code, results, "")


def test_a_job_that_is_to_leave_no_result_needs_none(tmp_path: Path) -> None:
    assert launch(write(tmp_path, make_job("true", results=None))).results


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job())
    launch(folder)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "artifacts/results.yml",
        "attempts/1/exit.json",
        "attempts/1/started.json",
        "exit.json",
        "logs/stdout.log",
        "run.sh",
    ]


# --- one harness per attempt ------------------------------------------------------------------------------------------


def test_two_launches_of_one_attempt_start_one_harness(tmp_path: Path) -> None:
    job = make_job(COUNT)

    def pair(number: int) -> int:
        folder = write(tmp_path / str(number), job)
        environment = launched(COUNT=str(tmp_path / f"{number}.count"))
        codes = [end_of(process) for process in [start(folder, environment) for _ in range(2)]]
        assert codes == [0, 0]
        return (tmp_path / f"{number}.count").read_text().count("run")

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(pair, range(50))) == [1] * 50


def test_an_attempt_that_somebody_else_has_is_left_alone(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job(COUNT))
    count = tmp_path / "count"
    launch(folder, launched(COUNT=str(count)))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert end_of(start(folder, launched(mark="f" * 32, COUNT=str(count)))) == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert count.read_text() == "run\n"


def test_a_folder_that_cannot_be_written_is_no_attempt(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job())
    (folder / "attempts").write_text("in the way")
    assert end_of(start(folder, launched())) == 73
    done = by_hand(folder)
    assert done.returncode == 73
    assert "cannot write in" in done.stderr


# --- by hand ----------------------------------------------------------------------------------------------------------


@each_shell
def test_by_hand_again_and_again_keeps_every_attempt(shell: str, tmp_path: Path) -> None:
    folder = write(tmp_path, make_job(f'echo "this is $NUMBER"; {WRITE_RESULTS}; echo $NUMBER >artifacts/number'))
    launch(folder, launched(NUMBER="1"), shell)
    for number in (2, 3):
        done = by_hand(folder, *argv(shell, "run.sh"), NUMBER=str(number))
        assert (done.returncode, done.stderr) == (0, "")
        assert f"this is {number}\n" in done.stdout
        assert f"attempt {number} of smoke (a1b2c3d4.1) (by hand)" in done.stdout
        assert done.stdout == log(folder)
    assert attempts_in(folder) == (1, 2, 3)
    for number in (1, 2):
        kept = folder / "attempts" / str(number)
        assert (kept / "artifacts" / "number").read_text() == f"{number}\n"
        assert f"this is {number}\n" in (kept / "logs" / "stdout.log").read_text()
    assert (folder / "artifacts" / "number").read_text() == "3\n"
    record = read_exit(folder, 3)
    assert record is not None
    assert (record.by_hand, record.mark, record.exit_code) == (True, "", 0)


def test_while_an_attempt_runs_no_exit_record_of_an_earlier_one_is_in_the_task_folder(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job(f"[ ! -e exit.json ] && {WRITE_RESULTS}"))
    launch(folder)
    assert by_hand(folder).returncode == 0
    assert (folder / "exit.json").exists()


def test_by_hand_the_exit_code_is_the_harnesss(tmp_path: Path) -> None:
    assert by_hand(write(tmp_path, make_job("exit 7"))).returncode == 7


@each_shell
def test_a_script_works_from_any_folder_whatever_cdpath_says(shell: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "with space", make_job())
    decoy = tmp_path / "elsewhere" / "task"
    decoy.mkdir(parents=True)
    done = by_hand(folder, *argv(shell, "task/run.sh"), cwd=folder.parent, CDPATH=str(decoy.parent))
    assert done.returncode == 0
    assert by_hand(folder, *argv(shell, str(folder / "run.sh")), cwd=Path("/")).returncode == 0
    assert attempts_in(folder) == (1, 2)
    assert not list(decoy.iterdir())


def test_a_run_directory_works_after_it_was_moved(tmp_path: Path) -> None:
    check = 'case $EVALYARD_OUTPUT_DIR in "$PWD"/*) ;; *) exit 9; esac'
    folder = write(tmp_path / "here", make_job(f"{WRITE_RESULTS}; {check}"))
    launch(folder)
    shutil.move(tmp_path / "here", tmp_path / "it's moved")
    assert by_hand(tmp_path / "it's moved" / "task").returncode == 0
    assert attempts_in(tmp_path / "it's moved" / "task") == (1, 2)


def test_by_hand_beside_a_running_attempt_is_refused_with_the_way_to_stop_it(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job(f"until [ -e go ]; do sleep 0.1; done; {WRITE_RESULTS}"))
    running = start(folder, launched())
    until((folder / "logs" / "stdout.log").exists)
    done = by_hand(folder)
    assert done.returncode == 75
    assert f"attempt 1 is still running (process {running.pid})" in done.stderr
    assert f"kill {running.pid}" in done.stderr
    (folder / "go").touch()
    assert end_of(running) == 0
    assert by_hand(folder).returncode == 0
    assert attempts_in(folder) == (1, 2)


def test_an_attempt_whose_process_is_gone_stands_in_nobodys_way(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job("if [ ! -e second ]; then touch second; exec sleep 600; fi; " + WRITE_RESULTS))
    running = start(folder, launched())
    until((folder / "second").exists)
    os.killpg(running.pid, signal.SIGKILL)
    end_of(running)
    assert read_exit(folder, 1) is None
    assert by_hand(folder).returncode == 0
    assert attempts_in(folder) == (1, 2)


def test_a_launch_after_attempts_by_hand_keeps_theirs(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job(f"{WRITE_RESULTS}; echo $NUMBER >artifacts/number"))
    by_hand(folder, NUMBER="1")
    assert end_of(start(folder, launched(2, NUMBER="2"))) == 0
    assert (folder / "attempts" / "1" / "artifacts" / "number").read_text() == "1\n"
    assert (folder / "artifacts" / "number").read_text() == "2\n"


# --- signals and what runs afterwards ---------------------------------------------------------------------------------

FLUSHING = """
import signal, sys, time
def flush(*_):
    print("flushed", flush=True)
    open("artifacts/results.yml", "w").write("done")
    sys.exit(0)
signal.signal(signal.SIGTERM, flush)
open("ready", "w").close()
time.sleep(600)
"""
POST = 'echo "code $EVALYARD_EXIT_CODE" >post'


@each_shell
@pytest.mark.parametrize(
    ("number", "name", "code"),
    [(signal.SIGTERM, "TERM", 143), (signal.SIGINT, "INT", 130), (signal.SIGHUP, "HUP", 129)],
)
def test_a_signal_lets_the_harness_flush_and_shows_in_code_and_record(
    shell: str, number: signal.Signals, name: str, code: int, tmp_path: Path
) -> None:
    (tmp_path / "harness.py").write_text(FLUSHING)
    command = f"{sys.executable} {tmp_path}/harness.py\necho 'went on' >next"
    folder = write(tmp_path, make_job(command, post_cmd=POST))
    running = start(folder, launched(), shell)
    until((folder / "ready").exists)
    running.send_signal(number)
    assert end_of(running) == code
    record = read_exit(folder, 1)
    assert record is not None
    assert (record.exit_code, record.signal, record.results) == (code, name, True)
    assert "flushed" in log(folder)
    assert f"SIG{name} received" in log(folder)
    assert (folder / "post").read_text() == f"code {code}\n"
    assert not (folder / "next").exists()


def test_a_harness_whose_job_was_stopped_before_it_listened_is_not_begun(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job(WRITE_RESULTS))
    (folder / "attempts" / "1").mkdir(parents=True)
    (folder / "attempts" / "1" / "stop").touch()
    record = launch(folder)
    assert (record.exit_code, record.signal, record.results) == (143, "TERM", False)


@each_shell
def test_a_signal_at_any_moment_of_the_start_ends_the_job_and_is_recorded(shell: str, tmp_path: Path) -> None:
    def interrupted(number: int) -> tuple[int, str]:
        folder = write(tmp_path / str(number), make_job("sleep 600"))
        running = start(folder, launched(), shell)
        until((folder / "attempts" / "1" / "started.json").exists)
        time.sleep(number * 0.002)
        running.send_signal(signal.SIGTERM)
        code = end_of(running)
        record = read_exit(folder, 1)
        return code, record.signal if record else "no record"

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(interrupted, range(32))) == [(143, "TERM")] * 32


@pytest.mark.parametrize(
    ("command", "code"), [("true", 0), ("exit 3", 3), ("kill -9 $$", 137)], ids=["success", "failure", "killed"]
)
def test_the_post_command_always_runs_and_sees_the_exit_code(command: str, code: int, tmp_path: Path) -> None:
    folder = write(tmp_path, make_job(command, post_cmd=f"{POST}; exit 99"))
    assert launch(folder).exit_code == code
    assert (folder / "post").read_text() == f"code {code}\n"


def test_the_pre_command_shares_its_shell_with_the_harness(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job('test "$MADE" = here', pre_cmd="MADE=here\n", results=None))
    assert launch(folder).exit_code == 0


def test_a_pre_command_that_exits_keeps_the_harness_from_starting(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job("touch began", pre_cmd="exit 5", post_cmd=POST))
    assert launch(folder).exit_code == 5
    assert not (folder / "began").exists()
    assert (folder / "post").read_text() == "code 5\n"


# --- the environment --------------------------------------------------------------------------------------------------


def test_a_variable_that_is_missing_where_the_job_runs_is_the_reason(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job("touch began", env={"CACHE": runtime("SCRATCH")}, post_cmd=POST))
    record = launch(folder)
    assert record.exit_code == 78
    assert record.reason == "the variable SCRATCH (for CACHE) is not set where the job runs"
    assert not (folder / "began").exists()
    assert (folder / "post").read_text() == "code 78\n"


@pytest.mark.parametrize("value", ["/scratch", "", "a b'\"$(touch pwned)\\"])
def test_a_variable_is_taken_as_it_is_where_the_job_runs(value: str, tmp_path: Path) -> None:
    folder = write(tmp_path, make_job('printf %s "$CACHE" >artifacts/results.yml', env={"CACHE": runtime("SCRATCH")}))
    assert launch(folder, launched(SCRATCH=value)).exit_code == 0
    assert (folder / "artifacts" / "results.yml").read_text() == value


SECRETS = {"KEY": "sk-canary-'\"$(touch pwned)`id`\\\n$HOME ü🙂", "EMPTY": "", "OTHER": "canary-two"}


@each_shell
def test_secrets_reach_the_harness_exactly_and_nobody_else(shell: str, tmp_path: Path) -> None:
    show = 'cd artifacts; for name in KEY EMPTY OTHER; do printenv "$name" >"$name"; done; touch results.yml'
    folder = write(tmp_path, make_job(show, post_cmd="env >after"))
    (folder / ".secrets.env").write_text(render_env_file(SECRETS))
    record = launch(folder, shell=shell)
    assert (record.exit_code, record.results) == (0, True)
    assert {name: (folder / "artifacts" / name).read_text() for name in SECRETS} == {
        name: f"{value}\n" for name, value in SECRETS.items()
    }
    assert "canary" not in (folder / "after").read_text()
    assert not list(tmp_path.rglob("pwned"))
    for file in (folder / "run.sh", folder / "exit.json", folder / "logs" / "stdout.log"):
        assert "canary" not in file.read_text()


def test_secrets_are_in_no_argument_list_while_the_harness_runs(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job(f"ps -A -o args= >artifacts/args; {WRITE_RESULTS}"))
    (folder / ".secrets.env").write_text(render_env_file(SECRETS))
    assert launch(folder).exit_code == 0
    seen = (folder / "artifacts" / "args").read_text()
    assert "run.sh" in seen
    assert "canary" not in seen


@pytest.mark.parametrize("shell", SHELLS)
def test_a_harness_that_knows_why_it_fails_is_believed_and_cannot_damage_the_record(tmp_path: Path, shell: str) -> None:
    words = r"""printf 'it is "too" \\ late\t\377\303\251\nand more\n' >"$EVALYARD_OUTPUT_DIR/.reason"; exit 4"""
    record = launch(write(tmp_path, make_job(words)), shell=shell)
    assert (record.exit_code, record.reason) == (4, "it is too  late")


def test_what_a_harness_feared_is_no_reason_when_it_succeeds(tmp_path: Path) -> None:
    record = launch(write(tmp_path, make_job(f'echo nearly >"$EVALYARD_OUTPUT_DIR/.reason"; {WRITE_RESULTS}')))
    assert (record.exit_code, record.reason) == (0, "")
