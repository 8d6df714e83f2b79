"""YAML to nodes: what is read, and how strictly."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from evalyard.config import load
from evalyard.config.node import plain
from evalyard.errors import ConfigError


def read(text: str) -> object:
    return plain(load.parse(text, "f"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("01:00:00", "01:00:00"),
        ("2024-01-02", "2024-01-02"),
        ("1_000", "1_000"),
        ("0o17", 15),
        ("0x1F", 31),
        ("010", 10),
        ("-3", -3),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("True", True),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"null"', "null"),
        ("!!str 1", "1"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    assert read(f"a: {text}") == {"a": value}


def test_a_number_keeps_the_text_it_was_written_as() -> None:
    root = load.parse("a: 007", "f")
    assert isinstance(root.value, dict)
    assert (root.value["a"].value, root.value["a"].raw) == (7, "007")


def test_every_value_knows_its_line_and_column() -> None:
    root = load.parse("a:\n  - b: 1\n  - [x]\n", "f.yaml")
    assert isinstance(root.value, dict)
    items = root.value["a"].value
    assert isinstance(items, list)
    assert root.value["a"].place == "f.yaml:1:1"
    assert [item.place for item in items] == ["f.yaml:2:5", "f.yaml:3:5"]


def test_aliases_and_merge_keys_work_and_share_nothing() -> None:
    root = load.parse("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\nd: {<<: [{y: 4}, *a]}\n", "f")
    assert plain(root) == {"a": {"x": 1, "y": 2}, "b": {"y": 3, "x": 1}, "c": {"x": 1, "y": 2}, "d": {"y": 4, "x": 1}}
    assert isinstance(root.value, dict)
    assert root.value["a"] is not root.value["c"]


def test_a_quoted_merge_key_is_an_ordinary_key() -> None:
    assert read("'<<': 1") == {"<<": 1}


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert plain(load.load(path)) == {"a": 1}


BAD = {
    "tab": ("a:\n\tb: 1\n", "f:2:1: a tab where YAML wants spaces"),
    "twice": ("a: 1\nb: 2\na: 3\n", "f:3:1: the key 'a' is here twice; first at f:1:1"),
    "python tag": (
        "a: !!python/object/apply:os.system ['exit 1']",
        "f:1:4: the tag !!python/object/apply:os.system is not supported",
    ),
    "own tag": ("a: !include b.yaml", "f:1:4: the tag !include is not supported"),
    "number as key": ("a:\n  1: x\n", "f:2:3: a key must be a text, not 1; put it in quotes"),
    "null as key": ("~: x\n", "f:1:1: a key must be a text, not ~; put it in quotes"),
    "list as key": ("? [a]\n: 1\n", "f:1:3: a key must be a text, not a list or mapping"),
    "empty": ("", "f: empty"),
    "only a comment": ("# nothing\n", "f: empty"),
    "only dashes": ("---\n", "f: empty"),
    "list": ("- a\n", "f:1:1: not a mapping of keys such as `evaluation:` at the top level"),
    "text": ("hello\n", "f:1:1: not a mapping of keys such as `evaluation:` at the top level"),
    "two documents": ("a: 1\n---\nb: 2\n", "f:3:1: a second document; one file holds one configuration"),
    "unknown alias": ("a: *b\n", "f:1:4: the alias *b has no anchor before it"),
    "alias of its own parent": ("a: &a [*a]\n", "f:1:8: the alias *a has no anchor before it"),
    "merge of a scalar": ("a: {<<: 1}\n", "f:1:5: `<<` takes a mapping or a list of mappings"),
    "no space": ("a: b: c\n", "f:1:5: mapping values are not allowed here"),
    "open quote": ("a: 'b\n", "f:2:1: found unexpected end of stream (while scanning a quoted scalar from line 1)"),
    "control character": ("a: \x01\n", "f:1:4: special characters are not allowed"),
    "code point": ('a: "\\U99999999"', "f: not readable as YAML"),
    "half a surrogate pair": ('a: "\\ud800"', "f:1:4: holds a character that no text file or command can hold"),
    "NUL": ('a: "\\0"', "f:1:4: holds a character that no text file or command can hold"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_fault_is_one_line_with_its_place(name: str) -> None:
    text, complaint = BAD[name]
    with pytest.raises(ConfigError) as caught:
        load.parse(text, "f")
    assert caught.value.problems == (complaint,)


def test_faults_that_do_not_end_the_reading_are_told_together() -> None:
    with pytest.raises(ConfigError) as caught:
        load.parse("a: 1\na: !x 2\n3: 4\n", "f")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_absurd_depth_is_refused(opening: str) -> None:
    text = "a: " + opening * 5000
    with pytest.raises(ConfigError, match=r"f:1:\d+: nested more than 60 levels deep"):
        load.parse(text, "f")


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(ConfigError, match="more than 200000 values when aliases are written out"):
        load.parse("\n".join(lines), "f")


def test_a_tower_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 2000))]
    with pytest.raises(ConfigError, match=r"f:\d+:\d+: nested more than 60 levels deep"):
        load.parse("\n".join(lines), "f")


def test_other_encodings_are_refused_with_the_place_of_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes("a: 1\nb: é\n".encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load.load(path)
    assert caught.value.problems == (f"{path}:2:4: not UTF-8 text",)


def test_an_absent_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load.load(tmp_path / "none.yaml")


def test_an_enormous_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"#" * (load.MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than 8 MiB"):
        load.load(path)
