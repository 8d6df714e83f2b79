"""Jobs that cannot begin: nodes that do not boot or refuse them, partitions that changed."""

import pytest

from tests.cli.yard import until
from tests.slurm.faults import failing_prolog, give_up_booting
from tests.slurm.slurmyard import SlurmYard

pytestmark = pytest.mark.slurm


def await_reason(yard: SlurmYard, invocation: str, task: str, reason: str) -> None:
    """Wait until the only task of a run waits in the queue for a reason."""
    wanted = {task: ("QUEUED", reason)}
    until(lambda: yard.tells(invocation) == wanted, lambda: f"{wanted}: {yard.tells(invocation)}", pause_s=0.2)


def test_a_node_that_is_not_there_in_time_ends_its_jobs(yard: SlurmYard) -> None:
    invocation = yard.run(yard.config(yard.task("cold"), execution={"partition": "dark"}))
    assert yard.ends(invocation) == {"cold": ("FAILED", "its node failed (NodeDown)")}


def test_a_node_that_is_booting_is_waited_for_and_one_that_cannot_is_told(yard: SlurmYard) -> None:
    invocation = yard.run(yard.config(yard.task("cold"), execution={"partition": "darker"}))
    await_reason(yard, invocation, "cold", "its nodes are made ready")
    give_up_booting(yard.cluster, yard.job(invocation))
    assert yard.ends(invocation) == {"cold": ("FAILED", "its node did not boot (JobLaunchFailure)")}


def test_a_node_that_refuses_to_start_a_job_says_why_in_its_log(yard: SlurmYard) -> None:
    with failing_prolog(yard.cluster, "n1"):
        invocation = yard.run(yard.config(yard.task("one"), execution=yard.on("n1")))
        (end,) = yard.ends(invocation).values()
    log = yard.last_words(invocation, "one")
    assert end == ("CANCELLED", f"cancelled before it began; if nobody did that, why is in {log}")
    assert log.read_text() == "Error running slurm prolog: 1\n"


def test_a_job_that_a_node_refused_to_start_and_that_slurm_holds_is_over(yard: SlurmYard) -> None:
    ask = yard.cluster.ask
    invocation = yard.run(yard.config(yard.task("one"), execution=yard.on("n1", hold=True)))
    job = yard.job(invocation)
    # As clusters do that begin jobs again whatever these ask for.
    ask("scontrol", "update", f"jobid={job}", "requeue=1")
    with failing_prolog(yard.cluster, "n1"):
        ask("scontrol", "release", job)
        reason = "Slurm could not start it (launch failed requeued held); resume the run to try again"
        assert yard.ends(invocation) == {"one": ("FAILED", reason)}
    until(lambda: yard.cluster.queue() == [], lambda: f"an empty queue: {yard.cluster.queue()}")


def test_what_a_partition_no_longer_allows_waits_until_it_does_again(yard: SlurmYard) -> None:
    ask = yard.cluster.ask

    def change(*limits: str) -> None:
        ask("scontrol", "update", "partitionname=urgent", *limits)

    for node in yard.cluster.nodes:
        ask("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
    urgent = {"partition": "urgent"}
    long = yard.run(yard.config(yard.task("long"), execution=urgent))
    large = yard.run(yard.config(yard.task("large"), execution={**urgent, "num_nodes": 2, "walltime": "00:05:00"}))
    never = "so that it may never begin"
    try:
        change("maxtime=10", "maxnodes=1")
        too_long = "PartitionTimeLimit: its walltime is more than the partition allows"
        await_reason(yard, long, "long", f"{too_long}, {never}")
        too_large = "PartitionNodeLimit: it wants more nodes than the partition allows"
        await_reason(yard, large, "large", f"{too_large}, {never}")
        change("reqresv=yes")
        not_so = "PartitionConfig: the partition does not allow what it asks for"
        await_reason(yard, large, "large", f"{not_so}, {never}")
        change("reqresv=no", "maxtime=60", "maxnodes=unlimited", "maxmempernode=50")
        too_much = "MaxMemPerLimit: it wants more memory than is allowed"
        await_reason(yard, long, "long", f"{too_much}, {never}")
    finally:
        change("reqresv=no", "maxtime=60", "maxnodes=unlimited", "maxmempernode=0")
    for node in yard.cluster.nodes:
        ask("scontrol", "update", f"nodename={node}", "state=resume")
    assert yard.ends(long) == {"long": ("SUCCEEDED", "")}
    assert yard.ends(large) == {"large": ("SUCCEEDED", "")}
