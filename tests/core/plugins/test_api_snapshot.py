"""Within one API nothing that plugins rely on goes away or changes, and what is added can be left out."""

import pytest

from tests.core.plugins.api_snapshot import demands, facts, missing, stored

REMEDY = "python -m tests.core.plugins.api_snapshot writes it down"


def test_nothing_that_plugins_rely_on_is_gone_or_different() -> None:
    assert missing(stored(), facts()) == [], "plugins that are published break: keep it, or make another API"


def test_what_was_added_can_be_left_out() -> None:
    assert demands(stored(), facts()) == [], "plugins that are published lack it: give it a default"


def test_what_was_added_is_written_down() -> None:
    assert stored() == facts(), REMEDY


BEFORE = [
    "API 1",
    "hook launch(ctx: Context)",
    "hook launch() -> Mapping[str, Handle]",
    "hook launch is required",
    "record Plan:",
    "record Plan.job: str",
    "record Plan.argv: tuple[str, ...] = ()",
    "function read_log(path: Path)",
    "function read_log() -> LogChunk",
    "enum Severity.OK = ok",
]


@pytest.mark.parametrize("line", BEFORE[1:])
def test_a_line_that_goes_away_is_noticed(line: str) -> None:
    assert missing(BEFORE, [other for other in BEFORE if other != line]) == [line]


def test_another_number_alone_breaks_nothing() -> None:
    assert missing(BEFORE, ["API 2", *BEFORE[1:]]) == []


@pytest.mark.parametrize(
    "line",
    [
        "record Plan.queue: str",
        "function read_log(cursor: str)",
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
        "function read_log(cursor: str = '')",
        "function cut_log(data: bytes)",
        "hook launch(hurry: bool)",
        "hook quota(ctx: Context)",
        "enum Severity.FATAL = fatal",
    ],
)
def test_what_a_published_plugin_need_not_know_may_be_added(line: str) -> None:
    assert demands(BEFORE, [*BEFORE, line]) == []


def test_the_hooks_and_the_records_are_among_the_lines() -> None:
    lines = facts()
    for line in (
        "hook launch(plans: Sequence[Plan])",
        "hook launch is required",
        "record Plan.job: str",
        "record Handle.data: Mapping[str, str] = (made anew)",
        "enum JobState.LOST = LOST",
        "error Transient(BackendError)",
        "constant SECRETS_FILE",
    ):
        assert line in lines
