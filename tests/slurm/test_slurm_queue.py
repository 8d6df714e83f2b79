"""What the queue does to a job before it begins, or begins again, and how evalyard tells it."""

import pytest

from tests.cli.yard import until
from tests.slurm.slurmyard import SlurmYard

pytestmark = pytest.mark.slurm

PUT_BACK = "Slurm stopped it and put it back into its queue; resume the run to try again"


def test_a_job_that_is_put_back_into_the_queue_is_over_and_never_runs_again(yard: SlurmYard) -> None:
    ask = yard.cluster.ask
    invocation = yard.run(yard.config(yard.gated("again"), execution=yard.on("n1")))
    yard.await_notes("start again")
    job = yard.job(invocation)
    # We forbid it; an administrator may do so all the same.
    ask("scontrol", "requeue", job, code=None)
    assert yard.cluster.state(job).startswith("RUNNING")
    ask("scontrol", "update", f"jobid={job}", "requeue=1")
    ask("scontrol", "requeue", job)
    assert yard.ends(invocation) == {"again": ("FAILED", PUT_BACK)}
    until(lambda: yard.cluster.queue() == [], lambda: f"an empty queue: {yard.cluster.queue()}")
    assert yard.notes() == ["start again"]


def test_a_job_that_begins_a_second_time_does_nothing(yard: SlurmYard) -> None:
    ask = yard.cluster.ask
    invocation = yard.run(yard.config(yard.gated("again"), execution=yard.on("n1")))
    yard.await_notes("start again")
    job = yard.job(invocation)
    # Nobody looks until it has begun again.
    yard.end_everything()
    ask("scontrol", "update", f"jobid={job}", "requeue=1")
    ask("scontrol", "requeue", job)
    yard.cluster.await_state(job, "PENDING")
    ask("scontrol", "update", f"jobid={job}", "StartTime=now")
    yard.cluster.await_state(job, "FAILED")
    ((state, text),) = yard.ends(invocation).values()
    assert state == "FAILED"
    assert text.startswith("Slurm began it a second time")
    assert yard.notes() == ["start again"]


def test_whoever_puts_a_job_back_ends_it(yard: SlurmYard) -> None:
    ask = yard.cluster.ask
    names = ("held", "special", "pushed")
    invocation = yard.run(yard.config(*(yard.gated(name) for name in names), execution=yard.on("n1")))
    held, special, pushed = (yard.job(invocation, number) for number in range(1, 4))
    yard.await_notes(*(f"start {name}" for name in names))
    for job in (held, special, pushed):
        ask("scontrol", "update", f"jobid={job}", "requeue=1")
    ask("scontrol", "requeuehold", held)
    ask("scontrol", "requeuehold", "State=SpecialExit", special)
    yard.cluster.submit("true", "--partition=urgent", "--exclusive", "--nodelist=n1")
    assert yard.ends(invocation) == dict.fromkeys(names, ("FAILED", PUT_BACK))
    assert sorted(yard.notes()) == sorted(f"start {name}" for name in names)


def test_a_job_whose_node_is_lost_does_not_begin_on_another_one(yard: SlurmYard) -> None:
    ask = yard.cluster.ask
    invocation = yard.run(yard.config(yard.gated("dark")))
    yard.await_notes("start dark")
    job = yard.job(invocation)
    node = ask("squeue", "--noheader", f"--jobs={job}", "--format=%N")
    ask("scontrol", "update", f"jobid={job}", "requeue=1")
    yard.cluster.power_off(node)
    yard.cluster.take_down(node)
    waiting = ("RUNNING", "it has begun, and Slurm has it in its queue: BeginTime")
    until(lambda: yard.tells(invocation) == {"dark": waiting}, lambda: f"{yard.jobs(invocation)}", pause_s=0.2)
    ask("scontrol", "update", f"jobid={job}", "StartTime=now")
    said = "Slurm began it a second time, which would overwrite what it had done; to try again: evalyard resume"
    assert yard.ends(invocation) == {"dark": ("FAILED", said)}
    assert yard.notes() == ["start dark"]


def test_a_node_that_is_drained_is_waited_for(yard: SlurmYard) -> None:
    ask = yard.cluster.ask
    ask("scontrol", "update", "nodename=n1", "state=drain", "reason=test")
    invocation = yard.run(yard.config(yard.task("patient"), execution=yard.on("n1")))
    said = "ReqNodeNotAvail, UnavailableNodes:n1: a node that it wants is not available"
    until(
        lambda: [(row["state"], row["reason"]) for row in yard.jobs(invocation)] == [("QUEUED", said)],
        lambda: f"{yard.jobs(invocation)}",
    )
    ask("scontrol", "update", "nodename=n1", "state=resume")
    assert yard.ends(invocation) == {"patient": ("SUCCEEDED", "")}


def test_a_deadline_that_passes_is_told_as_one(yard: SlurmYard) -> None:
    yard.cluster.ask("scontrol", "update", "nodename=n1", "state=drain", "reason=test")
    # Slurm gives up as soon as the walltime does not fit before the deadline any more.
    execution = {**yard.on("n1", deadline="now+70"), "walltime": "00:01:00"}
    invocation = yard.run(yard.config(yard.task("late"), execution=execution))
    assert yard.ends(invocation) == {"late": ("FAILED", "its deadline passed before it could end")}


def test_what_is_cancelled_by_hand_before_it_begins_is_told_so(yard: SlurmYard) -> None:
    invocation = yard.run(yard.config(yard.task("held"), execution=yard.on("n1", hold=True)))
    yard.cluster.ask("scancel", yard.job(invocation))
    assert yard.ends(invocation) == {"held": ("CANCELLED", "cancelled before it began (JobHeldUser)")}


def test_what_waits_for_a_job_in_vain_and_does_not_want_to_is_cancelled(yard: SlurmYard) -> None:
    other = yard.cluster.submit("sleep 600")
    flags = {"dependency": f"afterok:{other}", "kill-on-invalid-dep": "yes"}
    invocation = yard.run(yard.config(yard.task("never"), execution=yard.on("n1", **flags)))
    yard.cluster.ask("scancel", other)
    assert yard.ends(invocation) == {"never": ("CANCELLED", "cancelled before it began (DependencyNeverSatisfied)")}


def test_a_partition_that_takes_nothing_stops_a_run_and_one_that_is_down_is_waited_for(yard: SlurmYard) -> None:
    ask = yard.cluster.ask
    urgent = {"partition": "urgent"}
    try:
        ask("scontrol", "update", "partitionname=urgent", "state=inactive")
        refused = yard.call("run", "-c", yard.config(yard.task("one"), execution=urgent), code=2)
        assert "Required partition not available (inactive or drain)" in refused.text
        ask("scontrol", "update", "partitionname=urgent", "state=down")
        invocation = yard.run(yard.config(yard.task("one"), execution=urgent))
        said = ("QUEUED", "PartitionDown: the partition is down")
        until(
            lambda: [(row["state"], row["reason"]) for row in yard.jobs(invocation)] == [said],
            lambda: f"{yard.jobs(invocation)}",
        )
    finally:
        ask("scontrol", "update", "partitionname=urgent", "state=up")
    assert yard.ends(invocation) == {"one": ("SUCCEEDED", "")}


def test_more_nodes_than_there_are_stop_a_run(yard: SlurmYard) -> None:
    refused = yard.call("run", "-c", yard.config(yard.task("big"), execution={"num_nodes": 3}), code=2)
    assert "partition batch gives 2 nodes to a job, and num_nodes is 3" in refused.text


def test_a_job_that_slurm_has_forgotten_is_killed_at_once(yard: SlurmYard) -> None:
    with yard.cluster.forgetting():
        invocation = yard.run(yard.config(yard.task("forgotten"), execution=yard.on("n1", hold=True)))
        yard.job(invocation)
    yard.call("kill", invocation)
    (row,) = yard.jobs(invocation)
    assert (row["state"], row["reason"]) == ("CANCELLED", "cancelled; the backend knew nothing of it any more")
