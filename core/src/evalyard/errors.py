"""Every error that evalyard raises on purpose.

One root class carries what the command line needs: an exit code, a hint that says what to do, and whether trying again
may help. Libraries raise these; only `evalyard.cli.app` prints them and exits.
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_OK = 0
EXIT_JOB_FAILED = 1
EXIT_USAGE = 2
EXIT_BACKEND = 3
EXIT_INTERRUPTED = 130


class EvalyardError(Exception):
    """The root: a message for the reader, and optionally what to do about it.

    Attributes:
        exit_code: what the command line exits with.
        transient: whether the same call may succeed later without anybody changing anything.
        hint: one line naming the remedy, usually a command; None when the message says it all.
    """

    exit_code: int = EXIT_JOB_FAILED
    transient: bool = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(EvalyardError):
    """The command line asks for something that cannot be: an unknown id, contradictory flags."""

    exit_code = EXIT_USAGE


class ConfigError(UsageError):
    """The configuration is wrong. Holds every problem found, or the only one, each already naming its place."""

    def __init__(self, problems: str | Sequence[str], *, hint: str | None = None) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems), hint=hint)


class PluginError(EvalyardError):
    """A plugin is missing, broken, made for another API, or broke the contract of a hook."""

    exit_code = EXIT_USAGE


class SecretError(UsageError):
    """A secret that a job names has no value here. The message holds the name, never a value."""


class StoreError(EvalyardError):
    """A record of ours cannot be read or written."""


class BackendError(EvalyardError):
    """The backend could not be asked, or refused."""

    exit_code = EXIT_BACKEND


class Transient(BackendError):
    """The backend did not answer, or answered "later". Whether the request took effect is not known."""

    transient = True


class InvalidJob(BackendError):
    """The backend refused this one job for good; retrying the same request cannot help."""

    exit_code = EXIT_USAGE


class Interrupted(EvalyardError):
    """Somebody pressed Ctrl-C or sent SIGTERM, and what was under way has been undone, as far as the message says."""

    exit_code = EXIT_INTERRUPTED
