"""A plugin's settings out of a section."""

from __future__ import annotations

import collections.abc
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from attrs import field, frozen

from evalyard.config import structure
from evalyard.config.load import parse
from evalyard.config.sections import to_section
from evalyard.errors import ConfigError
from evalyard.specs import Section


class Mode(Enum):
    PARALLEL = "parallel"
    SEQUENTIAL = "sequential"


@frozen(kw_only=True)
class Mounts:
    evaluation: collections.abc.Mapping[str, str] = field(factory=dict)
    read_only: bool = False


def not_odd(_: Any, __: Any, value: int) -> None:
    if value % 2:
        raise ValueError("must be even")


@frozen(kw_only=True)
class Settings:
    output_dir: Path
    mode: Mode = Mode.PARALLEL
    kind: Literal["a", "b"] = "a"
    max_parallel: int | None = field(default=None, validator=attrs.validators.optional(attrs.validators.ge(1)))
    pair: int = field(default=2, validator=not_odd)
    timeout_s: float = 1.5
    quiet: bool = False
    name: str = "x"
    tags: tuple[str, ...] = ()
    numbers: list[int] = field(factory=list)
    size: tuple[int, int] = (0, 0)
    mounts: Mounts = field(factory=Mounts)
    stages: tuple[Mounts, ...] = ()
    limit: int | str | None = None
    free: collections.abc.Mapping[str, Any] = field(factory=dict)


def section(text: str) -> Section:
    return to_section(parse(text, "f"), name="local", path="execution")


def test_every_supported_type_is_read() -> None:
    found = structure(
        section(
            """
output_dir: /out
mode: sequential
kind: b
max_parallel: 4
timeout_s: 3
quiet: true
tags: [a, b]
numbers: [1]
size: [1, 2]
mounts: {evaluation: {/a: /b}, read_only: true}
stages: [{read_only: true}]
limit: all
free: {a: [1, {b: null}]}
"""
        ),
        Settings,
    )
    assert found == Settings(
        output_dir=Path("/out"),
        mode=Mode.SEQUENTIAL,
        kind="b",
        max_parallel=4,
        timeout_s=3.0,
        quiet=True,
        tags=("a", "b"),
        numbers=[1],
        size=(1, 2),
        mounts=Mounts(evaluation={"/a": "/b"}, read_only=True),
        stages=(Mounts(read_only=True),),
        limit="all",
        free={"a": [1, {"b": None}]},
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("outptu_dir: x", "execution.outptu_dir: unknown key; did you mean 'output_dir'?"),
        ("max_parallel: four", "execution.max_parallel: 'four' is not an integer"),
        ("max_parallel: true", "execution.max_parallel: true is not an integer"),
        ("max_parallel: 1.0", "execution.max_parallel: 1.0 is not an integer"),
        ("quiet: 1", "execution.quiet: 1 is not true or false"),
        ("quiet: yes", "execution.quiet: 'yes' is not true or false"),
        ("timeout_s: '3'", "execution.timeout_s: '3' is not a number"),
        ("timeout_s: false", "execution.timeout_s: false is not a number"),
        ("name: true", "execution.name: true is not a text; put it in quotes"),
        ("name:", "execution.name: is empty; must be a text"),
        ("mode: both", "execution.mode: 'both' is none of parallel, sequential"),
        (
            "mode: sequentail",
            "execution.mode: 'sequentail' is none of parallel, sequential; did you mean 'sequential'?",
        ),
        ("kind: c", "execution.kind: 'c' is none of a, b"),
        ("tags: a", "execution.tags: 'a' is not a list"),
        ("tags: [a, true]", "execution.tags[1]: true is not a text; put it in quotes"),
        ("size: [1]", "execution.size: must have 2 items, not 1"),
        ("mounts: [a]", "execution.mounts: a list is not a mapping"),
        ("limit: [a]", "execution.limit: a list is not an integer or a text"),
        ("free: 1", "execution.free: 1 is not a mapping"),
        ("max_parallel: 0", "execution.max_parallel: 'max_parallel' must be >= 1: 0"),
        ("pair: 3", "execution.pair: must be even"),
    ],
)
def test_each_fault_is_one_line_with_place_and_key(line: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        structure(section(f"output_dir: x\n{line}"), Settings)
    assert [text.split(": ", 1)[1] for text in caught.value.problems] == [complaint]
    assert caught.value.problems[0].startswith("f:2:")


def test_faults_deep_inside_have_their_own_place() -> None:
    with pytest.raises(ConfigError) as caught:
        structure(
            section("output_dir: x\nmounts:\n  evaluation:\n    /a: true\nstages:\n  - red_only: true\n"), Settings
        )
    assert caught.value.problems == (
        "f:4:5: execution.mounts.evaluation./a: true is not a text; put it in quotes",
        "f:6:5: execution.stages[0].red_only: unknown key; did you mean 'read_only'?",
    )


def test_a_number_given_for_a_text_is_the_text_that_was_written() -> None:
    found = structure(section("output_dir: x\nname: 007\ntags: [1e3, 4]\nlimit: 12"), Settings)
    assert (found.name, found.tags, found.limit) == ("007", ("1e3", "4"), 12)


@frozen(kw_only=True)
class Storage:
    from_: str
    """`from` in YAML, which cannot be a name in Python."""


def test_a_key_that_python_keeps_for_itself_is_a_field_with_a_line_below() -> None:
    assert structure(section("from: node-nfs"), Storage).from_ == "node-nfs"
    with pytest.raises(ConfigError, match="from_: unknown key; did you mean 'from'"):
        structure(section("from_: node-nfs"), Storage)


def test_a_required_key_is_missed_with_the_override_that_sets_it() -> None:
    with pytest.raises(ConfigError) as caught:
        structure(section("quiet: true"), Settings)
    assert caught.value.problems == (
        "f:1:1: execution.output_dir: missing; set it in the file, or with -o execution.output_dir=...",
    )


def test_all_faults_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        structure(section("quiet: 1\nname: false\nodd: 3"), Settings)
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigError) as caught:
        structure(section("output_dir: x\npair: 3\nmax_parallel: 0"), Settings)
    assert len(caught.value.problems) == 2


def test_a_check_of_the_whole_class_is_told_at_the_section() -> None:
    @frozen(kw_only=True)
    class Range:
        low: int
        high: int

        def __attrs_post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low is above high")

    with pytest.raises(ConfigError) as caught:
        structure(section("low: 2\nhigh: 1"), Range)
    assert caught.value.problems == ("f:1:1: execution: low is above high",)


def test_a_section_made_without_a_file_still_names_its_keys() -> None:
    with pytest.raises(ConfigError) as caught:
        structure(Section(name="local", path="execution", data={"output_dir": 1}), Settings)
    assert caught.value.problems == ("execution.output_dir: 1 is not a path; put it in quotes",)
