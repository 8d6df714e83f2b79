"""Within one API nothing that plugins rely on goes away or changes, and what is added can be left out."""

import pytest

from tests.core.plugins.api_snapshot import demands, facts, missing, stored

REMEDY = "plugins lose nothing: write it down anew with python -m tests.core.plugins.api_snapshot"


def test_nothing_that_plugins_rely_on_is_gone_or_different() -> None:
    assert missing(stored(), facts()) == [], "plugins that are published break: keep it, or make another API"


def test_what_was_added_can_be_left_out() -> None:
    assert demands(stored(), facts()) == [], "plugins that are published lack it: give it a default"


def test_what_was_added_is_written_down() -> None:
    assert stored() == facts(), REMEDY


BEFORE = [
    "API 1",
    "entry points evalyard.executors",
    "hook launch(ctx: Context)",
    "hook launch() -> Mapping[str, Handle]",
    "hook launch is required",
    "executor runs_here = True",
    "record Plan:",
    "record Plan.job: str",
    "record Plan.argv: tuple[str, ...] = ()",
    "function read_log(1 path: Path)",
    "function read_log(2 limit: int)",
    "function read_log() -> LogChunk",
    "method Cluster.ask(1 ctx: Context)",
    "method Cluster.ask() -> bytes",
    "property Resources.walltime_s: int",
    "attribute BatchExecutor.system: ClassVar[BatchSystem]",
    "replaced Conformance.read_file(1 path: str)",
    "error ConfigError(1 problems: Sequence[str])",
    "error ConfigError.exit_code = 2",
    "constant SECRETS_FILE = '.secrets.env'",
    "enum Severity.OK = ok",
]


@pytest.mark.parametrize("line", BEFORE[1:])
def test_a_line_that_goes_away_is_noticed(line: str) -> None:
    assert missing(BEFORE, [other for other in BEFORE if other != line]) == [line]


def test_another_number_alone_breaks_nothing() -> None:
    assert missing(BEFORE, ["API 2", *BEFORE[1:]]) == []


def test_arguments_that_change_places_are_noticed() -> None:
    now = {"function read_log(1 path: Path)": "function read_log(1 limit: int)"}
    now["function read_log(2 limit: int)"] = "function read_log(2 path: Path)"
    assert missing(BEFORE, [now.get(line, line) for line in BEFORE]) == sorted(now)


@pytest.mark.parametrize(
    ("line", "now"),
    [
        ("record Plan.job: str", "record Plan.job: str = ''"),
        ("function read_log(2 limit: int)", "function read_log(2 limit: int = 0)"),
        ("method Cluster.ask(1 ctx: Context)", "method Cluster.ask(1 ctx: Context = (a function))"),
    ],
)
def test_what_can_be_left_out_from_now_on_breaks_nothing(line: str, now: str) -> None:
    after = [now if other == line else other for other in BEFORE]
    assert (missing(BEFORE, after), demands(BEFORE, after)) == ([], [])
    assert missing(after, BEFORE) == [now]


@pytest.mark.parametrize(
    "line",
    [
        "record Plan.queue: str",
        "function read_log(3 cursor: str)",
        "function read_log(*, cursor: str)",
        "method Cluster.ask(2 command: str)",
        "error ConfigError(*, place: str)",
        "attribute BatchExecutor.title: ClassVar[str]",
        "replaced Conformance.read_file(*, limit: int = 0)",
        "hook orphans is required",
    ],
)
def test_what_a_published_plugin_would_have_to_know_is_noticed(line: str) -> None:
    assert demands(BEFORE, [*BEFORE, line]) == [line]


@pytest.mark.parametrize(
    "line",
    [
        "record Plan.queue: str = ''",
        "record Quota.hours: int",
        "function read_log(3 cursor: str = '')",
        "function read_log(*, cursor: str = '')",
        "function cut_log(1 data: bytes)",
        "method Cluster.ask(*, hurry: bool = False)",
        "method Cluster.tell(1 ctx: Context)",
        "property Resources.memory_bytes: int",
        "attribute BatchExecutor.title: ClassVar[str] = ''",
        "replaced Conformance.size_of(1 path: str)",
        "error ConfigError is EvalyardError",
        "error ConfigError.place",
        "hook launch(hurry: bool)",
        "hook quota(ctx: Context)",
        "enum Severity.FATAL = fatal",
    ],
)
def test_what_a_published_plugin_need_not_know_may_be_added(line: str) -> None:
    assert missing(BEFORE, [*BEFORE, line]) == []
    assert demands(BEFORE, [*BEFORE, line]) == []


@pytest.mark.parametrize(
    "line",
    [
        "entry points evalyard.executors",
        "hook launch(plans: Sequence[Plan])",
        "hook launch is required",
        "executor Settings",
        "executor runs_here = True",
        "executor server_key = None",
        "executor auxiliary_servers = False",
        "record Plan.job: str",
        "record Handle.data: Mapping[str, str] = (made anew)",
        "record Cluster.system (argument 1): BatchSystem",
        "property Resources.walltime_s: int",
        "attribute BatchExecutor.system: ClassVar[BatchSystem]",
        "replaced BatchExecutor.header(2 job: Job)",
        "enum JobState.LOST = LOST",
        "error Transient is BackendError",
        "error Transient.transient = True",
        "error BackendError(*, hint: str | None = None)",
        "error BackendError.message",
        "error ConfigError.problems",
        "constant SECRETS_FILE = '.secrets.env'",
        "constant INSIDE.artifacts = '/results'",
        "function redact(1 text: str)",
        "function read_log(2 cursor: str)",
        "function results() -> tuple[JobResults, ...]",
        "attribute Conformance.settings: ClassVar[Mapping[str, Any]] = (its own)",
        "attribute Sweep.sample: ClassVar[int] = (its own)",
        "replaced Conformance.read_file(1 path: str)",
    ],
)
def test_what_plugins_use_is_among_the_lines(line: str) -> None:
    assert line in facts()
