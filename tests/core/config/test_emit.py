"""Resolved configurations as text."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from evalyard.config.emit import emit
from evalyard.config.interpolate import interpolate
from evalyard.config.load import is_writable, parse
from evalyard.config.node import Plain, Problems, plain, with_place

TEXTS = st.text(max_size=20).filter(is_writable) | st.text(alphabet="a \n\t:-#'\"${}\\|>", max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
DATA: st.SearchStrategy[Plain] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS.filter(lambda key: key != "<<"), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.dictionaries(TEXTS, DATA, min_size=1, max_size=4))
def test_what_is_written_is_read_back_the_same(data: dict[str, Plain]) -> None:
    problems = Problems()
    text = emit(with_place(data, "f"))
    assert plain(interpolate(parse(text, "f"), {}, problems)) == data
    assert not problems


def test_scripts_are_written_as_a_reader_would() -> None:
    assert emit(with_place({"c": "echo a\n\n  echo b\n", "d": "x\ny", "l": [{"a": 1, "b": [1]}, [], {}]}, "f")) == (
        "c: |\n  echo a\n\n    echo b\nd: |-\n  x\n  y\nl:\n  - a: 1\n    b:\n      - 1\n  - []\n  - {}\n"
    )


def test_texts_that_look_like_something_else_are_quoted() -> None:
    assert emit(
        with_place({"a": "1", "b": "true", "c": "", "d": "~", "e": "yes", "f": "a: b", "g": "http://h/v1"}, "f")
    ) == ('a: "1"\nb: "true"\nc: ""\nd: "~"\ne: yes\nf: "a: b"\ng: http://h/v1\n')
