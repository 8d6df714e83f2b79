"""evalyard.plugins.session: one executor answers, extensions watch, and no plugin's slip goes further than here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from evalyard.errors import BackendError, ConfigError, EvalyardError, InvalidJob, PluginError, Transient
from evalyard.plugins.context import Context
from evalyard.plugins.discovery import EXECUTORS, EXTENSIONS
from evalyard.plugins.markers import hookimpl
from evalyard.plugins.session import NOT_MENTIONED, Session, open_session
from evalyard.records.connections import Connection
from evalyard.records.handles import Handle, LaunchError
from evalyard.records.jobs import Job
from evalyard.records.observations import LogChunk, Observation
from evalyard.records.plans import Need, NeedKind, Plan
from evalyard.records.programs import Harness
from evalyard.specs import EndpointSpec, Section, TaskSpec
from evalyard.states import JobState

from .conftest import EXECUTOR, Install

HERE = Connection(executor="toy")
CTX = Context(connection=HERE)
JOB = Job(
    invocation="a1b2c3d4",
    number=1,
    attempt=1,
    mark="m1",
    task=TaskSpec(name="t"),
    harness=Harness(name="command", script="true"),
    endpoint=EndpointSpec(),
    run_dir="/d",
    folder="t",
)
PLAN = Plan(job=JOB.id, task="t", attempt=1, name=JOB.name, mark="m1", directory="/d/t")
HANDLE = Handle(name=PLAN.name, mark="m1")
OTHER = Handle(name="ey-a1b2c3d4-2-1", mark="m2")
NEED = Need(key="server", kind=NeedKind.SERVER, name="ey-a1b2c3d4-server-1", mark="m3")


class Toy:
    """An executor whose every answer a test can set."""

    answers: Mapping[str, Any]

    def _answer(self, hook: str) -> Any:
        answer = self.answers[hook]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Any:
        return self._answer("check")

    @hookimpl
    def plan(self, settings: Any, job: Job) -> Any:
        return self._answer("plan")

    @hookimpl
    def provision(self, ctx: Context, need: Need) -> Any:
        return self._answer("provision")

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Any:
        return self._answer("launch")

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Any:
        return self._answer("find")

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Any:
        return self._answer("status")

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> Any:
        return self._answer("logs")

    @hookimpl
    def fetch(self, ctx: Context, handle: Handle, dest: Path) -> Any:
        return self._answer("fetch")

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Any:
        return self._answer("cancel")

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Any:
        return self._answer("teardown")

    @hookimpl
    def orphans(self, ctx: Context, known: Mapping[str, str]) -> Any:
        return self._answer("orphans")


def session(**answers: Any) -> Session:
    return Session(type("Answering", (Toy,), {"answers": answers}), HERE)


CALLS: Mapping[str, Callable[[Session], Any]] = {
    "check": lambda s: s.check(CTX),
    "plan": lambda s: s.plan(None, JOB),
    "provision": lambda s: s.provision(CTX, NEED),
    "launch": lambda s: s.launch(CTX, [PLAN]),
    "find": lambda s: s.find(CTX, {HANDLE.name: "m1"}),
    "logs": lambda s: s.logs(CTX, HANDLE, "client", "", 100),
    "fetch": lambda s: s.fetch(CTX, HANDLE, Path("/dest")),
    "cancel": lambda s: s.cancel(CTX, [HANDLE]),
    "teardown": lambda s: s.teardown(CTX, [HANDLE]),
    "orphans": lambda s: s.orphans(CTX, {}),
}
"""Every step but `status`, which turns errors into observations."""


@pytest.mark.parametrize("hook", CALLS)
def test_none_for_an_answer_is_the_plugins_fault(hook: str) -> None:
    with pytest.raises(PluginError, match=f"toy: {hook} answered None"):
        CALLS[hook](session(**{hook: None}))


@pytest.mark.parametrize("hook", CALLS)
def test_an_exception_of_the_plugins_own_names_hook_and_cause(hook: str) -> None:
    with pytest.raises(PluginError, match=f"toy: {hook} failed inside the plugin: KeyError: 'oops'") as caught:
        CALLS[hook](session(**{hook: KeyError("oops")}))
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("hook", CALLS)
def test_an_error_of_the_operating_system_is_no_answer_rather_than_a_refusal(hook: str) -> None:
    with pytest.raises(Transient, match="connection reset"):
        CALLS[hook](session(**{hook: ConnectionResetError("connection reset")}))


@pytest.mark.parametrize("error", [Transient("later"), InvalidJob("no such queue"), BackendError("down")])
@pytest.mark.parametrize("hook", CALLS)
def test_errors_of_the_contract_pass_unchanged(hook: str, error: EvalyardError) -> None:
    with pytest.raises(type(error)) as caught:
        CALLS[hook](session(**{hook: error}))
    assert caught.value is error


def test_an_interrupt_passes_through_a_plugin() -> None:
    with pytest.raises(KeyboardInterrupt):
        session(launch=KeyboardInterrupt()).launch(CTX, [PLAN])


@pytest.mark.parametrize("hook", ["launch", "find", "status"])
def test_an_answer_about_a_stranger_is_refused(hook: str) -> None:
    answer: Any = Observation(state=JobState.RUNNING) if hook == "status" else HANDLE
    toy = session(**{hook: {HANDLE.name: answer, "ey-stranger": answer}})
    with pytest.raises(PluginError, match=f"{hook} answered for ey-stranger, not asked for"):
        _ = toy.status(CTX, [HANDLE]) if hook == "status" else CALLS[hook](toy)


def test_a_need_provisioned_under_another_name_is_refused() -> None:
    with pytest.raises(PluginError, match="provision answered for other"):
        session(provision=Handle(name="other", mark="m3")).provision(CTX, NEED)


@pytest.mark.parametrize("field", ["job", "attempt", "name", "mark"])
def test_a_plan_for_another_job_is_refused(field: str) -> None:
    wrong: Any = 9 if field == "attempt" else "x"
    with pytest.raises(PluginError, match="plan answered for another job than ey-a1b2c3d4-1-1"):
        session(plan=evolve(PLAN, **{field: wrong})).plan(None, JOB)
    assert session(plan=PLAN).plan(None, JOB) == PLAN


def test_a_launch_without_an_answer_for_a_job_leaves_that_job_unclear() -> None:
    second = evolve(PLAN, name=OTHER.name)
    answers = session(launch={HANDLE.name: HANDLE}).launch(CTX, [PLAN, second])
    assert answers[HANDLE.name] == HANDLE
    silent = answers[OTHER.name]
    assert isinstance(silent, LaunchError)
    assert silent.transient


def test_only_a_handle_with_our_mark_is_found() -> None:
    stranger = evolve(OTHER, mark="somebody else's")
    found = session(find={HANDLE.name: HANDLE, OTHER.name: stranger})
    assert found.find(CTX, {HANDLE.name: "m1", OTHER.name: "m2"}) == {HANDLE.name: HANDLE}


def test_status_is_total_and_an_omitted_job_is_missing_rather_than_ended() -> None:
    running = Observation(state=JobState.RUNNING)
    seen = session(status={HANDLE.name: running}).status(CTX, [HANDLE, OTHER])
    assert seen == {
        HANDLE.name: running,
        OTHER.name: Observation(state=JobState.UNKNOWN, reason=NOT_MENTIONED, missing=True),
    }


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Transient("no route to host"), "no route to host"),
        (BackendError("workspace is gone"), "workspace is gone"),
        (OSError("broken pipe"), "broken pipe"),
        (RuntimeError("bug"), "RuntimeError: bug"),
        (None, "answered None"),
    ],
    ids=["transient", "backend", "os", "bug", "none"],
)
def test_a_status_query_that_fails_is_unknown_with_its_cause_and_counts_as_no_silence(
    failure: Exception | None, reason: str
) -> None:
    seen = session(status=failure).status(CTX, [HANDLE, OTHER])
    assert set(seen) == {HANDLE.name, OTHER.name}
    for observation in seen.values():
        assert observation.state is JobState.UNKNOWN
        assert reason in observation.reason
        assert not observation.missing


def test_nothing_is_asked_about_nothing() -> None:
    toy = session()
    assert (toy.find(CTX, {}), toy.status(CTX, []), toy.cancel(CTX, []), toy.teardown(CTX, [])) == ({}, {}, (), ())


def test_capabilities_that_an_executor_lacks_have_neutral_answers() -> None:
    lacking = dict.fromkeys(("check", "provision", "fetch", "orphans"))
    bare = Session(type("Bare", (Toy,), {"answers": {}, **lacking}), HERE)
    assert not any(bare.can(hook) for hook in lacking)
    assert (bare.check(CTX), bare.fetch(CTX, HANDLE, Path("/d")), bare.orphans(CTX, {})) == ((), (), ())
    with pytest.raises(PluginError, match="plans need 'server', and it has no provision"):
        bare.provision(CTX, NEED)


class Misspelt(Toy):
    """Takes an argument that the hook does not have."""

    answers: Mapping[str, Any] = {}

    @hookimpl
    def launch(self, context: Context, plans: Sequence[Plan]) -> Any:
        return {}


class Invented(Toy):
    """Implements a hook that does not exist."""

    answers: Mapping[str, Any] = {}

    @hookimpl
    def relaunch(self, ctx: Context) -> Any:
        return {}


class Unmakeable(Toy):
    """Needs an argument that nobody gives."""

    answers: Mapping[str, Any] = {}

    def __init__(self, client: object) -> None:
        self.client = client


@pytest.mark.parametrize(
    ("executor", "problem"),
    [(Misspelt, "context"), (Invented, "relaunch"), (Unmakeable, "client")],
    ids=["wrong argument", "unknown hook", "constructor"],
)
def test_an_executor_that_does_not_fit_is_refused_when_the_session_opens(executor: type[Toy], problem: str) -> None:
    with pytest.raises(PluginError, match=f"(?s)toy: .*{problem}"):
        Session(executor, HERE)


class Watcher:
    """Wraps launch."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    @hookimpl(wrapper=True)
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Iterator[None]:
        self.seen.append(f"before {plans[0].name}")
        answers = yield
        self.seen.append(f"after {type(answers).__name__}")
        return answers


def test_an_extension_is_called_around_the_step_that_it_wraps() -> None:
    seen: list[str] = []
    toy = type("Answering", (Toy,), {"answers": {"launch": {HANDLE.name: HANDLE}}})
    assert Session(toy, HERE, [Watcher(seen)]).launch(CTX, [PLAN]) == {HANDLE.name: HANDLE}
    assert seen == ["before ey-a1b2c3d4-1-1", "after dict"]


AUDIT = """
import attrs
from evalyard import hookimpl
SEEN = []

@attrs.frozen(kw_only=True)
class Settings:
    log: str
    limit: int = 3

class Audit:
    api = 1
    Settings = Settings
    def __init__(self, settings):
        if settings.log == "unusable":
            raise RuntimeError("cannot open the log")
        self.settings = settings
    @hookimpl(wrapper=True)
    def launch(self, ctx, plans):
        from evalyard import LaunchError
        answers = yield
        if self.settings.limit < len(plans):
            return {name: LaunchError(message=f"{self.settings.log}: over the limit") for name in answers}
        return answers
"""


def audit(**data: Any) -> Section:
    return Section(name="audit", path="extensions.audit", data=data, places={"extensions.audit.log": "run.yaml:9:3"})


def test_an_extension_gets_its_typed_settings_and_may_act_on_them(install: Install) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR)
    install(EXTENSIONS, "audit", "Audit", AUDIT)
    refused = open_session(HERE, [audit(log="site.log", limit=0, enabled=True)]).launch(CTX, [PLAN])[PLAN.name]
    assert refused == LaunchError(message="site.log: over the limit")
    assert open_session(HERE, [audit(log="site.log")]).launch(CTX, [PLAN]) == {PLAN.name: HANDLE}


def test_wrong_settings_of_an_extension_are_refused_with_their_place(install: Install) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR)
    install(EXTENSIONS, "audit", "Audit", AUDIT)
    with pytest.raises(ConfigError, match=r"run\.yaml:9:3: extensions\.audit\.log"):
        open_session(HERE, [audit(log=True)])


def test_settings_for_an_extension_without_any_are_refused(install: Install) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR)
    install(EXTENSIONS, "audit", "Audit", "class Audit:\n    api = 1\n")
    with pytest.raises(ConfigError, match="extension 'audit' has no settings"):
        open_session(HERE, [audit(log="x")])
    assert open_session(HERE, [audit(enabled=True)]).warnings == ()


BROKEN = {
    "absent": None,
    "import fails": "1 / 0",
    "constructor fails": AUDIT,
    "wrong argument": AUDIT.replace("launch(self, ctx, plans)", "launch(self, context, plans)"),
    "unknown hook": AUDIT.replace("def launch", "def relaunch"),
    "plain hook": AUDIT.replace("(wrapper=True)", ""),
}


@pytest.mark.parametrize("code", BROKEN.values(), ids=BROKEN)
def test_an_extension_that_fails_stops_run_and_only_warns_reading_commands(
    code: str | None, install: Install, request: pytest.FixtureRequest
) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR)
    if code is not None:
        install(EXTENSIONS, "audit", "Audit", code)
    section = audit(log="unusable" if "constructor" in request.node.name else "site.log")
    with pytest.raises(PluginError, match="audit"):
        open_session(HERE, [section])
    reading = open_session(HERE, [section], strict=False)
    assert len(reading.warnings) == 1
    assert reading.warnings[0].startswith("extension 'audit' is left out: ")
    assert reading.launch(CTX, [PLAN]) == {PLAN.name: HANDLE}


def test_a_disabled_extension_is_not_even_looked_for(install: Install) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR)
    install(EXTENSIONS, "audit", "Audit", "1 / 0")
    assert open_session(HERE, [audit(log="x", enabled=False)]).warnings == ()


def test_a_session_of_an_absent_executor_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalyard.plugins.discovery.installed", lambda _: ())
    with pytest.raises(PluginError, match="pip install evalyard-slurm"):
        open_session(Connection(executor="slurm"))


def test_a_log_chunk_passes_as_it_is() -> None:
    chunk = LogChunk(lines=("a",), cursor="1", ended=True)
    assert session(logs=chunk).logs(CTX, HANDLE, "client", "", 10) == chunk


def test_results_are_brought_home_where_no_disk_is_shared() -> None:
    assert session().fetches
    here = Session(type("Near", (Toy,), {"answers": {}}), evolve(HERE, shares_disk=True))
    assert not here.fetches
    assert here.fetch(CTX, HANDLE, Path("/d")) == ()


@pytest.mark.parametrize(
    ("hook", "answer", "said"),
    [
        ("find", [HANDLE], "find answered a list; it must answer name -> Handle"),
        ("launch", {HANDLE.name: "17"}, "launch has a str in its answer; it must answer name -> Handle or LaunchError"),
        ("cancel", {HANDLE.name: HANDLE}, "cancel answered a dict; it must answer a sequence of Handle"),
        ("teardown", [HANDLE.name], "teardown has a str in its answer; it must answer a sequence of Handle"),
        ("logs", "a line", "logs answered a str; it must answer a LogChunk"),
    ],
)
def test_an_answer_of_another_type_is_the_plugins_bug_and_is_named(hook: str, answer: Any, said: str) -> None:
    toy = session(**{hook: answer})
    given: dict[str, Any] = {
        "find": {"names": {HANDLE.name: HANDLE.mark}},
        "launch": {"plans": [PLAN]},
        "logs": {"handle": HANDLE, "role": "client", "cursor": "", "limit": 10},
    }
    with pytest.raises(PluginError, match=f"toy: {said}"):
        getattr(toy, hook)(CTX, **given.get(hook, {"handles": [HANDLE]}))


def test_a_status_of_another_type_is_unknown_and_says_why() -> None:
    seen = session(status={HANDLE.name: JobState.RUNNING}).status(CTX, [HANDLE])[HANDLE.name]
    assert seen.state is JobState.UNKNOWN
    assert "status has a JobState in its answer; it must answer name -> Observation" in seen.reason
