"""Secrets: looked up by name, written to one 0600 file for sh, and redacted from everything else.

A value is read where it is needed and never put into a record, a script, an argument list or a message.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from evalyard.errors import SecretError
from evalyard.records.files import SecretRef

SECRETS_FILE = ".secrets.env"
"""What the file with the secrets of a task, or of a model server, is called in its folder."""
REDACTED = "***"
SHORTEST_REDACTED = 4
"""Values shorter than this are not redacted: `1` or `yes` would blank out half of every text."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quote(text: str) -> str:
    """Quote any text for sh, so that it is taken literally: newlines, quotes, `$(...)` and backslashes included."""
    return "'" + text.replace("'", "'\\''") + "'"


def render_env_file(values: Mapping[str, str]) -> str:
    """Return the text of a secrets file: assignments that sh reads back exactly and never executes.

    Assignments, not exports: the job script exports them only around the process that needs them.

    Raises:
        SecretError: for a value that no environment can hold (a NUL character).
    """
    for name, value in values.items():
        if "\0" in value:
            raise SecretError(f"the value of {name} holds a NUL character, which no environment variable can")
    return "".join(f"{name}={quote(value)}\n" for name, value in sorted(values.items()))


def read_env_file(path: Path) -> dict[str, str]:
    """Read a file that `render_env_file` wrote; an absent or unreadable file is empty."""
    try:
        # Bytes: reading as text would turn a carriage return within a value into a newline.
        text = path.read_bytes().decode("utf-8", errors="surrogateescape")
    except OSError:
        return {}
    values: dict[str, str] = {}
    try:
        words = shlex.split(text, posix=True)
    except ValueError:
        return {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and _NAME.fullmatch(name):
            values[name] = value
    return values


@frozen(kw_only=True)
class SecretSource:
    """Where values come from: the environment first, then the run's own secrets files (a keeper's, a resume's)."""

    environ: Mapping[str, str] = field(factory=lambda: dict(os.environ), repr=False)
    run_dir: Path | None = None
    """Where the run's secrets files are; None = there are none yet."""

    def value(self, variable: str) -> str:
        """Return the value of a variable.

        Raises:
            SecretError: naming the variable, when neither the environment nor a secrets file has it.
        """
        if variable in self.environ:
            return _learned(self.environ[variable])
        for file in self.run_dir.glob(f"*/{SECRETS_FILE}") if self.run_dir else ():
            saved = read_env_file(file)
            if variable in saved:
                return _learned(saved[variable])
        raise _unset(variable, "")

    def values(self, refs: Sequence[SecretRef], file: str) -> dict[str, str]:
        """Return the values for one secrets file, by the names that they have in the job.

        Args:
            file: its path below the run directory; an earlier version of it serves where the environment does not.

        Raises:
            SecretError: naming the first variable without a value and the place that declares it.
        """
        saved = read_env_file(self.run_dir / file) if self.run_dir else {}
        values: dict[str, str] = {}
        for ref in refs:
            if ref.variable in self.environ:
                values[ref.name] = self.environ[ref.variable]
            elif ref.name in saved:
                values[ref.name] = saved[ref.name]
            else:
                raise _unset(ref.variable, ref.where)
        redact.add(values.values())
        return values


def learn_saved(run_dir: Path) -> None:
    """Teach the redactor every value that a run directory's secrets files hold."""
    for file in run_dir.glob(f"*/{SECRETS_FILE}"):
        redact.add(read_env_file(file).values())


def _learned(value: str) -> str:
    redact.add([value])
    return value


def _unset(variable: str, where: str) -> SecretError:
    place = f"{where}: " if where else ""
    return SecretError(
        f"{place}the environment variable {variable} is not set",
        hint=f"export {variable}=... before the command, or put it into a file and pass --env-file FILE",
    )


class Redactor:
    """Replaces known secret values in any text that we print or store."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        """Learn more values; each line of a value of several lines counts as a value too."""
        for value in values:
            for part in {value, *value.splitlines()}:
                if len(part) >= SHORTEST_REDACTED:
                    self._values.add(part)
        longest_first = sorted(self._values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """Return the text with every known value replaced."""
        return self._pattern.sub(REDACTED, text) if self._pattern else text


redact = Redactor()
"""The process's own redactor: whoever learns a value adds it; all text that we print, and every reason, passes it."""
