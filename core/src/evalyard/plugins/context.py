"""What a hook may know of its surroundings: the connection, secrets by name, a deadline, a cancel token."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from attrs import define, field

from evalyard.records.connections import Connection
from evalyard.records.files import PlannedFile
from evalyard.secrets import SecretSource, render_env_file

NOTICES = "evalyard.notices"
"""The logger of what plugins say while a step takes long: shown by the commands that wait for it."""
PROGRESS = "evalyard.progress"
"""The logger of what a step shows in place of what it showed before; only terminals show it."""
CALL_DEADLINE_S = 120.0
"""How long one hook call may take unless core says otherwise."""


@define(kw_only=True)
class Context:
    """Handed to every hook but `plan`.

    Attributes:
        connection: where the backend is.
        run_dir: the run's directory, absolute, where its jobs run: in every step of a run. Empty in `check`, and where
            `evalyard gc` asks what no run is known for: `orphans`, and `teardown` of what that found.
        deadline: when this call must have ended, on the clock of `time.monotonic()`.
        cancelled: tells whether everybody who waits for this work has asked for its end; long work asks now and then.
        owner: which launcher this is (its machine and state home): tells what it made from what others made.
        thorough: whether a check may take seconds, and start something that it removes again.
    """

    connection: Connection
    run_dir: str = ""
    owner: str = ""
    deadline: float = field(factory=lambda: time.monotonic() + CALL_DEADLINE_S)
    cancelled: Callable[[], bool] = field(default=lambda: False)
    thorough: bool = False
    _secrets: SecretSource = field(factory=SecretSource, alias="secrets")

    @property
    def remaining_s(self) -> float:
        """Seconds left for this call, never below zero."""
        return max(0.0, self.deadline - time.monotonic())

    def say(self, text: str) -> None:
        """Tell whoever waits for this step what takes so long: a pull, an upload. Seldom, and one line at a time."""
        logging.getLogger(NOTICES).info(text)

    def show(self, lines: Sequence[str]) -> None:
        """Show these lines now, in place of what was last shown this way; only terminals show them.

        Whoever shows something ends with no lines: what is over shall not stay on the screen.
        """
        logging.getLogger(PROGRESS).info("\n".join(lines))

    def secret(self, variable: str) -> str:
        """Return a secret's value: the environment's, else the run's own secrets file's.

        Raises:
            SecretError: naming the variable, when neither has it.
        """
        return self._secrets.value(variable)

    def content(self, file: PlannedFile) -> str:
        """Return what a planned file must contain; the only place where secrets become text.

        Raises:
            SecretError: when a variable that the file needs has no value.
        """
        if not file.secrets:
            return file.text
        return render_env_file(self._secrets.values(file.secrets, file.path))
