"""SIGKILL at any line of a run, then `resume`: every job is evaluated exactly once, and nothing is left running.

`EVALYARD_SWEEP=all` tries every point, in shards that pytest-xdist spreads; otherwise a seeded sample of them.
"""

from pathlib import Path

import pytest

from tests.backends import require_backend
from tests.sweep.points import SHARDS, Make, chosen, points_of, sweep
from tests.sweep.scenarios import SCENARIOS, Yard

SAMPLE = 8
"""Points for each scenario where not all are tried."""
SAMPLE_CONTAINED = 2
"""The same for scenarios with containers, each of which takes seconds."""
NAMES = [pytest.param(name, marks=pytest.mark.docker if one.contained else ()) for name, one in SCENARIOS.items()]


def maker(name: str) -> Make:
    return lambda folder: Yard(scenario=SCENARIOS[name], folder=folder)


def lines_of(names: list[str], shared: Path) -> set[str]:
    return {point.line for name in names for point in points_of(name, shared, maker(name))}


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", NAMES)
def test_after_a_kill_at_any_line_every_job_is_evaluated_exactly_once(
    name: str, shard: int, shared_folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    require_backend("local")
    contained = SCENARIOS[name].contained
    if contained:
        request.getfixturevalue("busybox_image")
    found = points_of(name, shared_folder, maker(name))
    sweep(chosen(found, shard, SAMPLE_CONTAINED if contained else SAMPLE), tmp_path, maker(name))


def test_the_points_cover_the_orchestrator_the_store_and_the_plugin(shared_folder: Path) -> None:
    require_backend("local")
    lines = lines_of([name for name, scenario in SCENARIOS.items() if not scenario.contained], shared_folder)
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
    lines = lines_of([name for name, scenario in SCENARIOS.items() if scenario.contained], shared_folder)
    for file in ("evalyard_local/docker/containers.py", "evalyard_local/docker/images.py"):
        assert any(line.startswith(f"{file}:") for line in lines), file


def test_a_job_that_ran_twice_would_be_noticed(tmp_path: Path) -> None:
    require_backend("local")
    yard = maker("run-wait")(tmp_path / "yard")
    yard.count()
    with yard.count_file.open("a", encoding="utf-8") as counted:
        counted.write("one 1\n")
    (problem,) = yard.go_on()
    assert problem.startswith("started: ")
