"""`evalyard kill`: who ends, who goes on, and what is said about it."""

import json
import shutil
import signal

import pytest

from tests.cli.yard import Yard, kill, until

STUBBORN = "trap '{note}' TERM; while :; do sleep 0.1; {beat}; done"


def test_killing_one_of_a_sequence_lets_the_next_start_and_killing_the_run_ends_it(yard: Yard) -> None:
    tasks = [yard.gated(name) for name in ("one", "two", "three")]
    yard.config(*tasks, execution={"mode": "sequential"})
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    done = yard.call("kill", f"{invocation}.1")
    assert "CANCELLED" in done.out
    yard.await_notes("start two")
    assert yard.states(invocation) == ["CANCELLED", "RUNNING", "PENDING"]
    yard.call("kill", f"{invocation}.3")
    assert yard.states(invocation) == ["CANCELLED", "RUNNING", "CANCELLED"]
    yard.call("kill", invocation)
    yard.await_quiet()
    assert yard.states(invocation) == ["CANCELLED"] * 3
    assert "start three" not in yard.notes()


def test_a_harness_may_flush_after_sigterm(yard: Yard) -> None:
    yard.config(yard.gated("one", f"trap '{yard.note('flushed')}; exit 0' TERM"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    yard.call("kill", invocation)
    assert "flushed" in yard.notes()
    (row,) = yard.jobs(invocation)
    assert (row["state"], row["exit_code"]) == ("CANCELLED", 143)


@pytest.mark.parametrize("by_job", [False, True], ids=["a run", "job by job"])
def test_harnesses_that_ignore_sigterm_are_killed_side_by_side_after_one_grace(yard: Yard, by_job: bool) -> None:
    names = ("one", "two", "three")
    tasks = [
        yard.gated(name, STUBBORN.format(note=yard.note(f"term-{name}"), beat=yard.note(f"alive-{name}")))
        for name in names
    ]
    yard.config(*tasks, execution={"kill_grace_s": 3, "max_parallel": 3})
    invocation = yard.run("run.yaml")
    yard.await_notes(*(f"alive-{name}" for name in names))
    done = yard.call("kill", *([f"{invocation}.{n}" for n in (1, 2, 3)] if by_job else [invocation]))
    yard.await_quiet()
    assert done.out.count("CANCELLED") == len(names)
    assert yard.states(invocation) == ["CANCELLED"] * len(names)
    notes = yard.notes()
    last_asked = max(notes.index(f"term-{name}") for name in names)
    for name in names:
        assert f"alive-{name}" in notes[last_asked:], "one was killed before all had been asked"


def test_a_finished_job_keeps_its_result_and_killing_twice_is_no_error(yard: Yard) -> None:
    yard.config(yard.task("quick"), yard.task("broken", "exit 4"), yard.gated("slow"), execution={"max_parallel": 3})
    invocation = yard.run("run.yaml")
    yard.await_states(invocation, "SUCCEEDED", "FAILED", "RUNNING")
    before = yard.jobs(invocation)[:2]
    for _ in range(2):
        yard.call("kill", invocation)
        assert yard.states(invocation) == ["SUCCEEDED", "FAILED", "CANCELLED"]
    assert yard.jobs(invocation)[:2] == before
    yard.call("kill", invocation, f"{invocation}.1", invocation[:6])


def test_killing_what_is_not_there_is_a_usage_error_of_one_line(yard: Yard) -> None:
    yard.config(yard.task("one"))
    invocation = yard.run("run.yaml", "--wait")
    commands = ("kill", "status", "logs", "info", "results", "resume")
    wrongs = ("ffffffff", "nonsense!", f"{invocation}.7", "--nonsense")
    for command, wrong in [*((command, "ffffffff") for command in commands), *(("status", wrong) for wrong in wrongs)]:
        done = yard.call(command, wrong, code=2)
        assert done.err.startswith("error: "), (command, wrong)
        assert len(done.err.splitlines()) <= 3, (command, wrong, done.err)
        assert done.out == "", (command, wrong)
    assert yard.call("kill", code=2).err.startswith("error: ")


def test_an_ambiguous_prefix_lists_what_it_may_mean(yard: Yard) -> None:
    yard.config(yard.task("one"))
    first = yard.run("run.yaml", "--wait")
    second = first[:7] + ("0" if first[7] != "0" else "1")
    records = yard.home / "runs"
    shutil.copytree(records / first, records / second)
    header = records / second / "invocation.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"id": second}))
    for command in ("status", "logs", "kill", "resume", "info", "results"):
        done = yard.call(command, first[:7], code=2)
        assert first in done.err
        assert second in done.err
    yard.call("status", first)
    yard.call("status", f"{second}.1")


def test_the_orphan_of_a_killed_script_is_named_and_ended_by_kill(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    kill(yard.started(invocation, "one")["pid"])
    (row,) = yard.await_states(invocation, "FAILED")
    assert "killed" in row["reason"]
    assert yard.processes(), "the harness outlives its script"
    left = yard.call("status", invocation, code=1).err
    assert f"evalyard kill {invocation}" in left
    yard.call("kill", invocation)
    yard.await_quiet()
    assert yard.states(invocation) == ["FAILED"]
    assert f"evalyard kill {invocation}" not in yard.call("status", invocation, code=1).err


def test_resume_ends_the_orphan_of_the_previous_attempt_first(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    script = yard.started(invocation, "one")["pid"]
    orphans = [process.pid for process in yard.processes() if process.pid != script]
    kill(script)
    yard.call("resume", invocation)
    until(lambda: yard.notes().count("start one") == 2, "the second attempt")
    assert not [process.pid for process in yard.processes() if process.pid in orphans], "two evaluations at once"
    yard.open_gates("one")
    yard.await_states(invocation, "SUCCEEDED")


def test_sigterm_from_outside_is_a_failure_with_a_reason_and_no_cancellation(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    kill(yard.started(invocation, "one")["pid"], signal.SIGTERM)
    (row,) = yard.await_states(invocation, "FAILED")
    assert row["reason"] == "stopped by SIGTERM from outside"
    yard.await_quiet()
