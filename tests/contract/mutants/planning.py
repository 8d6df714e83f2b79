"""Mutants that go wrong before anything runs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from evalyard import Connection, Context, Finding, Handle, Job, Need, Plan, Severity, hookimpl
from evalyard.ids import new_mark
from evalyard.testing import Conformance
from evalyard.testing.fake import Fake, FakeSettings
from tests.contract.mutants.kinds import Mutant


class ClaimedTwice(Fake):
    """Two packages claim its name."""


class UntypedSettings(Fake):
    """Settings that are whatever somebody writes."""

    class Settings:
        """Takes anything."""

        def __init__(self, **given: Any) -> None:
            self.given = given


class ConnectsAnew(Fake):
    """Every connection is another one, so that no two runs share a query."""

    @frozen(kw_only=True)
    class Settings(FakeSettings):
        """The same."""

        def connection(self) -> Connection:
            """Where it is, and when it was asked."""
            return Connection(executor="fake", address={"backend": self.backend, "session": new_mark()})


class KeepsTheKey(Fake):
    """The key goes with the address into every record."""

    @frozen(kw_only=True)
    class Settings(FakeSettings):
        """The same."""

        def connection(self) -> Connection:
            """Where it is, and how one gets in."""
            return Connection(
                executor="fake", address={"backend": self.backend, "key": os.environ.get("API_KEY", "none")}
            )


class IgnoresASetting(Fake):
    """A setting that nobody reads."""

    @frozen(kw_only=True)
    class Settings(FakeSettings):
        """One more."""

        queue: str = "short"


class PlansByTheClock(Fake):
    """The time of planning is in the plan."""

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        return evolve(super().plan(settings, job), payload={"planned_at": time.monotonic_ns()})


class WritesWhilePlanning(Fake):
    """Uploads its script as soon as it is rendered."""

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        Path(settings.output_dir).mkdir(parents=True, exist_ok=True)
        (Path(settings.output_dir) / "uploaded.sh").write_text("#!/bin/sh\n", encoding="utf-8")
        return super().plan(settings, job)


class PlansWhatIsNoText(Fake):
    """Puts objects into the plan that are others once they were stored."""

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        return evolve(super().plan(settings, job), payload={"ports": (8000, 8001)})


class TakesTheCallersJob(Fake):
    """Started inside of a scheduler's job, it takes that job for its own."""

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        plan = super().plan(settings, job)
        inside = {name: value for name, value in os.environ.items() if name.startswith("SLURM_")}
        return evolve(plan, environment={**plan.environment, **inside})


class AsciiOnly(Fake):
    """Whatever is no ASCII becomes a question mark on the way."""

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        plan = super().plan(settings, job)
        needs = []
        for need in plan.needs:
            files = [evolve(file, text=file.text.encode("ascii", "replace").decode()) for file in need.files]
            needs.append(evolve(need, files=tuple(files)))
        return evolve(plan, needs=tuple(needs))


class JoinsWords(Fake):
    """A command is one text with the folder in it, for a shell to take apart again."""

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        plan = super().plan(settings, job)
        return evolve(plan, argv=("sh", "-c", f"cd {plan.directory} && exec sh run.sh"))


class AddsToTheScript(Fake):
    """What runs is not what --dry-run shows."""

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        files = [evolve(file, text=f"{file.text}# uploaded\n") for file in need.files if not file.secrets]
        return super().provision(ctx, evolve(need, files=tuple(files)))


class FindsFaultWithHealth(Fake):
    """Its check fails where everything works."""

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
        return (Finding(severity=Severity.ERROR, subject="fake", message="something may be wrong"),)


PLANNING = (
    Mutant(
        executor=ClaimedTwice,
        fails=(Conformance.test_it_is_found_by_entry_point_from_metadata_alone,),
        kit={"executor": "claimed-twice", "not_offered": frozenset()},
        claimed_by=("evalyard-one", "evalyard-other"),
    ),
    Mutant(executor=UntypedSettings, fails=(Conformance.test_settings_are_typed_and_a_misspelt_key_is_refused,)),
    Mutant(executor=ConnectsAnew, fails=(Conformance.test_the_connection_is_plain_and_equal_for_equal_settings,)),
    Mutant(
        executor=KeepsTheKey,
        fails=(Conformance.test_the_connection_holds_nothing_of_the_environment_that_looks_secret,),
    ),
    Mutant(executor=IgnoresASetting, fails=(Conformance.test_each_setting_reaches_the_plan_or_the_connection,)),
    Mutant(executor=PlansByTheClock, fails=(Conformance.test_planning_twice_gives_the_same_plan,)),
    Mutant(executor=WritesWhilePlanning, fails=(Conformance.test_planning_writes_nothing_and_asks_nobody,)),
    Mutant(executor=PlansWhatIsNoText, fails=(Conformance.test_what_a_newer_version_stored_can_be_read,)),
    Mutant(executor=TakesTheCallersJob, fails=(Conformance.test_the_callers_surroundings_change_nothing,)),
    Mutant(
        executor=AsciiOnly,
        fails=(
            Conformance.test_awkward_names_and_commands_are_taken_literally,
            Conformance.test_awkward_values_reach_the_harness_exactly,
        ),
    ),
    Mutant(executor=JoinsWords, fails=(Conformance.test_an_awkward_output_folder_is_taken_literally,)),
    Mutant(executor=AddsToTheScript, fails=(Conformance.test_what_arrives_at_the_backend_is_exactly_the_plan,)),
    Mutant(executor=FindsFaultWithHealth, fails=(Conformance.test_checking_finds_no_error_and_changes_nothing,)),
)
