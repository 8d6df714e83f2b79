"""Mutants that read logs and artifacts wrongly."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve

from evalyard import BackendError, Context, Handle, Job, LogChunk, Plan, hookimpl
from evalyard.testing import Conformance
from evalyard.testing.fake import Fake, FakeSettings
from evalyard.testing.fake_backend import FakeBackend
from tests.contract.mutants.kinds import Mutant


class CutsLogs(Fake):
    """Lines end where the buffer does."""

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        chunk = super().logs(ctx, handle, role, cursor, limit)
        return evolve(chunk, lines=tuple(line[:limit] for line in chunk.lines))


class CutsLongLines(Fake):
    """No line is longer than 4096 characters."""

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        chunk = super().logs(ctx, handle, role, cursor, limit)
        return evolve(chunk, lines=tuple(line[:4096] for line in chunk.lines))


class EndsAtTheFirstPause(Fake):
    """Nothing new means that the log has ended."""

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        chunk = super().logs(ctx, handle, role, cursor, limit)
        return evolve(chunk, ended=chunk.ended or (bool(cursor) and not chunk.lines))


class DropsStrangeBytes(Fake):
    """Bytes that are no text are left out."""

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        chunk = super().logs(ctx, handle, role, cursor, limit)
        return evolve(chunk, lines=tuple(line.replace("\N{REPLACEMENT CHARACTER}", "") for line in chunk.lines))


class RunsWordsTogether(Fake):
    """What its script says stands on the line that the harness left unfinished."""

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        plan = super().plan(settings, job)
        needs = []
        for need in plan.needs:
            files = [evolve(file, text=file.text.replace("then echo; fi", "then :; fi")) for file in need.files]
            needs.append(evolve(need, files=tuple(files)))
        return evolve(plan, needs=tuple(needs))


class CapsLogs(Fake):
    """A log has 1000 lines at most, as the service's API says."""

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        chunk = super().logs(ctx, handle, role, cursor, limit)
        return evolve(chunk, ended=True) if int(chunk.cursor or 0) >= 1000 else chunk


class KeepsItsPlace(Fake):
    """Remembers by itself how far a log was read."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        chunk = super().logs(ctx, handle, role, self.places.get(handle.name, ""), limit)
        self.places[handle.name] = chunk.cursor
        return chunk


class StartsOver(Fake):
    """A cursor at the end stands for the start."""

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        chunk = super().logs(ctx, handle, role, cursor, limit)
        return evolve(chunk, cursor="") if chunk.ended else chunk


class ForgetsLogs(Fake):
    """What was torn down has no log any more."""

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        if handle.name not in FakeBackend.at(ctx.connection).book:
            return LogChunk(cursor=cursor, ended=True)
        return super().logs(ctx, handle, role, cursor, limit)


class NoLogIsAnError(Fake):
    """A log that is not there cannot be read."""

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        chunk = super().logs(ctx, handle, role, cursor, limit)
        if not chunk.lines and not cursor:
            raise BackendError("no such file")
        return chunk


class MixesRoles(Fake):
    """There is one log, whoever is asked for."""

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        return super().logs(ctx, handle, "client", cursor, limit)


class FetchesNothing(Fake):
    """Says that it brings results home, and brings none."""

    @hookimpl
    def fetch(self, ctx: Context, handle: Handle, dest: Path) -> Sequence[str]:
        return ()


class FetchesForever(Fake):
    """Brings results home, however long that takes."""

    @hookimpl
    def fetch(self, ctx: Context, handle: Handle, dest: Path) -> Sequence[str]:
        while FakeBackend.at(ctx.connection).faults.hanging:
            time.sleep(0.01)
        return ()


READING = (
    Mutant(executor=CutsLogs, fails=(Conformance.test_logs_give_every_line_once_however_small_the_pieces,)),
    Mutant(executor=CutsLongLines, fails=(Conformance.test_logs_give_a_long_line_whole,)),
    Mutant(
        executor=EndsAtTheFirstPause,
        fails=(
            Conformance.test_logs_give_every_line_once_however_small_the_pieces,
            Conformance.test_following_a_log_misses_nothing_and_ends_with_the_job,
        ),
    ),
    Mutant(
        executor=DropsStrangeBytes,
        fails=(Conformance.test_logs_survive_bytes_that_are_no_text_and_never_split_a_character,),
    ),
    Mutant(executor=RunsWordsTogether, fails=(Conformance.test_logs_keep_last_words_without_a_newline,)),
    Mutant(
        executor=CapsLogs,
        fails=(
            Conformance.test_a_large_log_is_read_to_its_end,
            Conformance.test_the_tail_of_a_large_log_is_its_last_lines,
        ),
    ),
    Mutant(
        executor=KeepsItsPlace,
        fails=(
            Conformance.test_the_same_cursor_gives_the_same_lines,
            Conformance.test_the_tail_of_a_large_log_is_its_last_lines,
        ),
    ),
    Mutant(executor=StartsOver, fails=(Conformance.test_logs_stay_ended_after_the_end,)),
    Mutant(executor=ForgetsLogs, fails=(Conformance.test_logs_outlive_the_teardown,)),
    Mutant(executor=NoLogIsAnError, fails=(Conformance.test_a_log_that_does_not_exist_is_empty_and_no_error,)),
    Mutant(executor=MixesRoles, fails=(Conformance.test_harness_and_server_have_logs_of_their_own,)),
    Mutant(
        executor=FetchesNothing,
        fails=(Conformance.test_artifacts_come_home_as_often_as_they_are_asked_for,),
        kit={"not_offered": frozenset({"discovery"})},
    ),
    Mutant(
        executor=FetchesForever,
        fails=(Conformance.test_every_call_ends_at_its_deadline_though_the_backend_hangs,),
        kit={"not_offered": frozenset({"discovery"}), "late_s": 1.0},
    ),
)
