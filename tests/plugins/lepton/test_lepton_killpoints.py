"""SIGKILL at any line of the executor, and then either `resume` or lost records and `gc`: nothing lives on.

`EVALYARD_SWEEP=all` tries every point, in shards that pytest-xdist spreads; otherwise a seeded sample of them. Only the
executor's own lines are points: to the service, a launcher that dies between two of its calls is one that died at the
end of the first. The lines of the orchestrator are those that tests/sweep kills.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import define, field

from evalyard import JobState
from evalyard.store.runs import Store
from evalyard.testing.killpoints import KillPoint, points
from tests.plugins.lepton.desk import LEAVE, SERVE
from tests.plugins.lepton.forked import Ended, forked
from tests.plugins.lepton.service.server import Service

ALL = os.environ.get("EVALYARD_SWEEP") == "all"
SHARDS = 64 if ALL else 2
SAMPLE = 4
"""Points for each way to go on, where not all are tried."""
SEED = "kill points"
WATCHED = ("--watch", "evalyard_lepton", "--watch", "evalyard_lepton.gateway")
COMMAND = "evalyard.cli.app:call"
TASKS = ("one", "two")


@define
class Place:
    """One run, in a folder and a state home of its own, at a service of its own."""

    folder: Path
    service: Service = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.service = Service(root=self.folder / "service").start()
        tasks = [
            {
                "name": name,
                "container": "i",
                "env_vars": {"T": "host:MY_TOKEN"},
                "harness": {"command": f"echo $EVALYARD_TASK $EVALYARD_ATTEMPT >> '{self.count_file}'; {LEAVE}"},
            }
            for name in TASKS
        ]
        deployment = {
            "type": "generic",
            "image": "i",
            "command": SERVE,
            "served_model_name": "m",
            "endpoints": {"health": "/"},
            "lepton_config": {"resource_shape": "s"},
        }
        execution = {"type": "lepton", "output_dir": "runs", "poll_interval_s": 0.1}
        config = {"execution": execution, "deployment": deployment, "evaluation": {"tasks": tasks}}
        (self.folder / "config.yaml").write_text(json.dumps(config))

    @property
    def count_file(self) -> Path:
        """Where every harness that starts appends a line."""
        return self.folder / "count"

    @property
    def store(self) -> Store:
        """The records."""
        return Store(self.folder / "home")

    def count(self, record: Path) -> None:
        """Let it happen undisturbed; write how often each line was executed."""
        done = self._evalyard(["--record", str(record)], "run", "--config", "config.yaml", "--wait", "--allow-unlisted")
        assert done.code == 0, done.said
        assert self.left() == []

    def kill(self, point: KillPoint) -> bool:
        """Let it die at a point; return whether it got there (a last poll of the count may not come again)."""
        done = self._evalyard(["--kill", str(point)], "run", "-c", "config.yaml", "--wait", "--allow-unlisted")
        assert done.code in (0, -signal.SIGKILL), done.said
        return done.code != 0

    def resume(self) -> list[str]:
        """Go on after the kill; return what is wrong afterwards."""
        invocations = self.store.invocations()
        if invocations:
            again = self._evalyard([], "resume", invocations[0], "--wait")
        else:
            assert self.service.requests == [] or self._only_asked()
            again = self._evalyard([], "run", "-c", "config.yaml", "--wait", "--allow-unlisted")
        problems = []
        if again.code != 0 and "nothing to resume" not in again.said:
            problems.append(f"going on afterwards: exit code {again.code}: {again.said}")
        started = sorted(self.count_file.read_text().splitlines()) if self.count_file.exists() else []
        if started != [f"{name} 1" for name in TASKS]:
            problems.append(f"started: {started}")
        for history in self.store.read_all()[0]:
            states = [(job.latest.state, job.latest.reason) for job in history.jobs]
            if states != [(JobState.SUCCEEDED, "")] * len(TASKS):
                problems.append(f"states: {states}")
        return problems + self.left()

    def lose_records(self) -> list[str]:
        """Forget the run, and let `gc` remove what is there of it; return what is wrong afterwards."""
        shutil.rmtree(self.folder / "home" / "runs", ignore_errors=True)
        done = self._evalyard([], "gc")
        return ([] if done.code == 0 else [f"gc: exit code {done.code}: {done.said}"]) + self.left()

    def left(self) -> list[str]:
        """Return what is still there: what the API shows, and what really runs."""
        service = self.service
        there: dict[str, Sequence[object]] = {
            "endpoint": service.live_endpoints(),
            "job": service.live_jobs(),
            "secret": [*service.secrets],
            "process": service.processes(),
        }
        return [f"left: {kind} {name}" for kind, names in there.items() for name in names]

    def close(self) -> None:
        self.service.close()

    def _only_asked(self) -> bool:
        return {request.method for request in self.service.requests} == {"GET"}

    def _evalyard(self, options: Sequence[str], *arguments: str) -> Ended:
        environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            **self.service.variables,
            "EVALYARD_HOME": str(self.folder / "home"),
            "MY_TOKEN": "a-value",
        }
        return forked([*WATCHED, *options, COMMAND, *arguments], self.folder, environ)


@pytest.fixture
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run see, and no other test run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def all_points(shared: Path) -> list[KillPoint]:
    """Return the points, counted once for all workers: a second count may differ by a poll."""
    record = shared / "lepton-points.json"
    with (shared / "lepton-points.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            draft = record.with_suffix(".new")
            place = Place(shared / "lepton-counted")
            try:
                place.count(draft)
            finally:
                place.close()
            draft.replace(record)
    return points(json.loads(record.read_text(encoding="utf-8")))


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("end", ["resume", "gc"])
def test_after_a_kill_at_any_line_nothing_lives_on(end: str, shard: int, shared_folder: Path, tmp_path: Path) -> None:
    chosen = all_points(shared_folder)
    assert len(chosen) > 100
    if not ALL:
        chosen = random.Random(f"{SEED} {end}").sample(chosen, SAMPLE)
    wrong: list[str] = []
    reached = 0
    for number, point in enumerate(chosen[shard::SHARDS]):
        place = Place(tmp_path / str(number))
        try:
            reached += place.kill(point)
            problems = place.resume() if end == "resume" else place.lose_records()
            wrong += [f"{point}: {problem}" for problem in problems]
        finally:
            place.close()
    assert wrong == []
    assert reached >= len(chosen[shard::SHARDS]) / 2, f"only {reached} points were reached"


def test_the_points_cover_the_executor(shared_folder: Path) -> None:
    lines = {point.line for point in all_points(shared_folder)}
    for file in ("endpoints.py", "jobs.py", "plugin.py", "workspace_secrets.py", "archive.py", "gateway/workspace.py"):
        assert any(line.startswith(f"evalyard_lepton/{file}:") for line in lines), file
