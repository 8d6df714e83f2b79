"""Claims about an executor before anything runs: found, light, typed, and planning without side effects."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from evalyard.orchestrator.plan import merged_needs
from evalyard.plugins.discovery import EXECUTORS, installed, load_executor
from evalyard.records.connections import Connection
from evalyard.records.findings import Severity
from evalyard.states import JobState
from evalyard.store.journal import converter
from evalyard.testing.claims import Claims
from evalyard.testing.effects import effects
from evalyard.testing.rig import LEAVE_RESULTS, Rig, task


class PlanClaims(Claims):
    """Before anything runs, and as soon as something does."""

    def test_it_is_found_by_entry_point_from_metadata_alone(self) -> None:
        """`[project.entry-points."evalyard.executors"]`: listing plugins imports none of them."""
        self.offered("discovery", there=bool(self.executor))
        found = [plugin for plugin in installed(EXECUTORS) if plugin.name == self.executor]
        assert len(found) == 1, f"claimed by {[plugin.package for plugin in found]}"
        module = found[0].target.partition(":")[0]
        program = (
            "import sys; from evalyard.plugins.discovery import installed; "
            f"installed('{EXECUTORS}'); print('{module}' in sys.modules)"
        )
        assert _output(program) == "False"
        assert load_executor(self.executor) is self.loaded()

    def test_importing_it_loads_no_heavy_package(self) -> None:
        """`evalyard status` imports the executor: import SDKs where they are used."""
        program = f"import sys, {self.loaded().__module__}; print(*{{name.partition('.')[0] for name in sys.modules}})"
        assert not self.heavy_modules & set(_output(program).split())

    def test_the_connection_is_plain_and_equal_for_equal_settings(self, rig: Rig) -> None:
        """Equal connections share one session, and one query."""
        connection = rig.settings().connection()
        assert connection == rig.settings().connection()
        assert isinstance(hash(connection.key), int)
        assert converter.structure(converter.unstructure(connection), Connection) == connection

    def test_the_connection_holds_nothing_of_the_environment_that_looks_secret(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A connection is stored with every run: credentials are looked up when they are used."""
        prefix = re.sub(r"\W", "_", rig.name).upper()
        for name in ("API_KEY", "TOKEN", "PASSWORD", f"{prefix}_API_KEY", f"{prefix}_TOKEN"):
            monkeypatch.setenv(name, "canary-in-the-environment")
        assert "canary-in-the-environment" not in repr(rig.settings().connection())

    def test_planning_twice_gives_the_same_plan(self, rig: Rig) -> None:
        """A plan depends on its arguments alone: no clock, no random name; core gives the mark."""
        trial = rig.trial(task(LEAVE_RESULTS), task(LEAVE_RESULTS))
        assert trial.plan_again() == trial.plans

    def test_planning_writes_nothing_and_asks_nobody(self, rig: Rig) -> None:
        """`run --dry-run` is this. What has to be asked is asked in `check`, `provision` or `launch`."""
        trial = rig.trial(task(LEAVE_RESULTS))
        with effects() as found:
            trial.plan_again()
        assert found == []

    def test_checking_finds_no_error_and_changes_nothing(self, rig: Rig) -> None:
        """A check looks; a finding says what is wrong and what mends it."""
        trial = rig.trial(task(LEAVE_RESULTS))
        self.offered("check", there=trial.session.can("check"))
        findings = trial.session.check(trial.run.context(), trial.plans)
        assert [finding for finding in findings if finding.severity is Severity.ERROR] == []
        assert all(finding.subject and finding.message for finding in findings)
        assert trial.session.find(trial.run.context(), trial.marks) == {}

    def test_a_job_that_runs_is_seen_running(self, rig: Rig) -> None:
        """`status` answers with an Observation for each name. What it cannot say is UNKNOWN, with a reason."""
        trial = rig.trial(task(rig.beat))
        (handle,) = trial.begin()
        rig.wait_until(lambda: bool(self.lines_of(trial.artifact("beat"))), "the harness runs")
        seen = trial.observe(handle)
        assert seen.missing or seen.state is not JobState.UNKNOWN, seen.reason
        rig.wait_until(lambda: trial.observe(handle).state is JobState.RUNNING, "it is seen running")

    def test_what_arrives_at_the_backend_is_exactly_the_plan(self, rig: Rig) -> None:
        """Render in `plan`, send in `provision` and `launch`: what --dry-run shows is what runs."""
        trial = rig.trial(task(f'env > "$EVALYARD_OUTPUT_DIR/env"; {LEAVE_RESULTS}'))
        (handle,) = trial.begin()
        trial.await_end(handle)
        planned = [file for need in merged_needs(trial.plans) for file in need.files if not file.secrets]
        assert any(file.path.endswith("/run.sh") for file in planned)
        for file in planned:
            assert self.read_file(f"{trial.run.invocation.run_dir}/{file.path}").decode() == file.text, file.path
        seen = self.lines_of(trial.artifact("env"))
        assert {f"{name}={value}" for name, value in trial.plans[0].environment.items()} <= set(seen)


def _output(program: str) -> str:
    # The paths of this process: an executor of a test module is importable there too.
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
