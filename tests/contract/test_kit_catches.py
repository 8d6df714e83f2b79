"""The kit is worth something: executors with the bugs of real launchers fail its claims."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import evolve

from evalyard import Context, EvalyardError, Handle, JobState, LaunchError, LogChunk, Observation, Plan, hookimpl
from evalyard.testing import Conformance
from evalyard.testing.fake import Fake
from evalyard.testing.fake_backend import FakeBackend
from evalyard.testing.rig import Rig, rigged

Claim = Callable[[Conformance, Rig], None]


class MissingIsDone(Fake):
    """No news taken for good news."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        seen = super().status(ctx, handles)
        return {handle.name: seen.get(handle.name, Observation(state=JobState.SUCCEEDED)) for handle in handles}


class LaunchesTwice(Fake):
    """Whatever is asked for is started, whether it is there or not: every submission is a new job."""

    submissions: ClassVar[dict[str, int]] = {}

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        book = FakeBackend.at(ctx.connection).book
        for plan in plans:
            number = self.submissions[plan.name] = self.submissions.get(plan.name, 0) + 1
            if plan.name in book:
                book[f"{plan.name}, submission {number - 1}"] = book.pop(plan.name)
        return super().launch(ctx, [evolve(plan, attempt=self.submissions[plan.name]) for plan in plans])


class RelabelsFinishedJobs(Fake):
    """What has ended is forgotten after a while, and what is forgotten has failed."""

    polls: ClassVar[dict[str, int]] = {}

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        seen = dict(super().status(ctx, handles))
        for name, observation in seen.items():
            if observation.state.final:
                self.polls[name] = self.polls.get(name, 0) + 1
                if self.polls[name] > 20:
                    seen[name] = Observation(state=JobState.FAILED, reason="not in the queue")
        return seen


class CancelRewritesHistory(Fake):
    """A job that was asked to end counts as cancelled, even if it had ended before."""

    cancelled: ClassVar[set[str]] = set()

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        self.cancelled.update(handle.name for handle in handles)
        return super().cancel(ctx, handles)

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        seen = super().status(ctx, handles)
        gone = Observation(state=JobState.CANCELLED)
        return {name: gone if name in self.cancelled else observation for name, observation in seen.items()}


class SecretsInArguments(Fake):
    """Secrets handed over on the command line."""

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        refs = [ref for plan in plans for need in plan.needs for file in need.files for ref in file.secrets]
        words = tuple(f"{ref.name}={ctx.secret(ref.variable)}" for ref in refs)
        return super().launch(ctx, [evolve(plan, argv=("sh", "run.sh", *words)) for plan in plans])


class LeaksOnTeardown(Fake):
    """Says gone, and does nothing."""

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        return ()


class ForgetsTheMark(Fake):
    """Whatever has our name is taken for ours."""

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        book = FakeBackend.at(ctx.connection).book
        return {name: evolve(book[name].handle, mark=mark) for name, mark in names.items() if name in book}


class CutsLogs(Fake):
    """Lines end where the buffer does."""

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        chunk = super().logs(ctx, handle, role, cursor, limit)
        return evolve(chunk, lines=tuple(line[:limit] for line in chunk.lines))


class ForgetsToForwardSignals(Fake):
    """Cancels by killing outright, so that no harness ever flushes."""

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        for handle in handles:
            FakeBackend.at(ctx.connection).book[handle.name].end()
        return ()


class OneBadJobSpoilsTheBatch(Fake):
    """The first refusal ends the whole request."""

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        answers: dict[str, Handle | LaunchError] = {}
        for plan in plans:
            answer = super().launch(ctx, [plan])[plan.name]
            if isinstance(answer, LaunchError):
                return dict.fromkeys((plan.name for plan in plans), answer)
            answers[plan.name] = answer
        return answers


class WritesWhilePlanning(Fake):
    """Uploads its script as soon as it is rendered."""

    @hookimpl
    def plan(self, settings: Any, job: Any) -> Plan:
        plan = super().plan(settings, job)
        Path(settings.output_dir).mkdir(parents=True, exist_ok=True)
        (Path(settings.output_dir) / "uploaded.sh").write_text("#!/bin/sh\n", encoding="utf-8")
        return plan


CAUGHT: list[tuple[type[Fake], Claim]] = [
    (MissingIsDone, Conformance.test_what_does_not_exist_is_never_said_to_have_succeeded),
    (LaunchesTwice, Conformance.test_launching_twice_runs_one_process_under_one_handle),
    (RelabelsFinishedJobs, Conformance.test_a_terminal_state_is_stable_over_many_polls_among_live_jobs),
    (CancelRewritesHistory, Conformance.test_cancelling_a_finished_job_leaves_its_result_true),
    (SecretsInArguments, Conformance.test_a_secret_reaches_the_harness_exactly_and_nothing_else),
    (LeaksOnTeardown, Conformance.test_teardown_ends_a_running_job_for_good),
    (LeaksOnTeardown, Conformance.test_a_server_for_two_jobs_is_made_once_and_gone_after_the_last),
    (ForgetsTheMark, Conformance.test_what_carries_another_mark_is_not_found),
    (CutsLogs, Conformance.test_logs_give_every_line_once_however_small_the_pieces),
    (ForgetsToForwardSignals, Conformance.test_cancelling_a_running_job_lets_the_harness_flush),
    (OneBadJobSpoilsTheBatch, Conformance.test_one_refused_job_of_three_fails_alone),
    (WritesWhilePlanning, Conformance.test_planning_writes_nothing_and_asks_nobody),
]


@pytest.mark.parametrize(
    ("mutant", "claim"), CAUGHT, ids=[f"{mutant.__name__}-{claim.__name__}" for mutant, claim in CAUGHT]
)
def test_a_broken_executor_fails_the_claim_about_its_bug(mutant: type[Fake], claim: Claim, tmp_path: Path) -> None:
    class Checked(Conformance):
        executor_class = mutant
        serves = True

    backend = FakeBackend(name=mutant.__name__)
    try:
        with (
            rigged(mutant, "fake", {"backend": mutant.__name__}, tmp_path) as rig,
            pytest.raises((AssertionError, EvalyardError)),
        ):
            claim(Checked(), rig)
    finally:
        FakeBackend.at(mutant.Settings(output_dir="", backend=backend.name).connection()).close()


def test_a_capability_that_is_just_absent_fails_and_one_that_is_listed_is_skipped(tmp_path: Path) -> None:
    class Silent(Conformance):
        executor_class = Fake

    class Honest(Silent):
        not_offered = frozenset({"deployments"})

    with rigged(Fake, "fake", {}, tmp_path) as rig:
        with pytest.raises(AssertionError, match="'deployments' is not offered"):
            Silent().test_cancelling_the_only_job_releases_its_server(rig)
        with pytest.raises(pytest.skip.Exception, match="not offered: deployments"):
            Honest().test_cancelling_the_only_job_releases_its_server(rig)
