"""How little a cluster is asked, and from where."""

from pathlib import Path

import pytest

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
    for number in range(1, 4):
        near_yard.cluster.ask("scancel", near_yard.job(runs[0], number))
    near_yard.cluster.forget_ended()
    asked.unlink()
    assert near_yard.states(*runs)[:3] == ["CANCELLED"] * 3
    assert asked.read_text().split() == ["squeue", "sacct"]


def test_each_job_of_a_run_is_submitted_once(near_yard: SlurmYard, asked: Path) -> None:
    near_yard.run(near_yard.config(*(near_yard.task(f"t{number}") for number in range(10))))
    assert asked.read_text().split().count("sbatch") == 11  # one of them to see whether such jobs are taken


def test_a_job_of_the_cluster_can_launch_others(near_yard: SlurmYard) -> None:
    config = near_yard.config(near_yard.task("inner"))
    step = ("srun", "--cpus-per-task=2", "--mem=500", f"--chdir={near_yard.folder}")
    near_yard.cluster.ask(*step, "evalyard", "run", "-c", config, "--wait")
    assert near_yard.states() == ["SUCCEEDED"]
