"""evalyard.testing.settings_changed."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

import pytest
from attrs import field, frozen

from evalyard.testing.settings_changed import candidates, paths, replaced


class Mode(StrEnum):
    ONE = "one"
    OTHER = "other"


@frozen(kw_only=True)
class Inner:
    from_: str
    size: int = 1


@frozen(kw_only=True)
class Settings:
    output_dir: str
    inner: Inner = field(factory=lambda: Inner(from_="x"))
    maybe: Inner | None = None


def test_settings_of_nested_classes_are_settings_of_their_own() -> None:
    assert [path for path, _ in paths(Settings)] == ["output_dir", "inner.from", "inner.size", "maybe"]


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (bool, False),
        (int | None, 7),
        (float, 7.5),
        (str, "kit"),
        (Mode, "other"),
        (Literal["a", "b"], "b"),
        (tuple[str, ...], ["kit"]),
        (Mapping[str, int], {"kit": 7}),
        (Inner | None, {"from": "kit", "size": 7}),
        (Any, "kit"),
    ],
)
def test_a_type_has_values_to_try(hint: Any, value: object) -> None:
    assert value in list(candidates(hint))


def test_one_value_is_replaced_and_the_rest_stays() -> None:
    data = {"a": 1, "b": {"c": 2, "d": 3}}
    assert replaced(data, "b.c", 5) == {"a": 1, "b": {"c": 5, "d": 3}}
    assert replaced(data, "e.f", 5) == {**data, "e": {"f": 5}}
    assert data == {"a": 1, "b": {"c": 2, "d": 3}}
