"""What evalyard adds to Slurm: on a private cluster of real daemons, reached over ssh, that is started for it."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import psutil

from bench.launch import MODEL, PATIENCE_S, evalyard_command
from bench.measure import CommandFailed, Figure, timed
from evalyard.store.journal import Event, read
from tests.slurm.cluster import Cluster
from tests.slurm.sshd import Login, open_login

TASKS = 100
RUNS = 7
STARTS = 5
WATCHED = (333, 333, 334)
"""The jobs of each run that `status` is asked about."""
HELD = {"hold": True}


def figures(folder: Path, url: str, env: Mapping[str, str]) -> Iterator[Figure]:
    """Measure one after the other, on a cluster that is ended afterwards."""
    cluster = Cluster.start(folder / "cluster")
    try:
        login = open_login(cluster)
        there = {**env, "PATH": os.pathsep.join([str(login.bin), env["PATH"]])}
        try:
            yield from _submission(folder, url, there, login)
            yield from _starts(folder, url, there, login)
            yield from _states(folder, url, there, login)
        finally:
            _end_everything(env)
    finally:
        cluster.stop()


def _submission(folder: Path, url: str, env: Mapping[str, str], login: Login) -> Iterator[Figure]:
    config = _config(folder / "submitted.yaml", url=url, login=login, tasks=TASKS, flags=HELD)
    script = folder / "bare.sbatch"
    script.write_text("#!/bin/sh\ntrue\n", encoding="utf-8")
    loop = f"for n in $(seq {TASKS}); do sbatch --parsable --hold --output=/dev/null {script}; done"
    bare, sent, whole = [], [], []
    for number in range(RUNS):
        bare.append(timed(partial(_call, ["ssh", login.hostname, loop], env)))
        # Where no run before it left a connection open: each run pays for its own, as the loop does.
        alone = folder / str(number)
        alone.mkdir()
        began = time.perf_counter()
        invocation = _run(config, {**env, "XDG_RUNTIME_DIR": str(alone)})
        whole.append(time.perf_counter() - began)
        sent.append(_submitted_s(Path(env["EVALYARD_HOME"]), invocation))
        login.cluster.ask("scancel", "--user=root")
    bare_s, sent_s, whole_s = statistics.median(bare), statistics.median(sent), statistics.median(whole)
    yield Figure(name=f"{TASKS} x sbatch in one ssh", value=bare_s, unit="s")
    yield Figure(name=f"{TASKS} tasks over ssh, files and submission", value=sent_s, unit="s")
    yield Figure(name="the second over the first", value=sent_s / bare_s, unit="", target=1.3)
    yield Figure(name=f"the whole run of {TASKS} tasks over ssh", value=whole_s, unit="s")
    yield Figure(name="the whole run over the first", value=whole_s / bare_s, unit="")


def _submitted_s(home: Path, invocation: str) -> float:
    """Return how long it took from the first request until every job had its number, as the journal has it."""
    entries, _ = read(home / "runs" / invocation / "journal.jsonl")
    began = min(entry.at for entry in entries if entry.event is Event.SENDING)
    return max(entry.at for entry in entries if entry.event is Event.HELD) - began


def _starts(folder: Path, url: str, env: Mapping[str, str], login: Login) -> Iterator[Figure]:
    """The job's first process begins to run its script; the harness writes a byte."""
    took = []
    for number in range(STARTS):
        mark, gate = folder / f"started-{number}", folder / f"gate-{number}"
        command = f"printf x >'{mark}'; until [ -e '{gate}' ]; do sleep 0.1; done"
        _run(_config(folder / "started.yaml", url=url, login=login, command=command), env)
        _await(lambda: mark.exists() and mark.stat().st_size, f"the harness of {mark}")  # noqa: B023 - not kept
        took.append(mark.stat().st_mtime - _began(folder))
        gate.touch()
        _await(lambda: not login.cluster.queue(), "an empty queue")
    yield Figure(name="job to harness's first byte, on the host", value=statistics.median(took), unit="s", target=0.5)


def _states(folder: Path, url: str, env: Mapping[str, str], login: Login) -> Iterator[Figure]:
    runs = [
        _run(_config(folder / f"watched-{number}.yaml", url=url, login=login, tasks=tasks, flags=HELD), env)
        for number, tasks in enumerate(WATCHED)
    ]
    argv = [*evalyard_command(), "status", *runs]
    took = [timed(partial(_call, argv, env)) for _ in range(RUNS)]
    name = f"status of {sum(WATCHED)} jobs of {len(WATCHED)} runs"
    yield Figure(name=name, value=statistics.median(took), unit="s")
    bare = ["ssh", login.hostname, "squeue --noheader --states=all"]
    yield Figure(
        name="squeue in one ssh", value=statistics.median(timed(partial(_call, bare, env)) for _ in took), unit="s"
    )
    login.cluster.ask("scancel", "--user=root")


def _config(
    path: Path,
    *,
    url: str,
    login: Login,
    tasks: int = 1,
    command: str = "true",
    flags: Mapping[str, object] | None = None,
) -> Path:
    """Write a configuration whose tasks are processes of the cluster's nodes, and return its path."""
    config = {
        "execution": {
            "type": "slurm",
            "hostname": login.hostname,
            "output_dir": f"{path.parent}/out",
            "container_runtime": "none",
            "gres": None,
            "sbatch_extra_flags": {"mem": 50, **(flags or {})},
        },
        "target": {"api_endpoint": {"url": url, "model_id": MODEL}},
        "evaluation": {
            "tasks": [{"name": f"bench_{number:04d}", "harness": {"command": command}} for number in range(tasks)]
        },
    }
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def _run(config: Path, env: Mapping[str, str]) -> str:
    """Start a run and return its id."""
    return _call([*evalyard_command(), "run", "--config", str(config)], env).strip()


def _call(argv: list[str], env: Mapping[str, str]) -> str:
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"{' '.join(argv)} exited with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def _began(folder: Path) -> float:
    """Return when the only job that runs was started: its first process, on this machine's clock."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    began = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("SLURM_SUBMIT_DIR", "").startswith(f"{folder}/"):
                # psutil knows it only to the second, as it adds the time of the boot, which is rounded.
                ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
                began.append(booted + int(ticks) / os.sysconf("SC_CLK_TCK"))
    return min(began)


def _await(reached: Callable[[], object], what: str) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not reached():
        if time.monotonic() > give_up:
            raise CommandFailed(f"waited in vain for {what}")
        time.sleep(0.05)


def _end_everything(env: Mapping[str, str]) -> None:
    """End keepers, and the connections that ssh keeps open."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("EVALYARD_HOME") == env["EVALYARD_HOME"]:
                process.kill()
