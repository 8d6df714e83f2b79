"""evalyard.exports.variables: what an exporter's process gets, and what is kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalyard.errors import SecretError
from evalyard.exports.destination import Destination
from evalyard.exports.variables import environment, keep_variables
from evalyard.secrets import redact
from evalyard.specs import EnvValue, Section, ValueSource

DECLARED = {
    "A": EnvValue(source=ValueSource.HOST, text="MY_A", where="f:3"),
    "B": EnvValue(source=ValueSource.LITERAL, text="written"),
    "C": EnvValue(source=ValueSource.RUNTIME, text="MY_C"),
}
ENVIRON = {"MY_A": "value-of-a", "MY_C": "value-of-c", "TOY_URI": "http://toy", "TOY_TOKEN": "value-of-token"}


class Toy:
    variables = ("TOY_URI", "TOY_TOKEN", "TOY_ABSENT")


def toy() -> Destination:
    return Destination(section=Section(name="toy", path="export.toy", data={}), exporter=Toy, settings=None)


def given(environ: dict[str, str], records: Path | None = None, declared: Any = None) -> dict[str, str]:
    return environment(DECLARED if declared is None else declared, Toy.variables, environ, records)


def test_declared_variables_are_added_to_those_of_the_caller() -> None:
    assert given(ENVIRON) == ENVIRON | {"A": "value-of-a", "B": "written", "C": "value-of-c"}


def test_what_run_saw_serves_later_commands_and_the_environment_wins(tmp_path: Path) -> None:
    keep_variables(tmp_path, DECLARED, [toy()], ENVIRON)
    expected = {"A": "value-of-a", "B": "written", "C": "value-of-c", "TOY_URI": "http://toy"}
    assert given({}, tmp_path) == expected | {"TOY_TOKEN": "value-of-token"}
    assert given({"TOY_TOKEN": "newer", "MY_A": "newer too"}, tmp_path).items() >= {
        ("TOY_TOKEN", "newer"),
        ("A", "newer too"),
    }


def test_a_variable_without_a_value_is_named_with_its_place() -> None:
    with pytest.raises(SecretError, match="f:3: the environment variable MY_A is not set"):
        given({})


def test_secrets_are_redacted_from_then_on_and_addresses_are_not() -> None:
    given(ENVIRON)
    assert redact("value-of-a value-of-token http://toy written") == "*** *** http://toy written"


def test_the_file_is_its_owners_alone_and_there_is_none_when_there_is_nothing_to_keep(tmp_path: Path) -> None:
    keep_variables(tmp_path, {}, [toy()], {})
    assert list(tmp_path.iterdir()) == []
    keep_variables(tmp_path, {}, [toy()], ENVIRON)
    file = tmp_path / "exports" / ".secrets.env"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
