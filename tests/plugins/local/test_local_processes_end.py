"""evalyard_local.processes.end: SIGTERM, the grace, SIGKILL; and never a signal to anybody else."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from evalyard_local import processes
from evalyard_local.processes import end, leader
from tests.plugins.local.attempts import (
    PATIENCE_S,
    PATIENT,
    STUBBORN,
    Yard,
    attempt_in,
    gone,
    job_in,
    record_exit,
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
        assert self.now < 2 * PATIENCE_S, "there is no end"
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


def test_what_runs_on_another_host_is_handed_back_and_nobody_here_is_signalled(
    yard: Yard, tmp_path: Path, signals: list[tuple[int, int]]
) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.spawn(PATIENT, tmp_path)
    record_start(attempt, process.pid, host="some-other-host")
    assert leader(attempt) is None
    assert end({"job": attempt}, {"job": 0.0}, soon()) == {"job"}
    record_exit(attempt)
    assert end({"job": attempt}, {"job": 0.0}, soon()) == set()
    assert signals == []


def test_ending_what_has_ended_is_no_error(yard: Yard, tmp_path: Path, signals: list[tuple[int, int]]) -> None:
    attempt = job_in(tmp_path, "true")
    yard.start(attempt)
    until(lambda: leader(attempt) is None)
    for _ in range(2):
        assert end({"job": attempt}, {"job": PATIENCE_S}, soon()) == set()
    assert signals == []
