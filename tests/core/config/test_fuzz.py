"""Whatever a configuration holds, loading it succeeds or explains itself."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from evalyard.config import load_text
from evalyard.errors import EvalyardError

from .test_convert import FULL

PIECES = st.sampled_from(
    [
        *(
            "\t",
            "\n",
            ":",
            "- ",
            "[",
            "]",
            "{",
            "}",
            "&a ",
            "*a",
            "<<: ",
            "!!int ",
            "!x ",
            "'",
            '"',
            "|",
            ">",
            "#",
            "%",
        ),
        *(
            "???",
            "${",
            "${a",
            "}",
            "${execution.mode}",
            "${oc.env:NOPE}",
            "${evaluation}",
            "null",
            "true",
            "-1",
            ".nan",
        ),
        *("---\n", "\x00", "\ufeff", "\u2028", "defaults: [x]\n", "host:", "lit:", "0x", "9" * 30),
    ]
)
OVERRIDES = st.builds(
    "{}{}={}".format,
    st.sampled_from(["", "+", "++", "~"]),
    st.sampled_from(
        [
            *("execution", "deployment", "evaluation.tasks", "evaluation.tasks.own.name", "evaluation.tasks[1]"),
            *("target.api_endpoint.url", "config.params", "a.b", "evaluation.tasks.0.x", "defaults", "export", "[0]"),
            *("env_vars.A", ""),
        ]
    ),
    PIECES | st.text(max_size=8),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = FULL
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(PIECES | st.text(max_size=4)) + text[end:]
    return text


@settings(max_examples=200, derandomize=True, deadline=None)
@given(mutated(), st.lists(OVERRIDES, max_size=2))
def test_a_mutated_configuration_loads_or_says_why_not(text: str, overrides: list[str]) -> None:
    try:
        spec = load_text(text, "f", overrides, environ={"MODEL": "m"})
    except EvalyardError as error:
        lines = str(error).splitlines()
    else:
        lines = ["loaded"]
        assert load_text(spec.resolved, "f", environ={}).resolved == spec.resolved
    assert 1 <= len(lines) <= 25
