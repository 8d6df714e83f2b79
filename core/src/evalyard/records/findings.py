"""What preflight says."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@frozen(kw_only=True)
class Finding:
    """One result of a preflight check."""

    severity: Severity
    subject: str
    """What was looked at: `disk space`, `endpoint`."""
    message: str
    remedy: str = ""
    """The command or the step that mends it."""
    unreachable: bool = False
    """Whether it is the backend or the endpoint that does not answer, rather than something wrong here."""
