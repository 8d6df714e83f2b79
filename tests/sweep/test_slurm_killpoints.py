"""SIGKILL at any line of a launcher that works over ssh, or in the shells that it starts there, and going on then:
every job is submitted exactly once, and nothing stays in the queue.
"""

import inspect
from pathlib import Path

import pytest

from evalyard_slurm.plugin import Slurm
from tests.slurm.sshd import Login
from tests.sweep.on_cluster import SCENARIOS, ClusterYard
from tests.sweep.points import SHARDS, Make, chosen, once, points_of, sweep
from tests.sweep.remote_shell import RemoteYard

pytestmark = pytest.mark.slurm

SAMPLE = 1
"""Points for each scenario where not all are tried: each takes seconds."""
REMOTE = [("slurm-run", "unpack"), ("slurm-run", "submit"), ("slurm-run", "pack"), ("slurm-kill", "end")]
"""Scenarios, and what of them a shell on the login machine does."""


def maker(name: str, login: Login) -> Make:
    return lambda folder: ClusterYard(scenario=SCENARIOS[name], folder=folder, login=login)


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", SCENARIOS)
def test_after_a_kill_at_any_line_every_job_is_submitted_exactly_once(
    name: str, shard: int, shared_folder: Path, tmp_path: Path, plain_login: Login
) -> None:
    make = maker(name, plain_login)
    sweep(chosen(points_of(name, shared_folder, make), shard, SAMPLE), tmp_path, make)


def test_the_points_cover_every_hook_that_asks_the_cluster(shared_folder: Path, plain_login: Login) -> None:
    names = ("slurm-run", "slurm-kill")
    lines = {point.line for name in names for point in points_of(name, shared_folder, maker(name, plain_login))}
    for hook in (Slurm.provision, Slurm.launch, Slurm.find, Slurm.status, Slurm.fetch, Slurm.cancel, Slurm.teardown):
        text, first = inspect.getsourcelines(hook)
        file = f"{hook.__module__.replace('.', '/')}.py"
        assert lines & {f"{file}:{number}" for number in range(first, first + len(text))}, hook


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize(("name", "command"), REMOTE)
def test_after_a_kill_of_the_shell_on_the_login_machine_every_job_is_submitted_exactly_once(
    name: str, command: str, shard: int, shared_folder: Path, tmp_path: Path, plain_login: Login
) -> None:
    def make(folder: Path) -> RemoteYard:
        return RemoteYard(scenario=SCENARIOS[name], folder=folder, login=plain_login, command=command)

    steps = int(once(shared_folder / f"{command}.steps", lambda: make(shared_folder / f"{command}-counted").steps()))
    wrong: list[str] = []
    for step in chosen(range(1, steps + 1), shard, SAMPLE):
        yard = make(tmp_path / str(step))
        wrong += [f"{command}, step {step}: {problem}" for problem in yard.die(step)]
    assert wrong == []
