"""A session: one executor at one connection, and the extensions that observe it.

The lifecycle's steps are typed methods here, and nothing else touches pluggy's hook calls. What a plugin may get wrong
is caught at this border: None for an answer, answers for names nobody asked about, exceptions that are no error of
ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pluggy
from attrs import evolve

from evalyard.errors import EvalyardError, PluginError, Transient
from evalyard.plugins import hookspecs
from evalyard.plugins.context import Context
from evalyard.plugins.discovery import implements, load_executor, load_extension
from evalyard.plugins.listeners import listeners_among, tell
from evalyard.plugins.markers import PROJECT
from evalyard.records.connections import Connection
from evalyard.records.findings import Finding
from evalyard.records.handles import Handle, LaunchError
from evalyard.records.jobs import Job
from evalyard.records.observations import JobEnd, LogChunk, Observation
from evalyard.records.plans import Need, Plan
from evalyard.specs import Section
from evalyard.states import JobState

T = TypeVar("T")

NOT_MENTIONED = "the backend answered without mentioning it"


class Session:
    """The lifecycle of jobs at one backend.

    Raises (all methods):
        Transient: the backend did not answer.
        BackendError, InvalidJob: it refused.
        PluginError: the plugin broke the contract; the message names it.
    """

    def __init__(
        self,
        executor: type[Any],
        connection: Connection,
        extensions: Sequence[Any] = (),
        warnings: Sequence[str] = (),
    ) -> None:
        self.connection = connection
        self.warnings = tuple(warnings)
        """Extensions that were left out, and why."""
        self._executor = executor
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._manager.register(made_plugin(connection.executor, executor), name=connection.executor)
        for extension in extensions:
            self._manager.register(extension)
        self._listeners = listeners_among(extensions)

    @property
    def server_key(self) -> str | None:
        """The variable in which jobs find the key of a model server that this executor starts; None = it wants none."""
        return getattr(self._executor, "server_key", None)

    @property
    def runs_here(self) -> bool:
        """Whether jobs run on this machine, and so reach what it reaches."""
        return bool(getattr(self._executor, "runs_here", True))

    @property
    def starts_auxiliaries(self) -> bool:
        """Whether this executor starts further model servers beside the one under test."""
        return bool(getattr(self._executor, "auxiliary_servers", False))

    def can(self, hook: str) -> bool:
        """Whether the executor has this capability."""
        return implements(self._executor, hook)

    @property
    def fetches(self) -> bool:
        """Whether results have to be brought home."""
        return self.can("fetch") and not self.connection.shares_disk

    def check(self, ctx: Context, plans: Sequence[Plan] = ()) -> tuple[Finding, ...]:
        """Preflight; empty when the executor offers none."""
        return self._several("check", Finding, ctx=ctx, plans=plans) if self.can("check") else ()

    def plan(self, settings: Any, job: Job) -> Plan:
        """Render one attempt."""
        plan = self._one("plan", Plan, settings=settings, job=job)
        if (plan.job, plan.attempt, plan.name, plan.mark) != (job.id, job.attempt, job.name, job.mark):
            raise PluginError(f"{self.connection.executor}: plan answered for another job than {job.name}")
        return plan

    def provision(self, ctx: Context, need: Need) -> Handle:
        """Make one need."""
        if not self.can("provision"):
            raise PluginError(f"{self.connection.executor}: plans need '{need.key}', and it has no provision")
        handle = self._one("provision", Handle, ctx=ctx, need=need)
        if handle.name != need.name:
            raise PluginError(f"{self.connection.executor}: provision answered for {handle.name}, not {need.name}")
        return handle

    def launch(self, ctx: Context, plans: Sequence[Plan]) -> dict[str, Handle | LaunchError]:
        """Start a batch; every plan has an answer."""
        names = [plan.name for plan in plans]
        answers: dict[str, Handle | LaunchError]
        answers = self._by_name("launch", (Handle, LaunchError), ctx=ctx, plans=plans)
        self._only_asked("launch", names, answers)
        silent = LaunchError(message="the executor gave no answer for this job", transient=True)
        return {name: answers.get(name, silent) for name in names}

    def find(self, ctx: Context, names: Mapping[str, str]) -> dict[str, Handle]:
        """Look names up; only handles that carry the expected mark are believed."""
        if not names:
            return {}
        answers: dict[str, Handle] = self._by_name("find", (Handle,), ctx=ctx, names=names)
        self._only_asked("find", names, answers)
        return {name: handle for name, handle in answers.items() if handle.mark == names[name]}

    def status(self, ctx: Context, handles: Sequence[Handle]) -> dict[str, Observation]:
        """Observe every handle: total, whatever the backend left out or failed to say.

        A query that fails is UNKNOWN with its cause for every handle; a name that the answer omits is UNKNOWN with
        `missing` set, which only core's grace clock may turn into an end.
        """
        if not handles:
            return {}
        names = [handle.name for handle in handles]
        try:
            answers: dict[str, Observation] = self._by_name("status", (Observation,), ctx=ctx, handles=handles)
        except EvalyardError as error:
            unknown = Observation(state=JobState.UNKNOWN, reason=error.message)
            return dict.fromkeys(names, unknown)
        self._only_asked("status", names, answers)
        omitted = Observation(state=JobState.UNKNOWN, reason=NOT_MENTIONED, missing=True)
        return {name: answers.get(name, omitted) for name in names}

    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        """Read on in a log."""
        return self._one("logs", LogChunk, ctx=ctx, handle=handle, role=role, cursor=cursor, limit=limit)

    def fetch(self, ctx: Context, handle: Handle, dest: Path) -> tuple[str, ...]:
        """Bring artifacts home; nothing to do where the disk is shared."""
        return self._several("fetch", str, ctx=ctx, handle=handle, dest=dest) if self.fetches else ()

    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> tuple[Handle, ...]:
        """Ask jobs to end; return those that could not be asked."""
        return self._several("cancel", Handle, ctx=ctx, handles=handles) if handles else ()

    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> tuple[Handle, ...]:
        """Remove what is left; return what remains."""
        return self._several("teardown", Handle, ctx=ctx, handles=handles) if handles else ()

    def orphans(self, ctx: Context, known: Mapping[str, str]) -> tuple[Handle, ...]:
        """Return what is ours and in no record; empty when the executor cannot tell."""
        return self._several("orphans", Handle, ctx=ctx, known=known) if self.can("orphans") else ()

    @property
    def listens(self) -> bool:
        """Whether an extension wants to be told of jobs' ends."""
        return bool(self._listeners)

    def ended(self, ctx: Context, ends: Sequence[JobEnd]) -> None:
        """Tell the extensions that jobs have ended; returns by the context's deadline, whatever they do.

        Raises:
            Transient: one could not take note; all may be told again.
            EvalyardError: one failed, and will again.
        """
        tell(self._listeners, ctx, ends)

    def _one(self, hook: str, kind: type[T], **arguments: Any) -> T:
        answer = self._call(hook, **arguments)
        if not isinstance(answer, kind):
            raise self._odd(hook, answer, f"a {kind.__name__}")
        return answer

    def _several(self, hook: str, kind: type[T], **arguments: Any) -> tuple[T, ...]:
        answer = self._call(hook, **arguments)
        if isinstance(answer, str | Mapping) or not isinstance(answer, Iterable):
            raise self._odd(hook, answer, f"a sequence of {kind.__name__}")
        found = tuple(answer)
        for one in found:
            if not isinstance(one, kind):
                raise self._odd(hook, one, f"a sequence of {kind.__name__}", among=True)
        return found

    def _by_name(self, hook: str, kinds: tuple[type[Any], ...], **arguments: Any) -> dict[str, Any]:
        wanted = f"name -> {' or '.join(kind.__name__ for kind in kinds)}"
        answer = self._call(hook, **arguments)
        if not isinstance(answer, Mapping):
            raise self._odd(hook, answer, wanted)
        for one in answer.values():
            if not isinstance(one, kinds):
                raise self._odd(hook, one, wanted, among=True)
        return dict(answer)

    def _only_asked(self, hook: str, asked: Collection[str], answers: Mapping[str, Any]) -> None:
        if strangers := sorted(set(answers) - set(asked)):
            raise PluginError(f"{self.connection.executor}: {hook} answered for {', '.join(strangers)}, not asked for")

    def _odd(self, hook: str, answer: object, wanted: str, *, among: bool = False) -> PluginError:
        what = f"has a {type(answer).__name__} in its answer" if among else f"answered a {type(answer).__name__}"
        return PluginError(f"{self.connection.executor}: {hook} {what}; it must answer {wanted}")

    def _call(self, hook: str, **arguments: Any) -> Any:
        try:
            answer = getattr(self._manager.hook, hook)(**arguments)
        except EvalyardError:
            raise
        except OSError as error:
            raise Transient(f"{self.connection.executor}: {hook}: {error}") from error
        except Exception as error:  # the border to strangers' code: keep the cause, name the plugin
            raise PluginError(
                f"{self.connection.executor}: {hook} failed inside the plugin: {type(error).__name__}: {error}"
            ) from error
        if answer is None:
            raise PluginError(f"{self.connection.executor}: {hook} answered None; every hook returns a record")
        return answer


def open_session(connection: Connection, extensions: Sequence[Section] = (), *, strict: bool = True) -> Session:
    """Open a session at a connection, with the extensions that a configuration asked for.

    Args:
        strict: whether an extension that cannot be loaded stops us (`run`) or is left out (reading commands).

    Raises:
        PluginError: the executor, or with `strict` an extension, cannot be loaded.
    """
    executor = load_executor(connection.executor)
    loaded: list[Any] = []
    warnings: list[str] = []
    for section in extensions:
        if not section.data.get("enabled", True):
            continue
        try:
            loaded.append(_make_extension(section))
        except EvalyardError as error:
            if strict:
                raise
            warnings.append(f"extension '{section.name}' is left out: {error.message}")
    return Session(executor, connection, loaded, warnings)


def _make_extension(section: Section) -> Any:
    from evalyard.config import structure

    extension = load_extension(section.name)
    what = f"extension '{section.name}'"
    settings = getattr(extension, "Settings", None)
    given = evolve(section, data={key: value for key, value in section.data.items() if key != "enabled"})
    if settings is not None:
        return made_plugin(what, extension, structure(given, settings))
    if given.data:
        raise section.error("", f"{what} has no settings")
    return made_plugin(what, extension)


def made_plugin(what: str, cls: type[Any], *arguments: Any) -> Any:
    """Return an instance of a plugin's class whose hooks fit their specifications."""
    try:
        plugin = cls(*arguments)
    except Exception as error:  # a stranger's constructor may raise anything
        raise PluginError(f"{what}: cannot be made: {type(error).__name__}: {error}") from error
    # In a manager of its own, so that a complaint is about this plugin and no other.
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name=what)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{what}: a hook does not fit its specification: {' '.join(str(error).split())}") from error
    return plugin
