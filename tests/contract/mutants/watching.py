"""Mutants that say what they do not know."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, cast

from attrs import evolve

from evalyard import Context, EvalyardError, Handle, JobState, Observation, hookimpl
from evalyard.testing import Conformance
from evalyard.testing.fake import Fake
from evalyard.testing.fake_backend import FakeBackend
from tests.contract.mutants.kinds import Mutant

Seen = Mapping[str, Observation]
_DONE = Observation(state=JobState.SUCCEEDED)


class MissingIsDone(Fake):
    """A job that the queue does not mention has completed."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        seen = super().status(ctx, handles)
        return {handle.name: seen.get(handle.name, _DONE) for handle in handles}


class AnswersInItsOwnWords(Fake):
    """Answers with what its backend said, and no observations."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        said = {name: {"state": seen.state.name} for name, seen in super().status(ctx, handles).items()}
        return cast(Seen, said)


class VanishedIsDone(Fake):
    """A job that ran, and is not there any more, has completed."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        return {
            name: _DONE if observation.state.final and observation.exit is None else observation
            for name, observation in super().status(ctx, handles).items()
        }


class GuessesStates(Fake):
    """What is not in its table of states has failed."""

    @staticmethod
    def observation_of(word: str) -> Observation:
        """Look into the table."""
        states = {"PEND": JobState.QUEUED, "RUN": JobState.RUNNING}
        return Observation(state=states.get(word, JobState.FAILED), reason=f"the backend says {word}")


class KeepsTheWord(Fake):
    """What is not in its table of states is unknown, and nobody learns the word."""

    @staticmethod
    def observation_of(word: str) -> Observation:
        """Look into the table."""
        return Observation(state=JobState[word] if word in JobState.__members__ else JobState.UNKNOWN)


class OutageIsAbsence(Fake):
    """An outage is an answer in which no job is mentioned."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        try:
            return super().status(ctx, handles)
        except EvalyardError:
            return {}


class UnknownIsSuccess(Fake):
    """What cannot be found out has probably gone well."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        try:
            return super().status(ctx, handles)
        except EvalyardError:
            return {handle.name: _DONE for handle in handles}


class TimeoutIsFailure(Fake):
    """A query that takes too long means that the job has failed."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        try:
            return super().status(ctx, handles)
        except EvalyardError as error:
            return {handle.name: Observation(state=JobState.FAILED, reason=error.message) for handle in handles}


class CancelsOnSilence(Fake):
    """Ends the jobs that it could not ask about."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        try:
            return super().status(ctx, handles)
        except EvalyardError:
            for entry in FakeBackend.at(ctx.connection).book.values():
                entry.end()
            raise


class WaitsForever(Fake):
    """Waits for an answer as long as it takes."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        while FakeBackend.at(ctx.connection).faults.hanging:
            time.sleep(0.01)
        return super().status(ctx, handles)


class OneQueryPerJob(Fake):
    """Asks about each job by itself."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        return {name: seen for handle in handles for name, seen in Fake.status(self, ctx, [handle]).items()}


class LooksIntoOneFolder(Fake):
    """Sees only the jobs of the run that asks."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        return super().status(ctx, [handle for handle in handles if handle.data["directory"].startswith(ctx.run_dir)])


class RelabelsFinishedJobs(Fake):
    """What has ended is forgotten after a while, and what is forgotten has failed."""

    polls: ClassVar[dict[str, int]] = {}

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        seen = dict(super().status(ctx, handles))
        for name, observation in seen.items():
            if observation.state.final:
                self.polls[name] = self.polls.get(name, 0) + 1
                if self.polls[name] > 90:
                    seen[name] = Observation(state=JobState.FAILED, reason="not in the queue")
        return seen


class CompletedIsSucceeded(Fake):
    """The scheduler's word for the end is the result, and the exit file is not read."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        return {
            name: evolve(observation, exit=None, state=JobState.SUCCEEDED) if observation.exit else observation
            for name, observation in super().status(ctx, handles).items()
        }


class WrongExitCode(Fake):
    """The exit code is that of the wrapper, which always ends well or with 1."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        return {
            name: evolve(seen, exit=evolve(seen.exit, exit_code=min(seen.exit.exit_code, 1))) if seen.exit else seen
            for name, seen in super().status(ctx, handles).items()
        }


class ResultsMeanSuccess(Fake):
    """Where there is a result file, all went well."""

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Seen:
        seen = dict(super().status(ctx, handles))
        for handle in handles:
            if (Path(handle.data["directory"]) / "artifacts" / "results.yml").exists():
                seen[handle.name] = _DONE
        return seen


WATCHING = (
    Mutant(
        executor=MissingIsDone,
        fails=(
            Conformance.test_what_does_not_exist_is_never_said_to_have_succeeded,
            Conformance.test_an_answer_without_content_ends_nothing,
            Conformance.test_a_crowd_of_jobs_is_one_query,
        ),
    ),
    Mutant(executor=AnswersInItsOwnWords, fails=(Conformance.test_a_job_that_runs_is_seen_running,)),
    Mutant(executor=VanishedIsDone, fails=(Conformance.test_a_job_that_ends_without_a_word_has_not_succeeded,)),
    *(
        Mutant(
            executor=guessing,
            fails=(Conformance.test_a_word_that_is_not_in_the_table_is_unknown_and_is_shown,),
            kit={"observation_of": staticmethod(guessing.observation_of)},
        )
        for guessing in (GuessesStates, KeepsTheWord)
    ),
    Mutant(executor=OutageIsAbsence, fails=(Conformance.test_an_outage_of_hours_ends_nothing_and_loses_nothing,)),
    Mutant(
        executor=UnknownIsSuccess,
        fails=(
            Conformance.test_an_outage_of_hours_ends_nothing_and_loses_nothing,
            Conformance.test_a_hanging_backend_is_no_end_and_no_refusal,
        ),
    ),
    Mutant(executor=TimeoutIsFailure, fails=(Conformance.test_a_hanging_backend_is_no_end_and_no_refusal,)),
    Mutant(executor=CancelsOnSilence, fails=(Conformance.test_after_an_outage_everything_is_seen_as_it_is,)),
    Mutant(
        executor=WaitsForever,
        fails=(Conformance.test_every_call_ends_at_its_deadline_though_the_backend_hangs,),
        kit={"late_s": 1.0},
    ),
    Mutant(executor=OneQueryPerJob, fails=(Conformance.test_a_crowd_of_jobs_is_one_query,)),
    Mutant(executor=LooksIntoOneFolder, fails=(Conformance.test_jobs_of_two_runs_are_seen_in_one_answer,)),
    Mutant(
        executor=RelabelsFinishedJobs,
        fails=(Conformance.test_a_terminal_state_is_stable_over_many_polls_among_live_jobs,),
    ),
    Mutant(
        executor=CompletedIsSucceeded,
        fails=(
            Conformance.test_exit_code_0_with_a_result_is_success,
            Conformance.test_exit_code_0_without_a_result_is_failure,
            Conformance.test_another_exit_code_is_failure_and_the_reason_tells_it,
        ),
    ),
    Mutant(executor=WrongExitCode, fails=(Conformance.test_another_exit_code_is_failure_and_the_reason_tells_it,)),
    Mutant(executor=ResultsMeanSuccess, fails=(Conformance.test_a_harness_that_is_killed_has_failed_with_a_reason,)),
)
