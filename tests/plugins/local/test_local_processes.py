"""evalyard_local.processes: what is ours and lives, how it is started, how it is ended."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from evalyard import InvalidJob, Transient, read_exit, read_start
from evalyard_local import processes
from evalyard_local.processes import end, leader, members, restarted_since, start
from tests.plugins.local.attempts import (
    MARK,
    OTHER_MARK,
    PATIENCE_S,
    PATIENT,
    SCRIPT,
    STUBBORN,
    Yard,
    attempt_in,
    gone,
    job_in,
    moment,
    record_start,
    until,
)


class SleepClock:
    """Stands in for the module `time`: only sleeping takes time, so a stalled machine changes nothing."""

    def __init__(self) -> None:
        self.now = 0.0
        self.signalled_at: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, duration_s: float) -> None:
        self.now += duration_s
        time.sleep(duration_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SleepClock:
    made = SleepClock()
    send = psutil.Process.send_signal

    def note(process: psutil.Process, number: int) -> None:
        made.signalled_at.append(made.now)
        send(process, number)

    monkeypatch.setattr(processes, "time", made)
    monkeypatch.setattr(psutil.Process, "send_signal", note)
    return made


def soon() -> float:
    return time.monotonic() + PATIENCE_S


def hide_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: psutil.Process) -> dict[str, str]:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "environ", refuse)


# --- who is ours ----------------------------------------------------------------------------------------------------


def test_the_leader_is_the_recorded_process_that_carries_the_mark(yard: Yard, tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, PATIENT)
    found = leader(attempt)
    assert found is not None
    assert found.pid == process.pid


def test_without_a_record_there_is_no_leader(yard: Yard, tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    yard.spawn(PATIENT, tmp_path)
    assert leader(attempt) is None
    assert members({"job": attempt}) == {}


@pytest.mark.parametrize("environments_hidden", [False, True])
def test_a_zombie_is_dead(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environments_hidden: bool
) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, PATIENT)
    assert leader(attempt) is not None
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    if environments_hidden:
        hide_environments(monkeypatch)
    assert leader(attempt) is None


def test_a_script_that_we_started_ourselves_leaves_no_zombie(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, "true")
    pid = yard.start(attempt)
    until(lambda: leader(attempt) is None)
    until(lambda: processes._reap() is None and not psutil.pid_exists(pid))


@pytest.mark.parametrize("strangers_mark", [None, OTHER_MARK])
def test_a_reused_process_id_is_not_ours_and_never_signalled(
    yard: Yard, tmp_path: Path, signals: list[tuple[int, int]], strangers_mark: str | None
) -> None:
    stranger = yard.spawn(PATIENT, tmp_path, mark=strangers_mark)
    attempt = attempt_in(tmp_path / "task")
    record_start(attempt, stranger.pid)
    assert leader(attempt) is None
    assert members({"job": attempt}) == {}
    assert end({"job": attempt}, {"job": 0.0}, soon()) == set()
    assert signals == []
    assert stranger.poll() is None


def test_an_attempt_recorded_under_another_mark_is_not_ours(
    yard: Yard, tmp_path: Path, signals: list[tuple[int, int]]
) -> None:
    theirs = attempt_in(tmp_path, mark=OTHER_MARK)
    process = yard.lead(theirs, PATIENT)
    ours = attempt_in(tmp_path)
    assert leader(ours) is None
    assert members({"job": ours}) == {}
    assert end({"job": ours}, {"job": 0.0}, soon()) == set()
    assert signals == []
    assert process.poll() is None


@pytest.mark.parametrize(("made_before_s", "is_ours"), [(0.0, True), (3600.0, False)])
def test_where_environments_are_hidden_the_time_of_making_decides(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_before_s: float, is_ours: bool
) -> None:
    process = yard.spawn(PATIENT, tmp_path)
    attempt = attempt_in(tmp_path)
    record_start(attempt, process.pid, started_at=moment(-made_before_s))
    hide_environments(monkeypatch)
    assert (leader(attempt) is not None) is is_ours
    assert set(members({"job": attempt})) == ({"job"} if is_ours else set())


def test_where_environments_are_hidden_a_leader_is_still_ended(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, "exec sleep 600")
    hide_environments(monkeypatch)
    assert end({"job": attempt}, {"job": PATIENCE_S}, soon()) == set()
    assert gone(process.pid)


def test_members_are_found_when_the_leader_was_killed(yard: Yard, tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, "sleep 600 & echo $! >child; mv child ready; wait")
    child = int((tmp_path / "ready").read_text())
    assert {member.pid for member in members({"job": attempt})["job"]} == {process.pid, child}
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: leader(attempt) is None)
    assert {member.pid for member in members({"job": attempt})["job"]} == {child}
    assert end({"job": attempt}, {"job": PATIENCE_S}, soon()) == set()
    assert gone(child)


def test_members_of_several_attempts_are_told_apart(yard: Yard, tmp_path: Path) -> None:
    one, two = attempt_in(tmp_path / "one"), attempt_in(tmp_path / "two", mark=OTHER_MARK)
    ended = attempt_in(tmp_path / "three")
    pids = {"one": yard.lead(one, "exec sleep 600").pid, "two": yard.lead(two, "exec sleep 600").pid}
    found = members({"one": one, "two": two, "ended": ended})
    assert {name: [process.pid for process in found[name]] for name in found} == {
        name: [pid] for name, pid in pids.items()
    }


@pytest.mark.parametrize(
    ("booted_after_s", "restarted"),
    [(-3600.0, False), (0.0, False), (60.0, True)],
    ids=["before it", "as it started", "after it"],
)
def test_a_boot_after_the_start_is_a_restart(
    monkeypatch: pytest.MonkeyPatch, booted_after_s: float, restarted: bool
) -> None:
    now = time.time()
    monkeypatch.setattr(psutil, "boot_time", lambda: now + booted_after_s)
    assert restarted_since(moment()) is restarted


def test_a_damaged_time_of_start_tells_nothing_of_restarts() -> None:
    assert restarted_since("yesterday") is False


# --- start ----------------------------------------------------------------------------------------------------------


def test_a_started_script_has_its_attempt_a_session_and_its_environment(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, f'echo "$ANSWER $EVALYARD_ATTEMPT" >seen; mv seen ready; {PATIENT}', number=3)
    pid = yard.start(attempt, {"ANSWER": "42"})
    record = read_start(tmp_path, 3)
    assert record is not None
    assert (record.pid, record.mark, record.attempt, record.by_hand) == (pid, MARK, 3, False)
    assert os.getsid(pid) == pid != os.getsid(0)
    until((tmp_path / "ready").exists)
    assert (tmp_path / "ready").read_text() == "42 3\n"


def test_the_loser_of_two_starts_adopts_the_winners_record(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, f"echo once >>count; : >ready; {PATIENT}")
    first = yard.start(attempt)
    assert start(attempt, SCRIPT, {}).pid == first
    until((tmp_path / "ready").exists)
    until(lambda: processes._reap() is None and len(processes._children) == 1)
    assert (tmp_path / "count").read_text() == "once\n"


def test_of_starts_at_the_same_moment_one_wins(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, f"echo once >>count; : >ready; {PATIENT}")
    with ThreadPoolExecutor(4) as pool:
        pids = set(pool.map(yard.start, [attempt] * 4))
    assert len(pids) == 1
    until((tmp_path / "ready").exists)
    until(lambda: processes._reap() is None and len(processes._children) == 1)
    assert (tmp_path / "count").read_text() == "once\n"


def test_an_attempt_that_has_ended_is_adopted_not_repeated(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, "echo once >>count")
    first = yard.start(attempt)
    until(lambda: read_exit(tmp_path, 1))
    assert start(attempt, SCRIPT, {}).pid == first
    until(lambda: processes._reap() is None and not processes._children)
    assert (tmp_path / "count").read_text() == "once\n"


def test_an_attempt_of_somebody_else_is_refused(tmp_path: Path, yard: Yard) -> None:
    attempt = job_in(tmp_path, "echo once >>count")
    record_start(attempt, os.getpid(), mark=OTHER_MARK)
    with pytest.raises(InvalidJob, match=r"attempt 1 in .* belongs to somebody else"):
        yard.start(attempt)
    assert not (tmp_path / "count").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo 'no such shell' >&2; exit 3", "the job script ended before it began: no such shell"),
        ("exit 3", "the job script ended before it began: exit code 3"),
        ("printf '\\377 bytes' >&2; exit 1", "the job script ended before it began: \N{REPLACEMENT CHARACTER} bytes"),
    ],
    ids=["with words", "silently", "with words that are no UTF-8"],
)
def test_a_script_that_ends_before_it_begins_is_quoted(yard: Yard, tmp_path: Path, text: str, message: str) -> None:
    attempt = attempt_in(tmp_path)
    (tmp_path / "run.sh").write_text(text)
    with pytest.raises(InvalidJob) as caught:
        yard.start(attempt)
    assert caught.value.message == message


def test_a_script_that_is_missing_is_named(yard: Yard, tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"ended before it began: .*run\.sh"):
        yard.start(attempt_in(tmp_path))


def test_a_folder_in_which_nothing_can_be_recorded_is_named(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, "true")
    (tmp_path / "attempts").write_text("in the way")
    with pytest.raises(InvalidJob, match=r"cannot start: attempts/1/started\.json cannot be made in "):
        yard.start(attempt)


def test_a_program_that_is_not_executable_is_named(tmp_path: Path) -> None:
    attempt = job_in(tmp_path, "true")
    (tmp_path / "run.sh").chmod(0o644)
    with pytest.raises(InvalidJob) as caught:
        start(attempt, ("./run.sh",), {})
    assert caught.value.message == f"cannot start ./run.sh in {tmp_path}: Permission denied"


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    attempt = job_in(tmp_path / "task", "true")
    (tmp_path / "task" / "run.sh").unlink()
    (tmp_path / "task").rmdir()
    with pytest.raises(InvalidJob) as caught:
        start(attempt, SCRIPT, {})
    assert caught.value.message == f"cannot start sh run.sh in {tmp_path / 'task'}: No such file or directory"


def test_a_script_that_does_not_begin_in_time_is_unclear_and_found_later(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = job_in(tmp_path, PATIENT)
    script = (tmp_path / "run.sh").read_text()
    (tmp_path / "run.sh").write_text(f"until [ -e go ]; do sleep 0.01; done\n{script}")
    with monkeypatch.context() as patched:
        patched.setattr(processes, "START_PATIENCE_S", 0.1)
        with pytest.raises(Transient, match="did not begin within"):
            yard.start(attempt)
    (tmp_path / "go").touch()
    until(lambda: leader(attempt) is not None)


def test_interrupted_before_the_script_began_it_never_begins(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_in(tmp_path)
    (tmp_path / "run.sh").write_text(PATIENT)
    started: list[int] = []

    def interrupt(_: object, process: object) -> None:
        started.append(getattr(process, "pid", 0))
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "_await_start", interrupt)
    with pytest.raises(KeyboardInterrupt):
        yard.start(attempt)
    until(lambda: gone(started[0]))


# --- end ------------------------------------------------------------------------------------------------------------


def test_a_leader_that_ends_on_sigterm_gets_nothing_else(
    yard: Yard, tmp_path: Path, signals: list[tuple[int, int]]
) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, f"trap ': >flushed; exit 0' TERM; : >ready; {PATIENT}")
    assert end({"job": attempt}, {"job": PATIENCE_S}, soon()) == set()
    assert (process.pid, signal.SIGTERM) == signals[0]
    assert (process.pid, signal.SIGKILL) not in signals
    assert (tmp_path / "flushed").exists()


def test_what_ignores_sigterm_is_killed_after_its_grace(
    yard: Yard, tmp_path: Path, signals: list[tuple[int, int]], clock: SleepClock
) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, STUBBORN)
    assert end({"job": attempt}, {"job": 0.2}, PATIENCE_S) == set()
    assert signals == [(process.pid, signal.SIGTERM), (process.pid, signal.SIGKILL)]
    assert clock.signalled_at[-1] > 0.2
    assert gone(process.pid)


def test_what_a_leader_leaves_behind_is_killed(yard: Yard, tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    yard.lead(attempt, f"(trap '' TERM; exec sleep 600) & echo $! >child; mv child ready; {PATIENT}")
    child = int((tmp_path / "ready").read_text())
    assert end({"job": attempt}, {"job": PATIENCE_S}, soon()) == set()
    assert gone(child)


def test_members_without_a_leader_have_the_grace_to_flush(yard: Yard, tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    flush = f"trap 'sleep 0.1; : >flushed; exit' TERM; : >ready; {PATIENT}"
    process = yard.lead(attempt, f"({flush}) & wait")
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: leader(attempt) is None)
    assert end({"job": attempt}, {"job": PATIENCE_S}, soon()) == set()
    assert (tmp_path / "flushed").exists()


def test_members_without_a_leader_that_ignore_sigterm_are_killed(
    yard: Yard, tmp_path: Path, signals: list[tuple[int, int]], clock: SleepClock
) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, f"({STUBBORN}) & echo $! >pid; mv pid child; wait")
    until((tmp_path / "child").exists)
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: leader(attempt) is None)
    child = int((tmp_path / "child").read_text())
    assert end({"job": attempt}, {"job": 0.1}, PATIENCE_S) == set()
    assert signals == [(child, signal.SIGTERM), (child, signal.SIGKILL)]
    assert clock.signalled_at[-1] > 0.1


def test_several_share_one_grace(yard: Yard, tmp_path: Path, signals: list[tuple[int, int]], clock: SleepClock) -> None:
    attempts = {name: attempt_in(tmp_path / name) for name in ("one", "two", "three")}
    for attempt in attempts.values():
        yard.lead(attempt, STUBBORN)
    grace_s = 0.5
    assert end(attempts, dict.fromkeys(attempts, grace_s), PATIENCE_S) == set()
    assert [number for _, number in signals] == [signal.SIGTERM] * 3 + [signal.SIGKILL] * 3
    assert grace_s < clock.signalled_at[3] <= clock.signalled_at[-1] < 2 * grace_s


def test_each_has_a_grace_of_its_own(
    yard: Yard, tmp_path: Path, signals: list[tuple[int, int]], clock: SleepClock
) -> None:
    short, long = attempt_in(tmp_path / "short"), attempt_in(tmp_path / "long")
    first = yard.lead(short, STUBBORN)
    second = yard.lead(long, STUBBORN)
    assert end({"long": long, "short": short}, {"long": 0.4, "short": 0.0}, PATIENCE_S) == set()
    assert signals[2:] == [(first.pid, signal.SIGKILL), (second.pid, signal.SIGKILL)]
    assert clock.signalled_at[-2] < 0.4 < clock.signalled_at[-1]


def test_the_deadline_cuts_graces_short(
    yard: Yard, tmp_path: Path, signals: list[tuple[int, int]], clock: SleepClock
) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, STUBBORN)
    assert end({"job": attempt}, {"job": 1000.0}, 1.2) == set()
    assert signals[-1] == (process.pid, signal.SIGKILL)
    assert clock.signalled_at[-1] < 1.2


def test_what_still_lives_at_the_deadline_is_returned(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: SleepClock
) -> None:
    lasting, mortal = attempt_in(tmp_path / "lasting"), attempt_in(tmp_path / "mortal")
    process = yard.lead(lasting, "exec sleep 600")
    yard.lead(mortal, "exec sleep 600")
    send = psutil.Process.send_signal

    def spare(target: psutil.Process, number: int) -> None:
        if target.pid != process.pid:
            send(target, number)

    with monkeypatch.context() as patched:
        patched.setattr(psutil.Process, "send_signal", spare)
        left = end({"lasting": lasting, "mortal": mortal}, {"lasting": 0.0, "mortal": 0.0}, 0.2)
    assert left == {"lasting"}
    assert clock.now >= 1.0
    assert process.poll() is None


def test_a_process_without_the_mark_is_never_signalled(
    yard: Yard, tmp_path: Path, signals: list[tuple[int, int]]
) -> None:
    attempt = attempt_in(tmp_path)
    apart = f"env -u {processes.MARK_VARIABLE} sh -c 'echo $$ >child; mv child ready; exec sleep 600' & wait"
    process = yard.lead(attempt, apart)
    child = yard.also_end(int((tmp_path / "ready").read_text()))
    assert os.getsid(child) == process.pid
    assert end({"job": attempt}, {"job": 0.0}, soon()) == set()
    assert gone(process.pid)
    assert not gone(child)
    assert child not in {pid for pid, _ in signals}


def test_ending_what_has_ended_is_no_error(yard: Yard, tmp_path: Path, signals: list[tuple[int, int]]) -> None:
    attempt = job_in(tmp_path, "true")
    yard.start(attempt)
    until(lambda: leader(attempt) is None)
    for _ in range(2):
        assert end({"job": attempt}, {"job": PATIENCE_S}, soon()) == set()
    assert signals == []
