"""evalyard.errors: exit codes, retryability and what the reader sees."""

from __future__ import annotations

import pytest

from evalyard.errors import (
    BackendError,
    ConfigError,
    EvalyardError,
    InvalidJob,
    PluginError,
    SecretError,
    StoreError,
    Transient,
    UsageError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EvalyardError("x"), 1),
        (UsageError("x"), 2),
        (ConfigError(["x"]), 2),
        (PluginError("x"), 2),
        (SecretError("x"), 2),
        (StoreError("x"), 1),
        (BackendError("x"), 3),
        (Transient("x"), 3),
        (InvalidJob("x"), 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "code",
)
def test_each_error_has_the_exit_code_of_its_kind(error: EvalyardError, code: int) -> None:
    assert error.exit_code == code


def test_only_a_transient_error_invites_another_try() -> None:
    every = [EvalyardError, UsageError, PluginError, SecretError, StoreError, BackendError, Transient, InvalidJob]
    assert [error for error in every if error("x").transient] == [Transient]


def test_a_hint_stands_on_a_line_of_its_own() -> None:
    assert str(EvalyardError("no such run", hint="evalyard ls runs")) == "no such run\n  evalyard ls runs"
    assert str(EvalyardError("no such run")) == "no such run"


def test_a_configuration_error_keeps_every_problem() -> None:
    error = ConfigError(["a.yaml:1: first", "a.yaml:2: second"], hint="look")
    assert error.problems == ("a.yaml:1: first", "a.yaml:2: second")
    assert str(error) == "a.yaml:1: first\na.yaml:2: second\n  look"
