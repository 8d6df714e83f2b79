"""A yard whose tasks are jobs of a cluster, and what Slurm says of them."""

from pathlib import Path
from typing import Any

from tests.cli.yard import Yard, until
from tests.slurm.cluster import Cluster


class SlurmYard(Yard):
    """Where the commands of one test run.

    Args:
        hostname: the login machine; empty = this one is.
    """

    def __init__(self, folder: Path, cluster: Cluster, hostname: str = "") -> None:
        super().__init__(folder)
        self.cluster = cluster
        self.hostname = hostname

    def execution(self) -> dict[str, Any]:
        """Return what `execution` says unless a test says otherwise: processes of the nodes, many on one of them."""
        return {
            "type": "slurm",
            "hostname": self.hostname or None,
            "output_dir": str(self.folder / "runs"),
            "container_runtime": "none",
            "walltime": "00:20:00",
            "gres": None,
            "sbatch_extra_flags": {"exclusive": False, "mem": 100},
            "poll_interval_s": 0.1,
        }

    def on(self, node: str, **flags: Any) -> dict[str, Any]:
        """Return the part of `execution` that has jobs run on one node, with further flags of sbatch."""
        return {"sbatch_extra_flags": {"exclusive": False, "mem": 100, "nodelist": node, **flags}}

    def job(self, invocation: str, number: int = 1, attempt: int = 1) -> str:
        """Wait until a job was submitted and return Slurm's number of it."""
        name = f"ey-{invocation}-{number}-{attempt}"
        found: list[str] = []

        def submitted() -> bool:
            found[:] = self.numbers(name)
            return bool(found)

        until(submitted, lambda: f"a job {name}: {self.cluster.ask('squeue', '--states=all')}")
        assert len(found) == 1, f"{name} was submitted {len(found)} times"
        return found[0]

    def last_words(self, invocation: str, task: str) -> Path:
        """Return the file with what Slurm itself says of a run's first job."""
        return self.run_dir(invocation) / task / f"slurm-{self.job(invocation)}.log"

    def numbers(self, name: str) -> list[str]:
        """Return Slurm's numbers of all jobs of a name, ended ones too."""
        return self.cluster.ask("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%A").split()

    def submitted(self, invocation: str, tasks: int) -> list[list[str]]:
        """Return Slurm's numbers of all jobs of an invocation's first attempts."""
        return [self.numbers(f"ey-{invocation}-{number}-1") for number in range(1, tasks + 1)]

    def tells(self, invocation: str) -> dict[str, tuple[str, str]]:
        """Return task -> state and reason, as `status` tells them now."""
        return {row["task"]: (row["state"], row["reason"]) for row in self.jobs(invocation)}

    def ends(self, invocation: str) -> dict[str, tuple[str, str]]:
        """Wait until all tasks of a run have ended, and return task -> state and reason."""
        rows: list[dict[str, Any]] = []

        def ended() -> bool:
            rows[:] = self.jobs(invocation)
            return all(row["state"] in ("SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST") for row in rows)

        until(ended, lambda: f"all ends: {[(row['task'], row['state'], row['reason']) for row in rows]}", pause_s=0.3)
        return {row["task"]: (row["state"], row["reason"]) for row in rows}
