"""`-o`: what each form does."""

from __future__ import annotations

import pytest

from evalyard.config.flow import parse_value
from evalyard.config.load import parse
from evalyard.config.node import Problems, plain
from evalyard.config.overrides import apply, parse_override
from evalyard.errors import ConfigError


def changed(text: str, *overrides: str) -> object:
    root, problems = parse(text, "f"), Problems()
    taken = [parse_override(override, problems) for override in overrides]
    apply(root, [override for override in taken if override is not None], problems)
    problems.raise_if_any()
    return plain(root)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("true", True),
        ("-1", -1),
        ("0.5", 0.5),
        ("", ""),
        ("~", "~"),
        ("yes", "yes"),
        ("http://h:8000/v1?a=b", "http://h:8000/v1?a=b"),
        ("'1'", "1"),
        ('"a \\"b\\""', 'a "b"'),
        ("'a' b", "'a' b"),
        ("[]", []),
        ("[1, two,'3',http://h/x]", [1, "two", "3", "http://h/x"]),
        ("{}", {}),
        ("{k:v, n: {m: [1]}}", {"k": "v", "n": {"m": [1]}}),
        ("{k: ${a.b}, l: 1}", {"k": "${a.b}", "l": 1}),
        ("[ -f x ] && y", "[ -f x ] && y"),
        ("{port}", "{port}"),
        ("[a", "[a"),
        ("[a,]", "[a,]"),
        # As Hydra documents its values:
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        ("TRUE", True),
        ("Null", None),
        ("meta/llama-3.1-8b-instruct", "meta/llama-3.1-8b-instruct"),
        ("https://h.example/v1/chat/completions", "https://h.example/v1/chat/completions"),
        ("host:HF_TOKEN", "host:HF_TOKEN"),
        ("a b  c", "a b  c"),
        ("'it\\'s'", "it's"),
        ('"[1, 2]"', "[1, 2]"),
        ("[[1, 2], {a: [x]}]", [[1, 2], {"a": ["x"]}]),
        ("{a: {b: c/d, 'e f': 1.5}, g: null}", {"a": {"b": "c/d", "e f": 1.5}, "g": None}),
        ("['a,b', \"c:d\"]", ["a,b", "c:d"]),
        ("${oc.env:X,y}", "${oc.env:X,y}"),
        ("01:00:00", "01:00:00"),
        ("[" * 50 + "]" * 50, "[" * 50 + "]" * 50),
    ],
)
def test_values_are_read_as_meant(text: str, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_all_three_signs_set_a_key_whether_it_was_there_or_not(sign: str) -> None:
    assert changed("a: {b: 1}", f"{sign}a.b=2", f"{sign}a.c.d=3") == {"a": {"b": 2, "c": {"d": 3}}}


def test_mappings_merge_and_lists_are_replaced() -> None:
    assert changed("a: {b: 1, l: [1, 2]}", "a={c: 2, l: [3]}") == {"a": {"b": 1, "l": [3], "c": 2}}


def test_later_overrides_win() -> None:
    assert changed("a: 1", "a=2", "a=3") == {"a": 3}


def test_an_empty_section_can_be_filled() -> None:
    assert changed("a:\n", "a.b=1") == {"a": {"b": 1}}


def test_keys_with_dots_can_be_quoted() -> None:
    assert changed("a: {}", "a.'b.c'.d=1", 'a["e.f"]=2') == {"a": {"b.c": {"d": 1}, "e.f": 2}}


def test_removing_takes_keys_and_items_away() -> None:
    assert changed("a: {b: 1, c: [1, 2]}", "~a.b", "~a.c[0]", "~a.c.0=2") == {"a": {"c": []}}


TASKS = "evaluation: {tasks: [first, {name: har.second}, {name: first}]}"


@pytest.mark.parametrize("where", ["[1]", ".1", ".har.second", "['har.second']"])
def test_a_task_is_reached_by_index_and_by_name(where: str) -> None:
    result = changed(TASKS, f"evaluation.tasks{where}.endpoint_type=chat")
    assert result == {
        "evaluation": {"tasks": ["first", {"name": "har.second", "endpoint_type": "chat"}, {"name": "first"}]}
    }


def test_a_name_reaches_every_task_of_that_name_even_one_that_is_only_a_name() -> None:
    result = changed(TASKS, "evaluation.tasks.first.endpoint_type=chat")
    both = {"name": "first", "endpoint_type": "chat"}
    assert result == {"evaluation": {"tasks": [both, {"name": "har.second"}, both]}}


def test_config_params_reach_every_task_and_win_over_its_own() -> None:
    own = "{name: a, nemo_evaluator_config: {config: {params: {x: 1, y: 2}}}}"
    result = changed(f"evaluation: {{tasks: [{own}, b]}}", "+config.params.x=9")
    params = {"config": {"params": {"x": 9}}}
    assert result == {
        "evaluation": {
            "tasks": [{"name": "a", "nemo_evaluator_config": {"config": {"params": {"x": 9, "y": 2}}}}, "b"],
            "nemo_evaluator_config": params,
        }
    }


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("a.b", "-o a.b: no value; write a.b=VALUE"),
        ("=1", "-o : not of the form key.path=value"),
        ("a..b=1", "-o a..b: not of the form key.path=value"),
        (".a=1", "-o .a: not of the form key.path=value"),
        ("a.=1", "-o a.: not of the form key.path=value"),
        ("a.b.c=1", "-o a.b.c=1: a.b is 1 and has no keys"),
        ("l[2]=1", "-o l[2]=1: l is a list and has items 0 to 1, not '2'"),
        ("l.x=1", "-o l.x=1: l is a list and has items 0 to 1, not 'x'"),
        ("~a.bb", "-o ~a.bb: nothing to remove; did you mean 'b'?"),
        ("~a.b=2", "-o ~a.b=2: not removed: its value is 1"),
        ("evaluation.tasks.x.y=1", "-o evaluation.tasks.x.y=1: no task is called 'x'; the tasks are: t"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(override: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        changed("a: {b: 1}\nl: [1, 2]\nevaluation: {tasks: [t]}", override)
    assert caught.value.problems == (complaint,)


def test_complaints_leave_out_values_of_the_environment() -> None:
    with pytest.raises(ConfigError) as caught:
        changed("l: [1]", "l.env_vars.KEY=lit:sesame")
    assert "sesame" not in str(caught.value)
