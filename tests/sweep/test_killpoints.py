"""SIGKILL at any line of a run, then `resume`: every job is evaluated exactly once, and nothing is left running.

`EVALYARD_SWEEP=all` tries every point, in shards that pytest-xdist spreads; otherwise a seeded sample of them.
"""

import fcntl
import json
import os
import random
from pathlib import Path

import pytest

from evalyard.testing.killpoints import KillPoint, points
from tests.backends import require_backend
from tests.sweep.scenarios import SCENARIOS, Yard

ALL = os.environ.get("EVALYARD_SWEEP") == "all"
SHARDS = 64 if ALL else 1
SAMPLE = 8
"""Points for each scenario where not all are tried."""
SEED = "kill points"


@pytest.fixture
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run see, and no other test run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def points_of(name: str, shared: Path) -> list[KillPoint]:
    """Return the points of a scenario, counted once for all workers: a second count may differ by a poll."""
    record = shared / f"{name}.json"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            draft = record.with_suffix(".new")
            Yard(scenario=SCENARIOS[name], folder=shared / f"{name}-counted").count(draft)
            draft.replace(record)
    return points(json.loads(record.read_text(encoding="utf-8")))


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", SCENARIOS)
def test_after_a_kill_at_any_line_every_job_is_evaluated_exactly_once(
    name: str, shard: int, shared_folder: Path, tmp_path: Path
) -> None:
    require_backend("local")
    chosen = points_of(name, shared_folder)
    assert len(chosen) > SAMPLE
    if not ALL:
        chosen = random.Random(SEED).sample(chosen, SAMPLE)
    chosen = chosen[shard::SHARDS]
    wrong: list[str] = []
    reached = 0
    for number, point in enumerate(chosen):
        yard = Yard(scenario=SCENARIOS[name], folder=tmp_path / str(number))
        reached += yard.kill(point)
        wrong += [f"{point}: {problem}" for problem in yard.resume()]
    assert wrong == []
    assert reached >= len(chosen) / 2, f"only {reached} of {len(chosen)} points were reached"


def test_the_points_cover_the_orchestrator_the_store_and_the_plugin(shared_folder: Path) -> None:
    require_backend("local")
    lines = {point.line for name in SCENARIOS for point in points_of(name, shared_folder)}
    for file in (
        "evalyard/orchestrator/act.py",
        "evalyard/orchestrator/begin.py",
        "evalyard/orchestrator/keeper.py",
        "evalyard/store/runs.py",
        "evalyard/store/journal.py",
        "evalyard_local/processes.py",
        "evalyard_local/rundir.py",
    ):
        assert any(line.startswith(f"{file}:") for line in lines), file


def test_a_job_that_ran_twice_would_be_noticed(tmp_path: Path) -> None:
    require_backend("local")
    yard = Yard(scenario=SCENARIOS["run-wait"], folder=tmp_path / "yard")
    yard.count(tmp_path / "counts.json")
    with yard.count_file.open("a", encoding="utf-8") as counted:
        counted.write("one 1\n")
    (problem,) = yard.resume()
    assert problem.startswith("started: ")
