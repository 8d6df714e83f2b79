"""evalyard.scoring.yaml_loader: what the configuration's own reader of YAML makes of a text, and no more."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from evalyard.scoring.document import ResultsError, load_yaml


@pytest.mark.parametrize(
    "text",
    [
        "{a: 1, b: -2.5, c: 1e-05, d: 1.5E+3, e: .inf, f: -.inf, g: 0o17, h: 0x1F, i: 010}",
        "{no: yes, on: off, y: n, null: ~, empty: , quoted: 'null', double: \"1\", 2024: 12:30:00}",
        "a: |\n  two\n  lines\nb: >-\n  folded\n  text\n",
        "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: *x\n",
        "- [1, [2, {a: b}]]\n- !!str 12a\n",
        "'<<': 1\n",
    ],
)
def test_a_text_means_what_it_means_in_yaml_1_2(text: str) -> None:
    assert load_yaml(text, "f") == YAML(typ="safe", pure=True).load(text)


def test_what_nemo_evaluator_writes_comes_back() -> None:
    data: dict[str, Any] = {
        "no": {"value": 1e-05, "stats": {"count": 135, "stderr": None, "max": math.inf}},
        "on": ["1.0", "true", "~", "", "<<", 1.0, True, None],
    }
    assert load_yaml(yaml.safe_dump(data), "f") == data


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: not YAML: the key 'a' is there twice"),
        ("a: {b: 1, b: 1}\n", "the key 'b' is there twice"),
        ("a: 1\n? [x]\n: 2\n", "f:2: not YAML: found unhashable key"),
        ("a: !!python/name:os.system\n", "f:1: not YAML"),
        ("a: !mine 1\n", "f:1: not YAML"),
        ("a: *x\n", "f:1: not YAML"),
    ],
)
def test_what_is_no_plain_data_is_an_error_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ResultsError) as caught:
        load_yaml(text, "f")
    assert problem in caught.value.message
