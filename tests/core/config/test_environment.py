"""Environment values in configurations, and `.env` files."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalyard.config import read_env_file
from evalyard.errors import ConfigError
from evalyard.specs import ValueSource

from .conftest import Load


@pytest.mark.parametrize(
    ("text", "source", "value"),
    [
        ("host:NAME", ValueSource.HOST, "NAME"),
        ("$host:NAME", ValueSource.HOST, "NAME"),
        ("NAME", ValueSource.HOST, "NAME"),
        ("runtime:NAME", ValueSource.RUNTIME, "NAME"),
        ("$runtime:NAME", ValueSource.RUNTIME, "NAME"),
        ("'lit:a: b=c'", ValueSource.LITERAL, "a: b=c"),
        ("'$lit:'", ValueSource.LITERAL, ""),
        ("007", ValueSource.LITERAL, "007"),
        ("1e3", ValueSource.LITERAL, "1e3"),
        ("True", ValueSource.LITERAL, "True"),
        ("${oc.env:NAME}", ValueSource.HOST, "NAME"),
    ],
)
def test_each_way_to_write_a_value(load: Load, base: str, text: str, source: ValueSource, value: str) -> None:
    found = load(f"{base}env_vars:\n  A: {text}\n", environ={"NAME": "sesame"}).tasks[0].env["A"]
    assert (found.source, found.text, found.where) == (source, value, "f:6")


def test_the_nearest_level_wins(load: Load) -> None:
    spec = load(
        """
        execution: {type: local}
        env_vars: {A: lit:top, B: lit:top, C: lit:top}
        deployment: {type: generic, env_vars: {A: lit:deployment}}
        evaluation:
          env_vars: {B: lit:evaluation, C: lit:evaluation}
          tasks: [{name: one, env_vars: {C: lit:task}}, two]
        """
    )
    texts = [{name: value.text for name, value in task.env.items()} for task in spec.tasks]
    assert texts == [{"A": "top", "B": "evaluation", "C": "task"}, {"A": "top", "B": "evaluation", "C": "evaluation"}]
    assert spec.deployment is not None
    assert {name: value.text for name, value in spec.deployment.env.items()} == {
        "A": "deployment",
        "B": "top",
        "C": "top",
    }


def test_the_key_of_the_endpoint_is_declared_by_its_name_unless_it_already_is(load: Load, base: str) -> None:
    key = "target.api_endpoint.api_key_name=KEY"
    assert load(base, key).tasks[0].env["KEY"].text == "KEY"
    assert load(base, key, "env_vars.KEY=host:OTHER").tasks[0].env["KEY"].text == "OTHER"


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("A: se-same", "env_vars.A: is neither a name of a variable nor begins with host:, runtime: or lit:"),
        ("A: host:se-same", "env_vars.A: what follows host: is not a name of a variable"),
        ("A: 'runtime:'", "env_vars.A: what follows runtime: is not a name of a variable"),
        ("A-B: lit:sesame", "env_vars.A-B: 'A-B' is not a name of a variable"),
        ("A: [se-same]", "env_vars.A: is a list; write host:NAME, runtime:NAME or lit:text"),
        ("A:", "env_vars.A: is empty; write host:NAME, runtime:NAME or lit:text"),
    ],
)
def test_a_wrong_value_is_never_repeated(load: Load, base: str, entry: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f"{base}env_vars:\n  {entry}\n")
    assert caught.value.problems[0].startswith(f"f:6:3: {complaint}")
    assert "same" not in str(caught.value)


def test_a_key_given_instead_of_its_name_is_refused_without_repeating_it(load: Load, base: str) -> None:
    with pytest.raises(ConfigError, match="must be the NAME of an environment variable, not its value") as caught:
        load(base.replace("url:", "api_key_name: sk-sesame, url:"))
    assert "sesame" not in str(caught.value)


def test_env_files_are_read_as_shells_would_without_expanding(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "# a comment\n\nA=1\nexport B = two words # comment\nC='$HOME \\n' # comment\n"
        'D="a\\"b\\nc"\nE="over\ntwo lines"\nF=\nG=a#b\nH=é\nI="# none"\nJ=#gone\n'
    )
    assert read_env_file(path) == {
        "A": "1",
        "B": "two words",
        "C": "$HOME \\n",
        "D": 'a"b\nc',
        "E": "over\ntwo lines",
        "F": "",
        "G": "a#b",
        "H": "é",
        "I": "# none",
        "J": "",
    }


def test_every_bad_line_of_an_env_file_is_told_without_its_value(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("sesame\n2A=sesame\nB='sesame\n")
    with pytest.raises(ConfigError) as caught:
        read_env_file(path)
    assert caught.value.problems == (
        f"{path}:1: not of the form NAME=value",
        f"{path}:2: not of the form NAME=value",
        f"{path}:3: the quote of B has no end",
    )
