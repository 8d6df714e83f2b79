"""Jobs reach the cluster once, whatever happens on the way, and are followed until they end."""

import pytest

from evalyard.plugins.session import NOT_MENTIONED
from tests.cli.yard import until
from tests.slurm.slurmyard import SlurmYard
from tests.slurm.sshd import Login

pytestmark = pytest.mark.slurm

REFUSE_THE_SECOND = """\
#!/bin/sh
case "$*" in *-2-1*) set -- --partition=nowhere "$@" ;; esac
exec /usr/bin/sbatch "$@"
"""
HANG_BEFORE_THE_SECOND = """\
#!/bin/sh
case "$*" in *-2-1*) touch {there}; exec sleep 600 ;; esac
exec /usr/bin/sbatch "$@"
"""
HANG_AFTER_THE_SECOND = """\
#!/bin/sh
case "$*" in *-2-1*) /usr/bin/sbatch "$@" >/dev/null; touch {there}; exec sleep 600 ;; esac
exec /usr/bin/sbatch "$@"
"""
NAMES = ("one", "two", "three")


def test_what_sbatch_refuses_fails_alone_in_its_words(yard: SlurmYard, login: Login) -> None:
    login.cluster.machines["login"].install("sbatch", REFUSE_THE_SECOND)
    try:
        invocation = yard.run(yard.config(*(yard.task(name) for name in NAMES)), code=1)
        ends = yard.ends(invocation)
    finally:
        login.cluster.machines["login"].run("rm", "/usr/local/bin/sbatch")
    state, text = ends.pop("two")
    assert state == "FAILED"
    assert "invalid partition specified: nowhere" in text
    assert ends == {"one": ("SUCCEEDED", ""), "three": ("SUCCEEDED", "")}


@pytest.mark.parametrize("program", [HANG_BEFORE_THE_SECOND, HANG_AFTER_THE_SECOND], ids=["before", "after"])
def test_a_connection_that_drops_in_mid_submit_submits_nothing_twice(
    yard: SlurmYard, login: Login, program: str
) -> None:
    there = yard.folder / "there"
    login.cluster.machines["login"].install("sbatch", program.format(there=there))
    config = yard.config(*(yard.task(name, yard.note(name)) for name in NAMES))
    with yard.start("evalyard", "run", "-c", config, "--wait") as command:
        until(there.exists, "the second job", process=command)
        login.drop()
        out, err = command.communicate()
    assert command.returncode == 0, out + err
    assert sorted(yard.notes()) == sorted(NAMES)
    (invocation,) = [path.name.rpartition("-")[2] for path in (yard.folder / "runs").glob("*-*-*-*")]
    assert yard.ends(invocation) == dict.fromkeys(NAMES, ("SUCCEEDED", ""))
    assert [len(found) for found in yard.submitted(invocation, 3)] == [1, 1, 1]


def test_a_controller_that_is_down_starts_nothing_and_ends_nothing(yard: SlurmYard) -> None:
    invocation = yard.run(yard.config(yard.gated("long")))
    yard.await_notes("start long")
    early = yard.config(yard.task("early"), name="early.yaml")
    with yard.cluster.without_controller():
        command = yard.start("evalyard", "run", "-c", early)
        # Each question takes as long as Slurm's commands try to reach it.
        (row,) = yard.await_states(invocation, "UNKNOWN")
        assert "Unable to contact slurm controller" in row["reason"]
        _, err = command.communicate()
    assert command.returncode == 3
    assert "Unable to contact slurm controller" in err
    assert "nothing was started" in err
    yard.open_gates("long")
    assert yard.ends(invocation) == {"long": ("SUCCEEDED", "")}


def test_a_job_that_the_controller_forgets_is_not_mistaken_for_another(yard: SlurmYard) -> None:
    cluster = yard.cluster
    with cluster.forgetting():
        invocation = yard.run(yard.config(yard.task("forgotten"), execution=yard.on("n1", hold=True)))
        job = yard.job(invocation)
    # Its number is given to somebody else.
    while (other := cluster.submit("sleep 600")) != job:
        assert int(other) < int(job)
    cluster.await_state(other, "RUNNING")
    (row,) = yard.jobs(invocation)
    assert (row["state"], row["reason"]) == ("UNKNOWN", NOT_MENTIONED)
