import io
import math
from typing import Any

import pytest
from ruamel.yaml import YAML

from evalyard.harness.smoke.yaml_text import to_yaml


def read_back(text: str, version: tuple[int, int]) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    return yaml.load(io.StringIO(text))


VALUES: list[Any] = [
    *("", " ", "plain", "two words", "null", "Null", "~", "true", "Yes", "no", "off", "y", "1", "1.5", "1e5", "0x1f"),
    *(
        "12:30:00",
        "2024-01-01",
        "- a",
        "a: b",
        "a #b",
        "#a",
        "'",
        '"',
        "\\",
        "\\n",
        "a\nb",
        "\ttab",
        "\r",
        "\x00",
        "\x7f",
    ),
    *(
        "\x85",
        "\u2028",
        "\ufeff",
        "é",
        "日本",
        "😀",
        "<<",
        "=",
        "&a",
        "*a",
        "!t",
        "%d",
        "@x",
        "`x`",
        "{a}",
        "[a]",
        "?",
        "|",
    ),
    *(0, 1, -7, 10**20, 0.0, -0.5, 0.1, 1e-05, 1e22, 1 / 3, 1.5e300, math.inf, -math.inf, True, False, None, {}),
    *([], ["a", 1, None], [[]], [{}], [[1, [2]], 3], [{"a": 1, "b": [{"c": "- d"}]}, "e"], [{"a": {"b": []}}]),
]


@pytest.mark.parametrize("version", [(1, 1), (1, 2)], ids=["yaml-1.1", "yaml-1.2"])
@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_a_value_is_read_back_exactly(value: Any, version: tuple[int, int]) -> None:
    read = read_back(to_yaml({"a": {"b": value}, "c": 1}), version)
    assert read == {"a": {"b": value}, "c": 1}
    assert type(read["a"]["b"]) is type(value)


@pytest.mark.parametrize("key", ["smoke.arithmetic", "a b", "yes", "1", "", "a: b", "ü"], ids=ascii)
def test_a_key_is_read_back_exactly(key: str) -> None:
    assert read_back(to_yaml({key: {key: 1}}), (1, 2)) == {key: {key: 1}}


def test_not_a_number_stays_so() -> None:
    assert math.isnan(read_back(to_yaml({"a": math.nan}), (1, 2))["a"])


def test_an_empty_mapping_is_a_document() -> None:
    assert read_back(to_yaml({}), (1, 2)) == {}


def test_what_has_no_form_here_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        to_yaml({"a": b"x"})
