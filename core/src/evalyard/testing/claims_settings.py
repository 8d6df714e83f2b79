"""Claims about settings: each is taken, and each arrives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
from attrs import evolve

from evalyard.config import structure
from evalyard.errors import ConfigError, EvalyardError, PluginError
from evalyard.plugins.session import Session
from evalyard.records.handles import Handle
from evalyard.records.plans import NeedKind, Plan
from evalyard.specs import Section
from evalyard.states import JobState
from evalyard.store.journal import converter
from evalyard.testing import stored
from evalyard.testing.claims import Claims
from evalyard.testing.rig import LEAVE_RESULTS, Rig, deployed, task
from evalyard.testing.settings_changed import candidates, paths, replaced
from evalyard.testing.trial import Trial

T = TypeVar("T")


class SettingClaims(Claims):
    """Settings, and records that were made by other versions."""

    def test_settings_are_typed_and_a_misspelt_key_is_refused(self, rig: Rig) -> None:
        """Settings is an attrs class; evalyard itself checks keys and types, and names file and line."""
        assert attrs.has(self.loaded().Settings)
        wrong = Section(name=rig.name, path="execution", data={**rig.section, "no_such_setting": 1})
        with pytest.raises(ConfigError, match="no_such_setting"):
            structure(wrong, self.loaded().Settings)

    def test_each_setting_reaches_the_plan_or_the_connection(self, rig: Rig) -> None:
        """What nobody reads is a setting that looks as if it worked: read it, say in `Plan.notes` that it is ignored,
        or name it in `not_in_plan`. A setting that takes no value of the kit's gets one in `other_settings`."""
        base = self._planned(rig, {})
        wrong: list[str] = []
        for path, hint in paths(self.loaded().Settings):
            if path == "output_dir" or path in self.not_in_plan:
                continue
            found = self._changed(rig, path, hint)
            if found is None:
                wrong.append(f"{path}: other_settings has no value that it takes")
            elif self._planned(rig, replaced(rig.section, path, found)) == base:
                wrong.append(f"{path}: {found!r} changes neither the plan nor the connection")
        assert not wrong, "\n".join(wrong)

    def test_what_a_newer_version_stored_can_be_read(self, rig: Rig) -> None:
        """Plans, handles and connections are evalyard's own records: what is yours in them is text, by name."""
        trial = rig.trial(task(LEAVE_RESULTS, name='naïve "quoted" $(name)'))
        assert rig.store.plan(trial.run.id, 1, 1) == trial.plans[0]
        for record in (trial.run.invocation.connection, trial.plans[0]):
            raw = json.loads(json.dumps(converter.unstructure(record)))
            assert converter.structure({**raw, "a_field_of_a_newer_version": [1]}, type(record)) == record

    def test_what_older_versions_of_the_executor_stored_can_be_used(self, rig: Rig) -> None:
        """A key that a new version adds to `Handle.data`, `Plan.payload` or `Connection.address` is absent in what is
        on record: use `.get`. What is not there any more may be refused, by one of evalyard's errors.

        `stored` is a folder of files that releases of the executor wrote: `pytest --evalyard-record FOLDER` adds the
        one of this version.
        """
        for folder in stored.kept_in:
            self._keep(rig, folder)
        if self.stored is None:
            pytest.skip("not offered: stored records")
        files = sorted(self.stored.glob("*.json"))
        assert files, f"no records in {self.stored}"
        trial = rig.trial(task(LEAVE_RESULTS))
        for file in files:
            kept = stored.read(file)
            assert kept.connection.executor == rig.name
            self._ask_at(trial, kept, file.name)
            self._launch_again(trial, kept.plan, file.name)
            # What outlives a run is neither watched nor torn down.
            for handle in (one for one in kept.handles if one.kind == "job" or not NeedKind(one.kind).lasting):
                self._use(trial, handle, file.name)

    def _keep(self, rig: Rig, folder: Path) -> None:
        trial = rig.trial(task(LEAVE_RESULTS), deployment=deployed("exec sleep 60") if self.serves else None)
        trial.begin()
        handles = [need.latest.handle for need in trial.run.history().needs] + [trial.attempt().handle]
        stored.keep(
            folder,
            rig.name,
            str(rig.store.home.parent),
            connection=trial.run.invocation.connection,
            plan=trial.plans[0],
            handles=[handle for handle in handles if handle is not None],
        )
        trial.cancel()

    def _ask_at(self, trial: Trial, kept: stored.Kept, file: str) -> None:
        """Ask at the connection that is on record; nothing may be there any more."""
        jobs = [handle for handle in kept.handles if handle.kind == "job"]
        session = Session(self.loaded(), kept.connection)
        context = evolve(trial.run.context(self.hang_s), connection=kept.connection, run_dir="")
        for seen in session.status(context, jobs).values():
            assert "failed inside the plugin" not in seen.reason, f"{file}: {seen.reason}"
        _allowed(lambda: session.find(context, {handle.name: handle.mark for handle in jobs}), file)

    def _launch_again(self, trial: Trial, plan: Plan, file: str) -> None:
        """Launch the plan that is on record, as `resume` of a newer version may; its folder is not there any more."""
        session, context = trial.session, trial.run.context()
        answers = _allowed(lambda: session.launch(context, [plan]), file)
        launched = [answer for answer in (answers or {}).values() if isinstance(answer, Handle)]
        _allowed(lambda: session.teardown(context, launched), file)

    def _use(self, trial: Trial, handle: Handle, file: str) -> None:
        session, context = trial.session, trial.run.context()
        seen = session.status(context, [handle])[handle.name]
        assert seen.state is not JobState.SUCCEEDED, f"{file}: {handle.name} is nowhere"
        assert "failed inside the plugin" not in seen.reason, f"{file}: {seen.reason}"
        calls: list[Callable[[], object]] = [lambda: session.teardown(context, [handle])]
        if handle.kind == "job":
            calls[:0] = [
                lambda: session.logs(context, handle, "client", "", 1 << 16),
                lambda: session.cancel(context, [handle]),
            ]
        for call in calls:
            _allowed(call, file)

    def _changed(self, rig: Rig, path: str, hint: Any) -> Any:
        """Return a value of one setting other than it has; None when none of ours is accepted."""
        given = [self.other_settings[path]] if path in self.other_settings else candidates(hint)
        now = rig.settings()
        for value in given:
            try:
                if rig.settings(replaced(rig.section, path, value)) != now:
                    return value
            except ConfigError:
                continue
        return None

    def _planned(self, rig: Rig, settings: dict[str, Any]) -> list[object]:
        """Return the connection and the plans, without a model server and with one."""
        found: list[object] = [converter.unstructure(rig.settings(settings).connection())]
        for server in (None, deployed("true")):
            try:
                found.append(rig.dry(task(LEAVE_RESULTS), deployment=server, settings=settings))
            except EvalyardError as error:
                found.append(error.message)  # it serves no models, or cannot do what the setting asks for
        return found


def _allowed(call: Callable[[], T], file: str) -> T | None:
    """Return what a call with old records answers; None when the backend refuses to know of them."""
    try:
        return call()
    except PluginError as error:
        raise AssertionError(f"{file}: {error.message}") from error
    except EvalyardError:
        return None
