"""evalyard_mlflow.naming: names and values as MLflow takes them."""

from __future__ import annotations

import pytest

from evalyard_mlflow.naming import LONGEST_KEY, flat, key, keyed, text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first.accuracy", "first.accuracy"),
        ("a b/c-d_e", "a b/c-d_e"),
        ("pass@1", "pass_1"),
        ("f1:macro", "f1_macro"),
        ("/a//b/./../c/", "a/b/c"),
        ("ünïcode", "ünïcode"),
        ("..", "_"),
        ("", "_"),
        ("x" * 300, "x" * LONGEST_KEY),
    ],
)
def test_names_become_such_that_mlflow_takes(name: str, expected: str) -> None:
    assert key(name) == expected


def test_names_that_become_one_are_told_apart() -> None:
    assert keyed([("pass@1", 1), ("pass_1", 2), ("pass:1", 3)]) == {"pass_1": 1, "pass_1_2": 2, "pass_1_3": 3}
    long = keyed([("x" * 260, 1), ("x" * 270, 2)])
    assert [len(name) for name in long] == [LONGEST_KEY, LONGEST_KEY]


def test_values_become_texts_that_are_not_too_long() -> None:
    assert [text(value, 9) for value in ("a", 1, None, True, {"a": 1})] == ["a", "1", "null", "true", '{"a": 1}']
    assert text("x" * 10, 9) == "xxxxxx..."


def test_nested_data_is_flattened_as_deep_as_asked() -> None:
    data = {"a": {"b": [1, {"c": 2}]}, "empty": {}}
    assert dict(flat(data)) == {"a.b.0": 1, "a.b.1.c": 2, "empty": {}}
    assert dict(flat(data, 1)) == data
    assert dict(flat(data, 2)) == {"a.b": [1, {"c": 2}], "empty": {}}
