"""An executor whose backend is a book in memory: the jobs are real processes, everything else can be made to go wrong.

A backend lives as long as the test's process. Its name is its address: sessions whose connections name the same
backend share its book.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from evalyard.errors import InvalidJob, Transient
from evalyard.harness.evidence import attempt_folder
from evalyard.harness.script import job_script, server_script, with_server_script
from evalyard.ids import SERVER_FOLDER
from evalyard.plugins.context import Context
from evalyard.plugins.markers import API, hookimpl
from evalyard.records.connections import Connection
from evalyard.records.files import PlannedFile
from evalyard.records.findings import Finding, Severity
from evalyard.records.handles import Handle, LaunchError
from evalyard.records.jobs import Job
from evalyard.records.observations import LogChunk, Observation
from evalyard.records.plans import Binding, Need, NeedKind, Plan
from evalyard.testing.fake_backend import (
    HOST,
    Booked,
    FakeBackend,
    booked_files,
    booked_server,
    entry_handle,
    observe,
    read_lines,
    write,
)


@frozen(kw_only=True)
class FakeSettings:
    """The `execution:` section of `type: fake`."""

    output_dir: str
    backend: str = "fake"
    max_parallel: int | None = None
    kill_grace_s: float = 10.0
    endpoint_readiness_timeout: int = 600
    """Seconds that a job waits for its model server."""

    def connection(self) -> Connection:
        """Which book."""
        return Connection(executor="fake", address={"backend": self.backend})


class Fake:
    """Runs each task as a child of this process."""

    api = API
    Settings = FakeSettings

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
        """Say that the backend answers."""
        FakeBackend.at(ctx.connection).call("check", ctx.deadline)
        return (Finding(severity=Severity.OK, subject="fake", message=f"{len(plans)} plans can be taken"),)

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        """Render one attempt."""
        wait_s = settings.endpoint_readiness_timeout
        script = PlannedFile(path=f"{job.folder}/run.sh", text=job_script(job, ready_timeout_s=wait_s), mode=0o755)
        files, needs, bindings = [script, *job.files, *job.harness.files], [], {}
        if job.server is not None:
            serve = server_script(job.server, job.invocation, host=HOST)
            files += [
                PlannedFile(path=f"{SERVER_FOLDER}/run.sh", text=serve, mode=0o755),
                PlannedFile(path=f"{SERVER_FOLDER}/with_server.sh", text=with_server_script(job.server), mode=0o755),
                *job.server.files,
            ]
            directory = f"{job.run_dir}/{SERVER_FOLDER}"
            needs = [Need(key="server", kind=NeedKind.SERVER, directory=directory, argv=("sh", "run.sh"))]
            bindings = {
                "EVALYARD_BASE_URL": Binding(need="server", output="base_url"),
                "EVALYARD_SERVER_EXIT": Binding(need="server", output="exit_file"),
            }
        return Plan(
            job=job.id,
            task=job.task.name,
            attempt=job.attempt,
            name=job.name,
            mark=job.mark,
            directory=job.directory,
            argv=("sh", "run.sh"),
            environment={"FAKE_BACKEND": settings.backend},
            bindings=bindings,
            needs=(Need(key="files", kind=NeedKind.FILES, directory=job.run_dir, files=tuple(files)), *needs),
            concurrency=settings.max_parallel,
            grace_s=settings.kill_grace_s,
            results=job.harness.results,
        )

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Handle:
        """Write the files, or start the server."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("provision", ctx.deadline)
        known = backend.booked(need.name, need.mark)
        if known is not None and need.kind is not NeedKind.FILES:
            return known.handle
        if need.kind is NeedKind.FILES:
            for file in need.files:
                write(Path(need.directory) / file.path, ctx.content(file), file.mode)
        booked = booked_server if need.kind is NeedKind.SERVER else booked_files
        entry = booked(need, ctx.owner)
        backend.book[need.name] = entry
        return entry.handle

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        """Start each job's script, or book it for later."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("launch", ctx.deadline)
        answers: dict[str, Handle | LaunchError] = {}
        for plan in plans:
            try:
                with backend.lock:
                    answers[plan.name] = self._launch_one(backend, plan, ctx.owner)
            except InvalidJob as error:
                answers[plan.name] = LaunchError(message=error.message)
        if backend.faults.lost_replies:
            backend.faults.lost_replies -= 1
            raise Transient("the reply was lost")
        return answers

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        """Look into the book."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("find", ctx.deadline)
        entries = {name: backend.book[name] for name in names if name in backend.book}
        return {name: entry.handle for name, entry in entries.items() if entry.handle.mark == names[name]}

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        """Look at exit files and processes."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("status", ctx.deadline)
        if backend.faults.query_fails:
            raise Transient(backend.faults.query_fails)
        seen: dict[str, Observation] = {}
        for handle in handles:
            entry = backend.book.get(handle.name)
            if entry is None or entry.handle.mark != handle.mark or handle.name in backend.faults.omitted:
                continue
            if entry.process is None and entry.argv and not entry.cancelled and not backend.faults.queue:
                entry.start()
            seen[handle.name] = observe(entry)
        return seen

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read lines; the cursor is the number of lines read."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("logs", ctx.deadline)
        entry = backend.book.get(handle.name)
        # Before the file is read, or its end could be missed.
        ended = entry is None or entry.handle.mark != handle.mark or (entry.process is not None and not entry.running)
        directory, attempt = Path(handle.data["directory"]), int(handle.data["attempt"])
        if handle.kind == "job" and role == "client":
            path = attempt_folder(directory, attempt) / "logs" / "stdout.log"
        else:
            path = directory.parent / SERVER_FOLDER / "logs" / "server.log"
        return read_lines(path, int(cursor or 0), limit, ended=ended)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """Ask the scripts to end."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("cancel", ctx.deadline)
        for entry in (backend.book[handle.name] for handle in handles if handle.name in backend.book):
            if entry.process is None:
                entry.cancelled = True
            elif entry.running:
                entry.process.terminate()
        return ()

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """Kill what is left and strike it off the book."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("teardown", ctx.deadline)
        for handle in handles:
            entry = backend.book.get(handle.name)
            if entry is not None and entry.handle.mark == handle.mark and handle.name not in backend.faults.stuck:
                entry.end()
                del backend.book[handle.name]
        return [handle for handle in handles if handle.name in backend.book]

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
        """Return what this launcher has in the book and nobody knows."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("orphans", ctx.deadline)
        mine = {name: entry for name, entry in backend.book.items() if entry.owner == ctx.owner}
        return [entry.handle for name, entry in mine.items() if known.get(name) != entry.handle.mark]

    def _launch_one(self, backend: FakeBackend, plan: Plan, owner: str) -> Handle:
        known = backend.booked(plan.name, plan.mark)
        if known is not None:
            return known.handle
        if plan.name in backend.faults.refused:
            raise InvalidJob(backend.faults.refused[plan.name])
        directory = Path(plan.directory)
        entry = Booked(
            handle=entry_handle(plan.name, plan.mark, directory, plan.attempt),
            directory=directory,
            attempt=plan.attempt,
            owner=owner,
            argv=plan.argv,
            environment=plan.environment,
        )
        if not backend.faults.queue:
            entry.start()
        backend.book[plan.name] = entry
        return entry.handle
