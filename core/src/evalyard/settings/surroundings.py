"""What a job is given beside its resources: a way into the network, and secrets by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import Attribute, evolve, field, frozen

from evalyard.records.files import PlannedFile, SecretRef
from evalyard.records.jobs import Job
from evalyard.secrets import SECRETS_FILE
from evalyard.settings.resources import is_line

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _without_password(settings: object, attribute: Attribute[Any], value: str | None) -> None:
    is_line(settings, attribute, value)
    # Whatever its scheme, or without one: a user stands before an @, and nothing else of a proxy does.
    if value is not None and "@" in value:
        raise ValueError(f"{attribute.name} holds a password or a user; give the variable as a secret: credentials")


def _names(_settings: object, attribute: Attribute[Any], value: Sequence[str]) -> None:
    for name in value:
        if not _VARIABLE.fullmatch(name):
            # Not the text itself: it may be a secret that was put where its name belongs.
            raise ValueError(f"{attribute.name} are names of variables, and one of these is none")


@frozen(kw_only=True, slots=False)
class Network:
    """How jobs reach what is outside of their network."""

    http_proxy: str | None = field(default=None, validator=_without_password)
    """The proxy for http; null = none."""
    https_proxy: str | None = field(default=None, validator=_without_password)
    """The proxy for https; null = none."""
    no_proxy: str | None = field(default=None, validator=is_line)
    """Hosts that are reached without one, between commas."""

    @property
    def proxies(self) -> Mapping[str, str]:
        """Variable of a job -> its value, in small letters, as every program reads them."""
        given = {"http_proxy": self.http_proxy, "https_proxy": self.https_proxy, "no_proxy": self.no_proxy}
        return {name: value for name, value in given.items() if value}


@frozen(kw_only=True, slots=False)
class Credentials:
    """Secrets that every job gets, by name."""

    credentials: tuple[str, ...] = field(default=(), validator=_names)
    """Variables of the machine where `run` is called: every job finds them in its environment."""

    def secret_files(self, job: Job) -> tuple[PlannedFile, ...]:
        """Return the job's files with these variables in its secrets file."""
        path = f"{job.folder}/{SECRETS_FILE}"
        given = next((file for file in job.files if file.path == path), PlannedFile(path=path, mode=0o600))
        known = {ref.name for ref in given.secrets}
        refs = [
            SecretRef(name=name, variable=name, where="execution.credentials")
            for name in self.credentials
            if name not in known
        ]
        others = tuple(file for file in job.files if file.path != path)
        united = evolve(given, secrets=(*given.secrets, *refs))
        return (*others, united) if united.secrets else others
