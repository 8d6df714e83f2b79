"""SIGKILL at any line of an executor, then the same again: every job runs exactly once, and nothing is left.

    from evalyard.testing import Sweep

    class TestMineSwept(Sweep):
        executor = "mine"
        settings = {"host": "localhost"}

A claim of its own, for it takes a fresh process for each line. `EVALYARD_SWEEP=all` tries every line that is executed;
otherwise `sample` of them, the same each time. The executor has to be installed: a fresh process finds it by its name.
"""

from __future__ import annotations

import json
import os
import pkgutil
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, ClassVar

from evalyard.states import JobState
from evalyard.testing.claims import Claims
from evalyard.testing.fresh import in_fresh_process
from evalyard.testing.killpoints import KillPoint, points
from evalyard.testing.rig import LEAVE_RESULTS, NOTE_START, Rig, deployed, task
from evalyard.testing.storm import STILL_S
from evalyard.testing.trial import Trial

_SERVE = 'exec "${EVALYARD_PYTHON:-python3}" -m http.server "$PORT" --bind "$HOST"'


class Sweep(Claims):
    """Subclass it as `Test...`; attributes as for `Conformance`, and these.

    Attributes:
        watched: packages and modules at whose lines it dies; empty = the executor's package, whole, and
            those of its base classes.
        sample: how many lines are tried for each claim, unless EVALYARD_SWEEP says `all`.
    """

    watched: ClassVar[tuple[str, ...]] = ()
    sample: ClassVar[int] = 6

    def test_a_run_that_is_killed_at_any_line_goes_on_and_runs_each_job_once(self, rig: Rig) -> None:
        """Between any two lines of `provision`, `launch`, `status`, `teardown` there may be no other process of ours.

        Whatever is written down before it is done has to be looked at again: a note is no job.
        """
        wrong: list[str] = []
        for point in self._points(rig, self._planned, "run"):
            trial = self._planned(rig)
            self._drive(rig, trial, "run", "--kill", str(point))
            with _told(point):
                trial.finish()
            attempt = trial.attempt()
            if (attempt.state, attempt.reason) != (JobState.SUCCEEDED, ""):
                wrong.append(f"{point}: {attempt.state}: {attempt.reason}")
            if (starts := self.starts(trial.plans[0].directory)) != 1:
                wrong.append(f"{point}: started {starts} times")
            wrong += _unreleased(point, trial)
        assert wrong == []

    def test_a_cancel_that_is_killed_at_any_line_is_made_good(self, rig: Rig) -> None:
        """`kill` again: what was asked already is asked again, and what is gone is gone."""
        wrong: list[str] = []
        for point in self._points(rig, self._running, "stop"):
            trial = self._running(rig)
            self._drive(rig, trial, "stop", "--kill", str(point))
            with _told(point):
                trial.cancel()
            if trial.attempt().state is not JobState.CANCELLED:
                wrong.append(f"{point}: {trial.attempt().state}: {trial.attempt().reason}")
            before = self.lines_of(trial.artifact("beat"))
            time.sleep(STILL_S)
            if self.lines_of(trial.artifact("beat")) != before:
                wrong.append(f"{point}: the harness lives")
            wrong += _unreleased(point, trial)
        assert wrong == []

    def _planned(self, rig: Rig, command: str = f"{NOTE_START}; {LEAVE_RESULTS}") -> Trial:
        return rig.trial(task(command), deployment=deployed(_SERVE) if self.serves else None)

    def _running(self, rig: Rig) -> Trial:
        trial = self._planned(rig, rig.beat)
        trial.begin()
        rig.wait_until(lambda: bool(self.lines_of(trial.artifact("beat"))), "the harness runs")
        return trial

    def _points(self, rig: Rig, make: Callable[[Rig], Trial], what: str) -> list[KillPoint]:
        """Let it happen undisturbed, and return the lines to die at."""
        record = rig.store.home / f"{what}.json"
        trial = make(rig)
        done = self._drive(rig, trial, what, "--record", str(record))
        assert done.returncode == 0, done.stderr
        found = points(json.loads(record.read_text(encoding="utf-8")))
        assert found, f"no line of {', '.join(self._packages())} was executed"
        if os.environ.get("EVALYARD_SWEEP") == "all":
            return found
        return random.Random(what).sample(found, min(self.sample, len(found)))

    def _drive(self, rig: Rig, trial: Trial, what: str, *options: str) -> subprocess.CompletedProcess[str]:
        watched = [word for package in self._packages() for word in ("--watch", package)]
        target = ["evalyard.testing.sweep_child:main", str(rig.store.home), trial.run.id, what]
        done = in_fresh_process(rig, "evalyard.testing.killpoints", *watched, *options, *target)
        # A last poll of the count may not come again: then it has ended by itself.
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done

    def _packages(self) -> tuple[str, ...]:
        return self.watched or tuple(packages_behind(self.loaded()))


@contextmanager
def _told(point: KillPoint) -> Iterator[None]:
    """Say with what goes wrong at which line the process had died."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"killed before {point}: {error}") from error


def packages_behind(executor: type[Any]) -> Iterator[str]:
    """Yield the packages that an executor's class and its base classes are made of."""
    seen: set[str] = set()
    for module in (base.__module__ for base in executor.__mro__ if base is not object):
        # Of evalyard itself only where the base class is: all of it would be the launcher.
        root = module.rpartition(".")[0] if module.startswith("evalyard.") else module.partition(".")[0]
        if root not in ("evalyard.plugins", *seen):
            seen.add(root)
            yield from packages_of(root)


def packages_of(package: str) -> Iterator[str]:
    """Yield a package and all packages in it; a plain module is one by itself."""
    yield package
    spec = find_spec(package)
    if spec is not None and spec.submodule_search_locations:
        for found in pkgutil.walk_packages(spec.submodule_search_locations, f"{package}."):
            if found.ispkg:
                yield found.name


def _unreleased(point: KillPoint, trial: Trial) -> list[str]:
    """Say which needs are not known to be gone, of those that do not outlive a run."""
    needs = [need for need in trial.run.history().needs if need.latest.sent and not need.latest.kind.lasting]
    return [f"{point}: not released: {need.key}" for need in needs if not need.latest.released]
