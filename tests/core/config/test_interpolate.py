"""`${...}` and `???`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest
from hypothesis import given, settings, strategies as st

from evalyard.config.interpolate import check_missing, escape, interpolate
from evalyard.config.load import parse
from evalyard.config.node import Node, Problems, plain
from evalyard.errors import ConfigError

from .conftest import Load


def value(text: str, environ: Mapping[str, str] | None = None) -> object:
    problems = Problems()
    root = interpolate(parse(text, "f"), environ or {}, problems)
    problems.raise_if_any()
    return plain(root)


def test_references_keep_the_type_of_what_they_name() -> None:
    result = value("a: {n: 1, m: {k: [1, '${a.n}']}}\nb: ${a.n}\nc: ${a.m}\nd: x-${b}-${a.m.k[1]}\n")
    assert result == {"a": {"n": 1, "m": {"k": [1, 1]}}, "b": 1, "c": {"k": [1, 1]}, "d": "x-1-1"}


def test_relative_references_and_whole_lists_work() -> None:
    text = "l:\n  - {name: a, same: '${.name}'}\n  - {name: b}\nfirst: ${l.1.name}\nall: ${l}\n"
    tasks = [{"name": "a", "same": "a"}, {"name": "b"}]
    assert value(text) == {"l": tasks, "first": "b", "all": tasks}


def test_the_given_environment_is_used_and_defaults_where_it_is_silent() -> None:
    result = value("a: ${oc.env:X}\nb: ${oc.env:Y,8}\nc: ${oc.env:Y,${oc.env:X}}\nd: ${oc.env:Y,null}\n", {"X": "1"})
    assert result == {"a": "1", "b": "8", "c": "1", "d": None}


def test_the_first_key_that_is_not_null_is_selected_or_else_a_path() -> None:
    text = "a: {b: null, c: 1}\nx: '${select_not_null:a.b,a.c}'\ny: '${select_not_null:a.b,/fallback}'\n"
    text += "z: serve ${select_not_null:a.b,a.nope,/checkpoint} --fast\nn: '${select_not_null:a.b}'\n"
    expected = {"x": 1, "y": "/fallback", "z": "serve /checkpoint --fast", "n": None}
    assert value(text) == {"a": {"b": None, "c": 1}, **expected}


def test_text_is_decoded_where_it_is_asked_for() -> None:
    result = value("a: ${oc.decode:${oc.env:N}}\nb: '${oc.decode:\"[1, x]\"}'\n", {"N": "8"})
    assert result == {"a": 8, "b": [1, "x"]}


BOMBS = {
    "texts": "".join(f"a{i}: '${{a{i + 1}}}${{a{i + 1}}}'\n" for i in range(40)) + "a40: x\n",
    "lists": "".join(f"a{i}: ['${{a{i + 1}}}', '${{a{i + 1}}}']\n" for i in range(40)) + "a40: [x]\n",
    "mappings": "".join(f"a{i}: {{l: '${{a{i + 1}}}', r: '${{a{i + 1}}}'}}\n" for i in range(40)) + "a40: {x: y}\n",
    "computed": "".join(f"a{i}: '${{t.${{n{i + 1}}}}}${{a{i + 1}}}'\nn{i}: x{i}\n" for i in range(14))
    + "a14: x\nn14: x14\nt:\n"
    + "".join(f"  x{i}: '${{a{i}}}'\n" for i in range(15)),
    "long texts": f"b: {'x' * 100_000}\na: [" + ", ".join(["'${b}'"] * 1000) + "]\n",
    "variables": "a: [" + ", ".join(["'${oc.env:BIG}'"] * 1000) + "]\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_expressions_that_swell_are_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        value(BOMBS[name], {"BIG": "x" * 100_000})
    assert len(str(caught.value)) < 200
    assert "expand beyond all measure" in str(caught.value)


def test_a_thousand_tasks_may_name_the_same_things() -> None:
    text = "e: {url: http://h, id: m}\nt:\n" + "- {u: '${e.url}/v1', i: '${e.id}', e: '${e}'}\n" * 1000
    result = value(text)
    assert isinstance(result, dict)
    assert result["t"][999] == {"u": "http://h/v1", "i": "m", "e": {"url": "http://h", "id": "m"}}


def test_keys_with_dots_do_not_confuse_places() -> None:
    assert value("o: {config.params.x: '${n}', 'a[0]': '${n}'}\nn: 3") == {
        "o": {"config.params.x": 3, "a[0]": 3},
        "n": 3,
    }


def test_secrets_named_in_env_vars_stay_out_of_the_configuration() -> None:
    text = "env_vars:\n  A: ${oc.env:S}\n  B: host:${oc.env:S}\n  C: ${oc.env:N,/cache}\n  D: 'lit:${oc.env:S}/x'\n"
    assert value(text, {"S": "sesame"}) == {
        "env_vars": {"A": "host:S", "B": "host:S", "C": "lit:/cache", "D": "lit:sesame/x"}
    }


def test_an_environment_value_built_from_a_variable_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        value("evaluation: {env_vars: {A: 'Bearer ${oc.env:S}'}}", {"S": "sesame"})
    say = "this would store the value of a variable; write host:NAME, or lit: before it if it is no secret"
    assert caught.value.problems == (f"f:1:25: evaluation.env_vars.A: {say}",)


SHELL = r"; for the shell's own ${NAME} write $NAME or \${NAME}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: ${oc.env:NOPE}", "the environment variable NOPE is not set"),
        ("a: x/${oc.env:NOPE}/y", "the environment variable NOPE is not set"),
        ("a: ${b.c}", "${b.c} names nothing in this configuration" + SHELL),
        ("a: ${x:-3}", "${x:-3}: no such function" + SHELL),
        ("a: '${'", "not a valid ${...} expression" + SHELL),
        ("a: ${b}\nb: ${a}", "${b} leads back to itself"),
        ("a: ${oc.decode:${oc.env:S}}", "${oc.decode:${oc.env:S}} cannot be evaluated"),
    ],
)
def test_what_has_no_value_is_told_with_its_place_and_never_with_a_value(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        value(text, {"S": "[sesame"})
    assert caught.value.problems[0] == f"f:1:1: a: {complaint}"
    assert "sesame" not in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        value("a: ${oc.env:X}\nb: ${oc.env:Y}\nc: ok\nd: ${nope}\n")
    assert len(caught.value.problems) == 3


def test_a_very_long_chain_of_references_is_refused(load: Load) -> None:
    text = "\n".join(f"a{i}: ['${{a{i + 1}}}']" for i in range(2000)) + "\na2000: 1\n"
    with pytest.raises(ConfigError, match="f: nested too deeply"):
        load(text)


def test_everything_missing_is_listed_with_the_override_that_sets_it() -> None:
    problems = Problems()
    check_missing(parse("a: {b: '???'}\nl:\n  - c: ???\n", "f"), problems)
    with pytest.raises(ConfigError) as caught:
        problems.raise_if_any()
    assert caught.value.problems == (
        "f:1:5: a.b: must be set; in the file, or with -o a.b=...",
        "f:3:5: l[0].c: must be set; in the file, or with -o l[0].c=...",
    )


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.text(alphabet="ab${}\\:,.'\" [] ", max_size=12))
def test_an_escaped_text_comes_back_as_it_was(text: str) -> None:
    root = Node({"a": Node(escape(text), "f")}, "f")
    problems = Problems()
    assert plain(interpolate(root, {}, problems)) == {"a": text}
    assert not problems


def test_omegaconf_is_loaded_only_for_interpolation() -> None:
    program = (
        "import sys; from evalyard.config import load_text\n"
        "text = 'execution: {type: x}\\ntarget: {api_endpoint: {url: http://h}}\\nevaluation: {tasks: [t]}'\n"
        "load_text(text, 'f'); sys.exit('omegaconf' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_importing_the_package_loads_no_yaml() -> None:
    program = "import sys, evalyard.config; sys.exit('ruamel.yaml' in sys.modules or 'attrs' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
