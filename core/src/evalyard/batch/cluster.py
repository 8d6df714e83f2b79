"""What is done at a cluster: between core's records and the commands on its login node."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from evalyard.batch.answers import BatchAnswer, Row, parse_status, queue_in, rows_of, table
from evalyard.batch.commands import command_text, submit_line
from evalyard.batch.ending import end_jobs
from evalyard.batch.evidence import observe
from evalyard.batch.remote import ask
from evalyard.batch.system import BatchSystem, JobRow
from evalyard.errors import BackendError, Transient
from evalyard.plugins.context import Context
from evalyard.records.handles import Handle, LaunchError
from evalyard.records.observations import Observation
from evalyard.records.plans import Need, Plan
from evalyard.states import JobState


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
    ) -> tuple[tuple[str, ...], ...]:
        """Run a command by its name, which reads these lines of fields, and return the rows of its answer: fields each.

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

        One that was, and whose number nobody tells, is left out as long as others are found: whoever misses it asks
        for it alone, or submits it, which adopts it.

        Raises:
            Transient: that cannot be said now.
        """
        wanted = {mark: name for name, mark in names.items()}
        rows = self.rows(ctx, "find", [ctx.run_dir], [(mark,) for mark in wanted])
        queue = self._queue(ctx, rows)
        found = {}
        untold = ""
        for row in rows:
            match row:
                case ("job", mark, answer, attempt, directory) if name := wanted.get(mark):
                    if number := self._number(answer, name, queue):
                        found[name] = _handle(name, mark, number, attempt, directory)
                    else:
                        untold = name
        if untold and not found:
            raise Transient(f"{self.system.title} has {untold}, and does not say under which number")
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
        seen = {handle.name: self._observe(handle, answer) for handle in jobs}
        return {name: observation for name, observation in seen.items() if observation is not None}

    def end(self, ctx: Context, handles: Sequence[Handle], *, wait: bool) -> tuple[Handle, ...]:
        """Ask jobs to end; return those that have not, as far as that was waited for, and those that were refused it.

        Raises:
            Transient: the cluster did not answer.
        """
        return end_jobs(self, ctx, handles, wait=wait)

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

    def _observe(self, handle: Handle, answer: BatchAnswer) -> Observation | None:
        number = answer.numbers.get(handle.name, handle.id)
        fresh = handle if number == handle.id else evolve(handle, id=number)
        own = self.system.observe
        seen = own(fresh, answer) if own is not None else observe(self.system, fresh, answer)
        if fresh is handle:
            return seen
        # Two were submitted for this attempt, and the other one has begun it: the queue was not asked for its number.
        return evolve(seen or Observation(state=JobState.RUNNING), handle=fresh)


def _is_here(handle: Handle, dest: Path) -> bool:
    """Whether a folder of this machine is the task's own: a disk that the cluster shares with this machine, too."""
    if dest != Path(handle.data["directory"]):
        return False
    try:
        sent = (dest / "attempts" / handle.data["attempt"] / "submitting").read_text(encoding="utf-8")
    except OSError:
        return False
    return sent.startswith(handle.mark)


def _handle(name: str, mark: str, number: str, attempt: str, directory: str) -> Handle:
    return Handle(name=name, mark=mark, id=number, data={"directory": directory, "attempt": attempt})
