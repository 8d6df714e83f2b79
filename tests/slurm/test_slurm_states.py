"""Every way in which a job of Slurm's waits or ends, as evalyard tells it."""

import shutil
import time

import pytest

from evalyard.orchestrator.watch import SILENCE_GRACE_S
from evalyard.plugins.session import NOT_MENTIONED
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store
from tests.cli.yard import until
from tests.slurm.slurmyard import SlurmYard

pytestmark = pytest.mark.slurm

WALLTIME = "it met its walltime of 00:20:00"
NODE_DOWN = "its node failed (NodeDown)"


def reason(yard: SlurmYard, invocation: str, task: str) -> str:
    """Return what `status` says of a task."""
    (found,) = (row["reason"] for row in yard.jobs(invocation) if row["task"] == task)
    return str(found)


def test_what_ends_by_itself_or_by_hand_is_told_as_it_was(yard: SlurmYard) -> None:
    ask = yard.cluster.ask
    by_hand = ("asked", "told", "shot", "suspended")
    tasks = [
        yard.task("well"),
        yard.task("badly", "exit 3"),
        # All three scripts at once: none can say how it ended.
        yard.task("killed", "parent=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$PPID/status)", "kill -9 $parent $PPID $$"),
        {"name": "empty", "harness": {"command": "true"}},
        *(yard.gated(name) for name in by_hand),
        yard.gated("calm", "trap 'exit 0' TERM"),
    ]
    invocation = yard.run(yard.config(*tasks, execution=yard.on("n1")))
    asked, told, shot, suspended, calm = (yard.job(invocation, number) for number in range(5, 10))
    yard.await_notes(*(f"start {name}" for name in (*by_hand, "calm")))
    ask("scancel", asked, calm)
    ask("scancel", "--signal=TERM", "--full", told)
    ask("scancel", "--signal=KILL", shot)
    ask("scontrol", "suspend", suspended)
    until(lambda: reason(yard, invocation, "suspended") == "suspended", lambda: f"{yard.jobs(invocation)}")
    ask("scontrol", "resume", suspended)
    yard.open_gates("suspended")
    ends = yard.ends(invocation)
    state, text = ends.pop("killed")
    assert state == "FAILED"
    assert text.startswith("JobLaunchFailure")
    assert ends == {
        "well": ("SUCCEEDED", ""),
        "badly": ("FAILED", "exit code 3"),
        "empty": ("FAILED", "the harness exited with code 0 and left no result file"),
        "asked": ("CANCELLED", "cancelled"),
        "told": ("FAILED", "stopped by SIGTERM from outside"),
        "shot": ("CANCELLED", "cancelled"),
        "suspended": ("SUCCEEDED", ""),
        "calm": ("CANCELLED", "cancelled"),
    }


def test_what_its_node_or_its_time_ends_is_told_as_it_was(yard: SlurmYard) -> None:
    cluster = yard.cluster
    # These two take half a minute to be noticed.
    dark = yard.run(yard.config(yard.gated("dark"), execution=yard.on("n2")))
    late = yard.run(
        yard.config(
            yard.gated("late", """trap 'echo flushed > "$EVALYARD_OUTPUT_DIR/flushed"; exit 9' TERM"""),
            execution=yard.on("n1"),
        )
    )
    yard.await_notes("start dark", "start late")
    cluster.power_off("n2")
    cluster.ask("scontrol", "update", f"jobid={yard.job(late)}", "EndTime=now+40")

    pushed = yard.run(yard.config(yard.gated("pushed"), execution=yard.on("n1")))
    yard.await_notes("start pushed")
    kept = yard.run(yard.config(yard.gated("kept"), execution=yard.on("n1")))
    yard.await_notes("start kept")
    cluster.kill_slurmd("n1")
    cluster.start_slurmd("n1")
    yard.open_gates("kept")
    assert yard.ends(kept) == {"kept": ("SUCCEEDED", "")}
    assert yard.ends(dark) == {"dark": ("FAILED", NODE_DOWN)}
    assert yard.ends(late) == {"late": ("TIMED_OUT", WALLTIME)}
    assert (yard.run_dir(late) / "late" / "artifacts" / "flushed").exists()

    cluster.submit("true", "--partition=urgent", "--exclusive", "--nodelist=n1")
    assert yard.ends(pushed) == {"pushed": ("FAILED", "preempted")}
    downed = yard.run(yard.config(yard.gated("downed"), execution=yard.on("n1")))
    yard.await_notes("start downed")
    cluster.take_down("n1")
    assert yard.ends(downed) == {"downed": ("FAILED", NODE_DOWN)}


def test_what_waits_says_for_what_and_can_be_killed(yard: SlurmYard) -> None:
    failed = yard.cluster.submit("exit 1")
    yard.cluster.await_state(failed, "FAILED")

    def waiting(name: str, **flags: object) -> str:
        return yard.run(yard.config(yard.task(name), execution=yard.on("n1", **flags)))

    never = waiting("never", dependency=f"afterok:{failed}")
    held = waiting("held", hold=True)
    later = waiting("later", begin="now+3600")
    whole = [never, held, later]
    for invocation in whole:
        yard.job(invocation)
    rows = {row["task"]: (row["state"], row["reason"]) for row in yard.jobs(*whole)}
    assert rows == {
        "never": (
            "QUEUED",
            "DependencyNeverSatisfied: it waits for a job that ended otherwise, and will never begin",
        ),
        "held": ("QUEUED", "JobHeldUser: held back; to let it go: scontrol release"),
        "later": ("QUEUED", "waits: BeginTime"),
    }
    yard.call("kill", *whole)
    assert set(yard.states(*whole)) == {"CANCELLED"}
    assert yard.cluster.queue() == []


def test_a_job_whose_folder_is_gone_says_so(yard: SlurmYard) -> None:
    invocation = yard.run(yard.config(yard.task("gone"), execution=yard.on("n1", hold=True)))
    job = yard.job(invocation)
    shutil.rmtree(yard.run_dir(invocation) / "gone")
    yard.cluster.ask("scontrol", "release", job)
    ((state, text),) = yard.ends(invocation).values()
    assert state == "FAILED"
    assert "Slurm could not start it" in text


def test_what_takes_too_much_memory_says_so(near_yard: SlurmYard) -> None:
    eat = "exec python3 -c 'bytearray(400 << 20)'"
    invocation = near_yard.run(near_yard.config(near_yard.task("greedy", eat), execution=near_yard.on("m1", mem=50)))
    ((state, text),) = near_yard.ends(invocation).values()
    assert state == "FAILED"
    assert text.startswith("out of memory")


def test_a_model_server_that_takes_too_much_memory_says_so(near_yard: SlurmYard) -> None:
    eat = {"type": "generic", "command": "exec python3 -c 'bytearray(400 << 20)'", "served_model_name": "m"}
    invocation = near_yard.run(
        near_yard.config(near_yard.task("served"), deployment=eat, execution=near_yard.on("m1", mem=100))
    )
    reason = "the model server ended before it was ready: out of memory"
    assert near_yard.ends(invocation) == {"served": ("FAILED", reason)}


def test_accounting_tells_of_what_the_controller_has_forgotten(near_yard: SlurmYard) -> None:
    cluster = near_yard.cluster
    invocation = near_yard.run(near_yard.config(near_yard.gated("shot")))
    near_yard.await_notes("start shot")
    job = near_yard.job(invocation)
    near_yard.end_everything()
    # Too quick for the job's own record of its end.
    cluster.ask("scancel", "--signal=KILL", job)
    cluster.await_state(job, "CANCELLED")
    cluster.forget_ended()
    assert cluster.state(job) == ""
    assert near_yard.ends(invocation) == {"shot": ("CANCELLED", "cancelled by user 0 with scancel")}


def test_what_everybody_has_forgotten_is_unknown_and_after_a_while_lost(yard: SlurmYard) -> None:
    cluster = yard.cluster
    invocation = yard.run(yard.config(yard.gated("dark"), execution=yard.on("n2")))
    yard.await_notes("start dark")
    yard.end_everything()
    job = yard.job(invocation)
    cluster.power_off("n2")
    cluster.take_down("n2")
    cluster.await_state(job, "NODE_FAIL")
    cluster.forget_ended()
    cluster.power_on("n2")
    (row,) = yard.jobs(invocation)
    assert (row["state"], row["reason"]) == ("UNKNOWN", NOT_MENTIONED)
    # As if that had been said five minutes ago as well.
    store, then = Store(yard.home), time.time() - SILENCE_GRACE_S
    store.record(invocation, [Entry(event=event, at=then, job=1) for event in (Event.SEEN, Event.SILENT)])
    (row,) = yard.jobs(invocation)
    assert row["state"] == "LOST"
    assert row["reason"].startswith("the backend has not mentioned it for 27")
    yard.call("resume", invocation)
    yard.open_gates("dark")
    assert yard.ends(invocation) == {"dark": ("SUCCEEDED", "")}
    assert yard.notes() == ["start dark", "start dark", "end dark"]
