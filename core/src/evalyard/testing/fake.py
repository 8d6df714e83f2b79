"""An executor whose backend is a book in memory: the jobs are real processes, everything else can be made to go wrong.

A backend lives as long as the test's process. Its name is its address: sessions whose connections name the same
backend share its book.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from attrs import define, field, frozen

from evalyard.errors import InvalidJob, Transient
from evalyard.harness.evidence import attempt_folder, read_exit, read_start
from evalyard.harness.script import SERVER_FOLDER, job_script, server_script, with_server_script
from evalyard.plugins.context import Context
from evalyard.plugins.markers import API, hookimpl
from evalyard.records import (
    Binding,
    Connection,
    Finding,
    Handle,
    Job,
    LaunchError,
    LogChunk,
    Need,
    NeedKind,
    Observation,
    Plan,
    PlannedFile,
    Severity,
)
from evalyard.states import JobState

HOST = "127.0.0.1"
_PATIENCE_S = 20.0


@define(kw_only=True)
class Faults:
    """What goes wrong at a backend, until a test says otherwise. Names are backend names (`ey-...`)."""

    unreachable: str = ""
    """Why no call is answered; empty = calls are."""
    query_fails: str = ""
    """Why `status` is not answered; empty = it is."""
    omitted: set[str] = field(factory=set)
    """What `status` does not mention."""
    lost_replies: int = 0
    """How many of the next launches take effect and answer nothing."""
    refused: dict[str, str] = field(factory=dict)
    """Jobs that `launch` refuses, with the reason."""
    stuck: set[str] = field(factory=set)
    """What `teardown` cannot remove."""
    queue: bool = False
    """Whether launched jobs wait; they start with the first status query after this is False again."""
    slow_s: float = 0.0
    """How long every call takes at least."""


@define(kw_only=True)
class Booked:
    """One job or need of the book."""

    handle: Handle
    directory: Path
    attempt: int
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(factory=dict)
    process: subprocess.Popen[bytes] | None = None
    cancelled: bool = False
    """Whether its end was asked for before it had started."""

    def start(self) -> None:
        """Start its script, and wait until that has taken the attempt."""
        mark = {"EVALYARD_LAUNCH": self.handle.mark, "EVALYARD_ATTEMPT": str(self.attempt)}
        try:
            self.process = subprocess.Popen(
                self.argv,
                cwd=self.directory,
                env={**os.environ, **self.environment, **mark},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise InvalidJob(f"cannot start in {self.directory}: {error.strerror}") from error
        give_up = time.monotonic() + _PATIENCE_S
        while read_start(self.directory, self.attempt) is None:
            if self.process.poll() is not None and read_start(self.directory, self.attempt) is None:
                raise InvalidJob(f"the job script ended with code {self.process.returncode} before it began")
            if time.monotonic() > give_up:
                raise Transient(f"the job script did not begin within {_PATIENCE_S:.0f} s")
            time.sleep(0.005)

    @property
    def running(self) -> bool:
        """Whether its script is at work."""
        return self.process is not None and self.process.poll() is None

    def end(self) -> None:
        """Kill whatever is left of it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@define(kw_only=True)
class FakeBackend:
    """A backend: its book, its faults, and which calls it got."""

    name: str = "fake"
    book: dict[str, Booked] = field(factory=dict)
    faults: Faults = field(factory=Faults)
    calls: list[str] = field(factory=list)
    """The hooks that were called, in order."""

    _known: ClassVar[dict[str, FakeBackend]] = {}

    @classmethod
    def at(cls, connection: Connection) -> FakeBackend:
        """Return the backend of a connection, made at its first use."""
        name = connection.address["backend"]
        return cls._known.setdefault(name, cls(name=name))

    def call(self, hook: str) -> None:
        """Take note of a call, or fail to answer it.

        Raises:
            Transient: the test wants no call to be answered.
        """
        self.calls.append(hook)
        time.sleep(self.faults.slow_s)
        if self.faults.unreachable:
            raise Transient(self.faults.unreachable)

    def booked(self, name: str, mark: str) -> Booked | None:
        """Return what is under a name and mark of ours.

        Raises:
            InvalidJob: the name is somebody else's.
        """
        entry = self.book.get(name)
        if entry is not None and entry.handle.mark != mark:
            raise InvalidJob(f"{name} exists and is not ours")
        return entry

    def close(self) -> None:
        """End every process and forget the book."""
        for entry in self.book.values():
            entry.end()
        self.book.clear()
        self._known.pop(self.name, None)


@frozen(kw_only=True)
class FakeSettings:
    """The `execution:` section of `type: fake`."""

    output_dir: str
    backend: str = "fake"
    max_parallel: int | None = None
    kill_grace_s: float = 10.0

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
        FakeBackend.at(ctx.connection).call("check")
        return (Finding(severity=Severity.OK, subject="fake", message=f"{len(plans)} plans can be taken"),)

    @hookimpl
    def plan(self, settings: FakeSettings, job: Job) -> Plan:
        """Render one attempt."""
        script = PlannedFile(path=f"{job.folder}/run.sh", text=job_script(job), mode=0o755)
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
        backend.call("provision")
        known = backend.booked(need.name, need.mark)
        if known is not None and need.kind is not NeedKind.FILES:
            return known.handle
        if need.kind is NeedKind.FILES:
            for file in need.files:
                _write(Path(need.directory) / file.path, ctx.content(file), file.mode)
        entry = self._booked_server(need) if need.kind is NeedKind.SERVER else _booked_files(need)
        backend.book[need.name] = entry
        return entry.handle

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
        """Start each job's script, or book it for later."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("launch")
        answers: dict[str, Handle | LaunchError] = {}
        for plan in plans:
            try:
                answers[plan.name] = self._launch_one(backend, plan)
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
        backend.call("find")
        entries = {name: backend.book[name] for name in names if name in backend.book}
        return {name: entry.handle for name, entry in entries.items() if entry.handle.mark == names[name]}

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        """Look at exit files and processes."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("status")
        if backend.faults.query_fails:
            raise Transient(backend.faults.query_fails)
        seen: dict[str, Observation] = {}
        for handle in handles:
            entry = backend.book.get(handle.name)
            if entry is None or entry.handle.mark != handle.mark or handle.name in backend.faults.omitted:
                continue
            if entry.process is None and entry.argv and not entry.cancelled and not backend.faults.queue:
                entry.start()
            seen[handle.name] = _observe(entry)
        return seen

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read lines; the cursor is the number of lines read."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("logs")
        entry = backend.book.get(handle.name)
        ended = entry is None or not entry.running  # before the file is read, or its end could be missed
        directory, attempt = Path(handle.data["directory"]), int(handle.data["attempt"])
        if handle.kind == "job" and role == "client":
            path = attempt_folder(directory, attempt) / "logs" / "stdout.log"
        else:
            path = directory.parent / SERVER_FOLDER / "logs" / "server.log"
        return _read_lines(path, int(cursor or 0), limit, ended=ended)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        """Ask the scripts to end."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("cancel")
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
        backend.call("teardown")
        for handle in handles:
            entry = backend.book.get(handle.name)
            if entry is not None and entry.handle.mark == handle.mark and handle.name not in backend.faults.stuck:
                entry.end()
                del backend.book[handle.name]
        return [handle for handle in handles if handle.name in backend.book]

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
        """Return what is in the book and not known."""
        backend = FakeBackend.at(ctx.connection)
        backend.call("orphans")
        return [entry.handle for name, entry in backend.book.items() if known.get(name) != entry.handle.mark]

    def _launch_one(self, backend: FakeBackend, plan: Plan) -> Handle:
        known = backend.booked(plan.name, plan.mark)
        if known is not None:
            return known.handle
        if plan.name in backend.faults.refused:
            raise InvalidJob(backend.faults.refused[plan.name])
        directory = Path(plan.directory)
        entry = Booked(
            handle=_handle(plan.name, plan.mark, directory, plan.attempt),
            directory=directory,
            attempt=plan.attempt,
            argv=plan.argv,
            environment=plan.environment,
        )
        if not backend.faults.queue:
            entry.start()
        backend.book[plan.name] = entry
        return entry.handle

    def _booked_server(self, need: Need) -> Booked:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        directory = Path(need.directory)
        outputs = {
            "base_url": f"http://{HOST}:{port}",
            "exit_file": str(directory / "attempts" / str(need.attempt) / "exit.json"),
        }
        handle = _handle(need.name, need.mark, directory, need.attempt, kind=need.kind, outputs=outputs)
        environment = {**need.environment, "PORT": str(port)}
        entry = Booked(
            handle=handle, directory=directory, attempt=need.attempt, argv=need.argv, environment=environment
        )
        entry.start()
        return entry


def _handle(
    name: str, mark: str, directory: Path, attempt: int, kind: str = "job", outputs: Mapping[str, str] | None = None
) -> Handle:
    data = {"directory": str(directory), "attempt": str(attempt)}
    return Handle(name=name, mark=mark, kind=kind, id=f"booked-{name}", outputs=outputs or {}, data=data)


def _booked_files(need: Need) -> Booked:
    directory = Path(need.directory)
    handle = _handle(need.name, need.mark, directory, need.attempt, kind=need.kind)
    return Booked(handle=handle, directory=directory, attempt=need.attempt)


def _observe(entry: Booked) -> Observation:
    running = entry.running  # before the exit file is read, or a job that ends in between looks killed
    record = read_exit(entry.directory, entry.attempt)
    if not entry.argv:
        return Observation(state=JobState.RUNNING)
    if record is not None:
        done = record.exit_code == 0 and record.results
        return Observation(state=JobState.SUCCEEDED if done else JobState.FAILED, reason=record.reason, exit=record)
    if entry.cancelled:
        return Observation(state=JobState.CANCELLED, reason="cancelled in the queue")
    if entry.process is None:
        return Observation(state=JobState.QUEUED, reason="the fake queue is closed")
    if running:
        return Observation(state=JobState.RUNNING)
    return Observation(state=JobState.FAILED, reason="the job script was killed")


def _write(target: Path, text: str, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
        os.fchmod(descriptor, mode)
        stream.write(text)


def _read_lines(path: Path, done: int, limit: int, *, ended: bool) -> LogChunk:
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return LogChunk(cursor=str(done), ended=ended)
    unfinished = lines.pop()
    if ended and unfinished:
        lines.append(unfinished)
    taken, size = [], 0
    for line in lines[done:]:
        if taken and size + len(line) + 1 > limit:
            break
        taken.append(line.decode("utf-8", errors="replace"))
        size += len(line) + 1
    read = done + len(taken)
    return LogChunk(lines=tuple(taken), cursor=str(read), ended=ended and read == len(lines))
