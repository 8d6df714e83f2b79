"""What evalyard adds to containers: its wall time over that of `docker run`, and what its keeper costs meanwhile."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil

from bench.launch import MODEL, PATIENCE_S, evalyard_command
from bench.measure import CommandFailed, Figure, run_once, timed

IMAGE = "evalyard-test/busybox:1"
"""The image of the test suite (tests/docker_images.py), which makes it."""
AT_ONCE = 8
WORK = "sleep 2"
WATCHED_S = 20.0


def has_image() -> bool:
    """Whether there is a Docker engine with the image."""
    try:
        done = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def figures(folder: Path, url: str, env: Mapping[str, str]) -> Iterator[Figure]:
    """Measure one after the other, in a folder of its own; nothing of it stays on the engine."""
    mark = folder / "first-byte"
    config = write_contained(folder / "first.yaml", url=url, tasks=1, work=f"printf x >'{mark}'")
    started_ns = time.time_ns()
    _run(config, env)
    yield Figure(name="run to a container's first byte", value=(mark.stat().st_mtime_ns - started_ns) / 1e9, unit="s")
    for tasks, target in ((1, None), (50, 1.15)):
        config = write_contained(folder / f"{tasks}.yaml", url=url, tasks=tasks, work=WORK)
        bare_s = timed(partial(_bare, tasks))
        ours_s = timed(partial(_run, config, env))
        yield Figure(name=f"docker run, {tasks} x {WORK}, {AT_ONCE} at once", value=bare_s, unit="s")
        yield Figure(name=f"run --wait, {tasks} x {WORK}, {AT_ONCE} at once", value=ours_s, unit="s")
        yield Figure(name=f"the second over the first, {tasks}", value=ours_s / bare_s, unit="", target=target)
    # One more than run at once: a run of which nothing is left to start needs no keeper.
    config = write_contained(folder / "watched.yaml", url=url, tasks=51, work="sleep 600", at_once=50)
    with _watching(config, env) as keeper:
        yield Figure(name="keeper of 50 running jobs: CPU", value=_load(keeper), unit="% of a core", target=2.0)
        yield Figure(name="keeper: memory", value=keeper.memory_info().rss / 1e6, unit="MB", target=60.0)


def write_contained(path: Path, *, url: str, tasks: int, work: str, at_once: int = AT_ONCE) -> Path:
    """Write a configuration whose tasks do some work in containers, and return its path."""
    folder = str(path.parent)
    command = f"{work}; printf 'results: {{}}\\n' >\"$EVALYARD_OUTPUT_DIR/results.yml\""
    harness = {"container": IMAGE, "harness": {"command": command}}
    config = {
        "execution": {
            "type": "local",
            "output_dir": f"{folder}/out",
            "pull": "never",
            "keep": "none",
            "max_parallel": at_once,
            "mounts": {"evaluation": {folder: folder}},
        },
        "target": {"api_endpoint": {"url": url, "model_id": MODEL}},
        "evaluation": {"tasks": [{"name": f"bench_{number:04d}", **harness} for number in range(tasks)]},
    }
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def _bare(tasks: int) -> None:
    """Do the same work with `docker run` alone."""
    argv = ["docker", "run", "--rm", "--init", "--network=host", "--entrypoint=sh", IMAGE, "-c", WORK]

    def one(_: int) -> None:
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(tasks)))


def _run(config: Path, env: Mapping[str, str]) -> None:
    run_once([*evalyard_command(), "run", "--config", str(config), "--wait"], env)


@contextmanager
def _watching(config: Path, env: Mapping[str, str]) -> Iterator[psutil.Process]:
    """Give the keeper of a run, once all its jobs run; the run is killed afterwards."""
    argv = evalyard_command()
    started = subprocess.run(
        [*argv, "run", "--config", str(config)], env=env, capture_output=True, text=True, check=True
    )
    invocation = started.stdout.strip()
    try:
        _await_running(invocation)
        command = ["evalyard.orchestrator.keeper", invocation]
        yield next(one for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[-2:] == command)
    finally:
        subprocess.run([*argv, "kill", invocation], env=env, capture_output=True, check=False)


def _load(process: psutil.Process) -> float:
    """Return how much of a core a process uses, in percent."""
    before, started = process.cpu_times(), time.monotonic()
    time.sleep(WATCHED_S)
    after, elapsed_s = process.cpu_times(), time.monotonic() - started
    return 100 * (after.user + after.system - before.user - before.system) / elapsed_s


def _await_running(invocation: str, jobs: int = 50) -> None:
    argv = ["docker", "ps", "--quiet", f"--filter=label=evalyard.invocation={invocation}"]
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        if len(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()) == jobs:
            return
        time.sleep(0.5)
    raise CommandFailed(f"the jobs of {invocation} did not all start within {PATIENCE_S} s")
