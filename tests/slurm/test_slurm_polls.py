"""How little a cluster is asked, and from where."""

from pathlib import Path

import pytest

from evalyard.plugins.session import NOT_MENTIONED
from evalyard.store.runs import Store
from tests.slurm.on_record import put_on_record
from tests.slurm.slurmyard import SlurmYard

pytestmark = pytest.mark.slurm

COUNTING = """\
#!/bin/sh
echo {name} >> {asked}
exec /usr/bin/{name} "$@"
"""


@pytest.fixture
def asked(near_yard: SlurmYard, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each question that Slurm is asked."""
    asked, folder = near_yard.folder / "asked", near_yard.folder / "bin"
    folder.mkdir()
    for name in ("sacct", "sbatch", "scancel", "scontrol", "sinfo", "squeue"):
        (folder / name).write_text(COUNTING.format(name=name, asked=asked))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return asked


def test_the_states_of_several_runs_are_one_question_to_the_queue_and_one_to_accounting(
    near_yard: SlurmYard, asked: Path
) -> None:
    tasks = [near_yard.gated(name) for name in ("one", "two", "three")]
    runs = [near_yard.run(near_yard.config(*tasks, execution=near_yard.on("m1"))) for _ in range(2)]
    near_yard.end_everything()
    asked.unlink()
    assert len(near_yard.jobs(*runs)) == 6
    assert asked.read_text().split() == ["squeue"]
    ended = [near_yard.job(runs[0], number) for number in range(1, 4)]
    near_yard.cluster.ask("scancel", *ended)
    for job in ended:
        near_yard.cluster.await_state(job, "CANCELLED")
    near_yard.cluster.forget_ended()
    asked.unlink()
    assert near_yard.states(*runs)[:3] == ["CANCELLED"] * 3
    assert asked.read_text().split() == ["squeue", "sacct"]


def test_a_thousand_jobs_of_three_runs_are_one_question_to_the_queue_and_one_to_accounting(
    near_yard: SlurmYard, asked: Path
) -> None:
    store, runs = Store(near_yard.home), {"0000000a": 333, "0000000b": 333, "0000000c": 334}
    for run, jobs in runs.items():
        # All but the first are numbers that were never given.
        first = near_yard.cluster.submit("true", "--hold", f"--job-name=ey-{run}-1-1")
        others = {number: str(60_000_000 + number) for number in range(2, jobs + 1)}
        put_on_record(store, near_yard.folder, run, {1: first, **others})
    asked.unlink()
    rows = near_yard.jobs(*runs)
    assert asked.read_text().split() == ["squeue", "sacct"]
    assert len(rows) == 1000
    assert [row["job"] for row in rows if row["state"] == "QUEUED"] == [f"{run}.1" for run in runs]
    assert {row["reason"] for row in rows if row["state"] != "QUEUED"} == {NOT_MENTIONED}


def test_each_job_of_a_run_is_submitted_once(near_yard: SlurmYard, asked: Path) -> None:
    near_yard.run(near_yard.config(*(near_yard.task(f"t{number}") for number in range(10))))
    assert asked.read_text().split().count("sbatch") == 11  # one of them to see whether such jobs are taken


# What a job was given: which variables, and those of them that say how large it is.
SEEN = """
env | sed -n 's/^\\(SLURM_[A-Z_]*\\)=.*/\\1/p' | sort | tr '\\n' ' ' >> {seen}
env | grep -E '^SLURM_(NTASKS|JOB_NUM_NODES|MEM_PER_NODE|JOB_GPUS|CPUS_ON_NODE)' | sort >> {seen}
"""


def test_a_launcher_in_a_job_gets_the_same_jobs_as_one_outside(near_yard: SlurmYard) -> None:
    given = []
    for name in ("outside", "inside"):
        seen = near_yard.folder / name
        near_yard.config(
            near_yard.task(name, SEEN.format(seen=seen)), name=f"{name}.yaml", execution=near_yard.on("m2")
        )
        command = f"evalyard run -c {name}.yaml --wait"
        if name == "outside":
            near_yard.call(*command.split()[1:])
        else:
            large = ("--nodelist=m1", "--ntasks-per-node=4", "--cpus-per-task=2", "--gres=gpu:2", "--mem=700")
            job = near_yard.cluster.submit(command, f"--chdir={near_yard.folder}", "--job-name=launcher", *large)
            near_yard.cluster.await_state(job, "COMPLETED")
        given.append(seen.read_text())
    assert near_yard.states() == ["SUCCEEDED"]
    assert given[0] == given[1]
    assert "SLURM_CPUS_ON_NODE=1\n" in given[0]
