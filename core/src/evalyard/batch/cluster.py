"""What is done at a cluster: between core's records and the commands on its login node."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import define, field, frozen

from evalyard.batch.answers import Row, parse_status, queue_in, rows_of, table
from evalyard.batch.commands import command_text, submit_line
from evalyard.batch.evidence import observe
from evalyard.batch.remote import ask
from evalyard.batch.system import BatchSystem, JobRow
from evalyard.errors import BackendError, Transient
from evalyard.harness.logs import cut_log
from evalyard.plugins.context import Context
from evalyard.records import Handle, LaunchError, LogChunk, Need, Observation, Plan

GONE_WITHIN_S = 90.0
"""How long `teardown` waits for jobs to be gone: longer than most clusters take to kill one."""
SPARED_S = 10.0
"""How long a job that has written its result is left to end by itself."""
LONGEST_PAUSE_S = 3.0
SMALLEST_PIECE = 1 << 16
"""Bytes of a log that are read at least: more than a line has."""
QUIET_S = 10.0
"""How often the queue is asked whether a job that has not written its end still runs, while its log is followed."""


@frozen
class Cluster:
    """The hooks' work at the login node of a scheduler."""

    system: BatchSystem

    def ask(self, ctx: Context, command: str, arguments: Sequence[str] = (), given: bytes = b"") -> bytes:
        """Run a command by its name and return what it prints.

        Raises:
            Transient: it could not be reached, or did not answer in time.
            BackendError: it cannot be used.
        """
        return ask(ctx, command_text(self.system, command), arguments, given, self.system.plain)

    def rows(
        self, ctx: Context, command: str, arguments: Sequence[str] = (), lines: Iterable[Sequence[str]] = ()
    ) -> tuple[Row, ...]:
        """Run a command by its name, which reads these lines of fields, and return the rows of its answer.

        Raises:
            Transient: the cluster did not answer.
            BackendError: it cannot be used.
        """
        return rows_of(self.ask(ctx, command, arguments, table(lines)), self.system.plain)

    def write(self, ctx: Context, need: Need) -> None:
        """Write the files of a need below its directory; what is there already is replaced.

        Raises:
            BackendError: they cannot be written, or something that jobs mount is not there.
            SecretError: a secret has no value; nothing is written.
        """
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for file in need.files:
                content = ctx.content(file).encode("utf-8", "surrogateescape")
                entry = tarfile.TarInfo(file.path)
                entry.size, entry.mode, entry.mtime = len(content), file.mode, int(time.time())
                archive.addfile(entry, io.BytesIO(content))
        sources = [str(source) for source in need.payload.get("mounts", ())]
        rows = rows_of(self.ask(ctx, "unpack", [need.directory, *sources], stream.getvalue()), self.system.plain)
        refused = [row[1] for row in rows if row[0] == "refused"]
        if refused:
            raise BackendError(
                f"cannot write {need.directory} on the cluster: {self.system.plain(refused[0])}",
                hint="set execution.output_dir to another folder",
            )
        missing = [row[1] for row in rows if row[0] == "missing"]
        if missing:
            raise BackendError(
                f"not on the cluster: {', '.join(missing)}",
                hint="mounts and model folders have to be there before a run",
            )

    def submit(self, ctx: Context, plans: Sequence[Plan]) -> dict[str, Handle | LaunchError]:
        """Submit jobs by their plans' argument lists, or adopt those that are submitted already.

        Raises:
            Transient: whether they were taken is not known.
        """
        lines = [(plan.name, plan.mark, str(plan.attempt), plan.directory, submit_line(plan.argv)) for plan in plans]
        asked = {plan.name: plan for plan in plans}
        rows = self.rows(ctx, "submit", [ctx.run_dir, ctx.owner], lines)
        queue = self._queue(ctx, rows)
        answers: dict[str, Handle | LaunchError] = {}
        for row in rows:
            match row:
                case ("job", name, answer) if name in asked:
                    plan = asked[name]
                    if number := self._number(answer, name, queue):
                        answers[name] = _handle(name, plan.mark, number, str(plan.attempt), plan.directory)
                    else:
                        message = f"{self.system.title} has it, and does not say under which number"
                        answers[name] = LaunchError(message=message, transient=True)
                case ("refused", name, said):
                    message = self.system.plain(said) or f"{plans[0].argv[0]} gave no reason"
                    answers[name] = LaunchError(message=message, transient=self.system.passes(said))
                case ("unclear", name, said):
                    answers[name] = LaunchError(message=self.system.plain(said), transient=True)
        return answers

    def find(self, ctx: Context, names: Mapping[str, str]) -> dict[str, Handle]:
        """Return the handles of jobs that were submitted with these marks.

        Raises:
            Transient: that cannot be said now.
        """
        wanted = {mark: name for name, mark in names.items()}
        rows = self.rows(ctx, "find", [ctx.run_dir], [(mark,) for mark in wanted])
        queue = self._queue(ctx, rows)
        found = {}
        for row in rows:
            match row:
                case ("job", mark, answer, attempt, directory) if name := wanted.get(mark):
                    if not (number := self._number(answer, name, queue)):
                        raise Transient(f"{self.system.title} has {name}, and does not say under which number")
                    found[name] = _handle(name, mark, number, attempt, directory)
        return found

    def status(self, ctx: Context, handles: Sequence[Handle]) -> dict[str, Observation]:
        """Say where jobs stand, with one command for all.

        Raises:
            Transient: the cluster did not answer.
        """
        jobs = [handle for handle in handles if handle.kind == "job"]
        if not jobs:
            return {}
        lines = [(handle.name, handle.id, handle.data["attempt"], handle.data["directory"]) for handle in jobs]
        answer = parse_status(self.system, self.ask(ctx, "status", (), table(lines)))
        own = self.system.observe
        seen = {
            handle.name: own(handle, answer) if own is not None else observe(self.system, handle, answer)
            for handle in jobs
        }
        return {name: observation for name, observation in seen.items() if observation is not None}

    def end(self, ctx: Context, handles: Sequence[Handle], *, wait: bool) -> tuple[Handle, ...]:
        """Ask jobs to end; return those that have not, as far as that was waited for.

        Raises:
            Transient: the cluster did not answer.
        """
        jobs = [handle for handle in handles if handle.kind == "job" and (wait or handle.id)]
        if not jobs:
            return ()
        began = time.monotonic()
        patience_s = min(GONE_WITHIN_S, ctx.remaining_s * 0.8) if wait else 0.0
        live, ended = self._ended(ctx, jobs)
        asked: set[str] = set()
        pause_s = 0.0
        while live:
            waited_s = time.monotonic() - began
            spared = ended if wait and waited_s < min(SPARED_S, patience_s) else set()
            due = [handle.id for handle in live if handle.name not in spared and handle.id not in asked]
            if not due and waited_s >= patience_s:
                break
            time.sleep(min(pause_s, max(0.0, patience_s - waited_s)))
            pause_s = min(LONGEST_PAUSE_S, pause_s * 1.5 + 0.1)
            asked.update(due)
            live, ended = self._ended(ctx, live, due)
        return tuple(live) if wait else ()

    def orphans(self, ctx: Context, known: Mapping[str, str]) -> tuple[Handle, ...]:
        """Return what this launcher has in the queue and is not among `known` (name -> mark).

        Raises:
            Transient: the cluster did not answer.
        """
        live = [
            (row.id, row.name.rpartition(".")[2], row.folder)
            for row in queue_in(self.system, self.rows(ctx, "orphans"))
            if row.folder and not self.system.state_of(row.word).final
        ]
        ours = [line for line in live if line[1].startswith("ey-")]
        if not ours:
            return ()
        marks = set(known.values())
        rows = self.rows(ctx, "owners", [ctx.owner], ours)
        return tuple(
            _handle(name, mark, self._number(answer, name, ()), attempt, directory)
            for word, mark, answer, attempt, directory, name in (row for row in rows if len(row) == 6)
            if word == "job" and mark not in marks
        )

    def fetch(self, ctx: Context, handle: Handle, dest: Path) -> tuple[str, ...]:
        """Bring a task's files into a folder; return their paths below it.

        Raises:
            Transient: the cluster did not answer, or the stream broke off.
            BackendError: the folder cannot be written.
        """
        if handle.kind != "job" or _is_here(handle, dest):
            return ()
        packed = self.ask(ctx, "pack", [handle.data["directory"]])
        if not packed:
            return ()
        try:
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                archive.extractall(dest, filter="data")
                return tuple(member.name for member in archive.getmembers() if member.isfile())
        except tarfile.ReadError as error:
            raise Transient(f"what came of {handle.data['directory']} is no whole archive: {error}") from error
        except tarfile.FilterError as error:
            raise BackendError(f"{handle.data['directory']} holds what must not be unpacked here: {error}") from error
        except OSError as error:
            raise BackendError(f"cannot write {error.filename or dest}: {error.strerror}") from error

    def _queue(self, ctx: Context, rows: Sequence[Row]) -> tuple[JobRow, ...]:
        """Return what the queue says; it is asked where nobody else has told a job's number."""
        queue = queue_in(self.system, rows)
        if not queue and any(row[0] == "job" and not self.system.number_in(row[2]) for row in rows):
            queue = queue_in(self.system, self.rows(ctx, "orphans"))
        return queue

    def _number(self, answer: str, name: str, queue: Iterable[JobRow]) -> str:
        """Return a job's number, as far as it is known; empty = it is not."""
        return self.system.number_in(answer) or next((row.id for row in queue if row.belongs_to(name)), "")

    def _ended(self, ctx: Context, jobs: Sequence[Handle], due: Sequence[str] = ()) -> tuple[list[Handle], set[str]]:
        """Ask for the end of these numbers; return which of all jobs live, and the names of those with a result."""
        lines = [
            (job.name, job.mark, job.id or "-", job.data.get("attempt", "-"), job.data.get("directory", "-"))
            for job in jobs
        ]
        rows = self.rows(ctx, "end", [ctx.run_dir, *due], lines)
        for row in rows:
            # What has ended meanwhile cannot be ended: only silence is a failure.
            if row[0] == "uncancelled" and row[1].strip() and self.system.passes(row[1]):
                raise Transient(self.system.plain(row[1]))
        sent = {row[1] for row in rows if row[0] == "sent"}
        live = []
        queue = [row for row in queue_in(self.system, rows) if not self.system.state_of(row.word).final]
        for job in jobs:
            # Numbers are given again when a scheduler loses its memory: a job is ours if it also has our name.
            held = [row.id for row in queue if row.belongs_to(job.name) and (row.id == job.id or not job.id)]
            if job.id or job.name in sent:
                live += [_with_number(job, number) for number in held]
        return live, {row[1] for row in rows if row[0] == "ended"}


@define
class Logs:
    """Reads logs, and asks the queue itself only now and then whether their job still runs."""

    cluster: Cluster
    _asked: dict[str, float] = field(factory=dict, init=False)

    def read(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read on in the log of a job, or of the server in it.

        Raises:
            Transient: the cluster did not answer.
        """
        if handle.kind != "job":
            return LogChunk(cursor=cursor, ended=True)
        now = time.monotonic()
        due = now - self._asked.setdefault(handle.name, now - QUIET_S) >= QUIET_S
        if due:
            self._asked[handle.name] = now
        size = max(limit, SMALLEST_PIECE)
        place = [handle.data["directory"], handle.data["attempt"], handle.id, role]
        # One byte more than is looked at tells whether there is more.
        given = self.cluster.ask(ctx, "tail", [*place, cursor or "0", str(size + 1), "ask" if due else ""])
        head, end, data = (b"\n" + given).partition(b"\nend\n")
        rows = rows_of(head + end, self.cluster.system.plain)
        writer_ended = ("ended",) in rows or (("asked",) in rows and not self._lives(handle, rows))
        return cut_log(data[:size], cursor, limit, more=len(data) > size, writer_ended=writer_ended)

    def _lives(self, handle: Handle, rows: Sequence[Row]) -> bool:
        system = self.cluster.system
        return any(
            row.id == handle.id and row.belongs_to(handle.name) and not system.state_of(row.word).final
            for row in queue_in(system, rows)
        )


def _is_here(handle: Handle, dest: Path) -> bool:
    """Whether a folder of this machine is the task's own: a disk that the cluster shares with this machine, too."""
    if dest != Path(handle.data["directory"]):
        return False
    try:
        sent = (dest / "attempts" / handle.data["attempt"] / "submitting").read_text(encoding="utf-8")
    except OSError:
        return False
    return sent.startswith(handle.mark)


def _with_number(job: Handle, number: str) -> Handle:
    if job.id:
        return job
    return Handle(name=job.name, mark=job.mark, id=number, data=job.data)


def _handle(name: str, mark: str, number: str, attempt: str, directory: str) -> Handle:
    return Handle(name=name, mark=mark, id=number, data={"directory": directory, "attempt": attempt})
