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
SAMPLE_CONTAINED = 2
"""The same for scenarios with containers, each of which takes seconds."""
SEED = "kill points"
NAMES = [pytest.param(name, marks=pytest.mark.docker if one.contained else ()) for name, one in SCENARIOS.items()]


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
            yard = Yard(scenario=SCENARIOS[name], folder=shared / f"{name}-counted")
            try:
                yard.count(draft)
            finally:
                yard.remove_containers()
            draft.replace(record)
    return points(json.loads(record.read_text(encoding="utf-8")))


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", NAMES)
def test_after_a_kill_at_any_line_every_job_is_evaluated_exactly_once(
    name: str, shard: int, shared_folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    require_backend("local")
    contained = SCENARIOS[name].contained
    if contained:
        request.getfixturevalue("busybox_image")
    chosen = points_of(name, shared_folder)
    assert len(chosen) > SAMPLE
    if not ALL:
        chosen = random.Random(SEED).sample(chosen, SAMPLE_CONTAINED if contained else SAMPLE)
    chosen = chosen[shard::SHARDS]
    wrong: list[str] = []
    reached = 0
    for number, point in enumerate(chosen):
        yard = Yard(scenario=SCENARIOS[name], folder=tmp_path / str(number))
        try:
            reached += yard.kill(point)
            wrong += [f"{point}: {problem}" for problem in yard.resume()]
        finally:
            yard.remove_containers()
    assert wrong == []
    assert reached >= len(chosen) / 2, f"only {reached} of {len(chosen)} points were reached"


def test_the_points_cover_the_orchestrator_the_store_and_the_plugin(shared_folder: Path) -> None:
    require_backend("local")
    names = [name for name, scenario in SCENARIOS.items() if not scenario.contained]
    lines = {point.line for name in names for point in points_of(name, shared_folder)}
    for file in (
        "evalyard/orchestrator/act.py",
        "evalyard/orchestrator/begin.py",
        "evalyard/orchestrator/keeper.py",
        "evalyard/store/runs.py",
        "evalyard/store/journal.py",
        "evalyard_local/processes.py",
        "evalyard/harness/rundir.py",
    ):
        assert any(line.startswith(f"{file}:") for line in lines), file


@pytest.mark.docker
@pytest.mark.usefixtures("busybox_image")
def test_the_points_with_containers_cover_what_asks_the_engine(shared_folder: Path) -> None:
    require_backend("local")
    names = [name for name, scenario in SCENARIOS.items() if scenario.contained]
    lines = {point.line for name in names for point in points_of(name, shared_folder)}
    for file in ("evalyard_local/docker/containers.py", "evalyard_local/docker/images.py"):
        assert any(line.startswith(f"{file}:") for line in lines), file


def test_a_job_that_ran_twice_would_be_noticed(tmp_path: Path) -> None:
    require_backend("local")
    yard = Yard(scenario=SCENARIOS["run-wait"], folder=tmp_path / "yard")
    yard.count(tmp_path / "counts.json")
    with yard.count_file.open("a", encoding="utf-8") as counted:
        counted.write("one 1\n")
    (problem,) = yard.resume()
    assert problem.startswith("started: ")
