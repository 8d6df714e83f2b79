"""What an error of the SDK or of the network means here, in the service's own words."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from evalyard import BackendError, InvalidJob, Transient

LOGIN = "lep login, or set LEPTON_WORKSPACE_ID and LEPTON_WORKSPACE_TOKEN (dashboard: Settings, Tokens)"


_WORKSPACE_ERRORS = {
    "WorkspaceUnauthorizedError": 401,
    "WorkspaceForbiddenError": 403,
    "WorkspaceNotFoundError": 404,
}
"""The SDK's own errors about a workspace, which carry no response."""


class Absent(Exception):
    """The service has no such thing."""


class Conflict(Exception):
    """The service has something of that name, or is still removing it."""


def told(what: str, error: Exception) -> Exception:
    """Return what an error of the SDK or of the network means here."""
    import requests

    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "status_code", None)
    if isinstance(error, _no_address()):
        return BackendError(f"{what}: {error}", hint="correct execution.workspace_url, or LEPTON_WORKSPACE_URL")
    if isinstance(error, requests.RequestException):
        return Transient(f"{what}: no answer from {_place(error)}: {_cause(error)}")
    if type(error).__name__ in _WORKSPACE_ERRORS:
        # Their texts hold a part of the token.
        status = _WORKSPACE_ERRORS[type(error).__name__]
        if status != 401:
            problem = "there is no such workspace" if status == 404 else "the token is for another workspace"
            return BackendError(f"{what}: {problem}", hint=LOGIN)
    if isinstance(error, ValueError):
        return InvalidJob(f"{what}: {error}")
    if status is None:
        return Transient(f"{what}: the service's answer cannot be read")
    said = _said(response)
    text = f"{what}: the service says {status}{': ' + said if said else ''}"
    if status == 401:
        return BackendError(text, hint=f"the token is wrong or has expired: {LOGIN}")
    if status == 404:
        return Absent(text)
    if status == 409:
        return Conflict(text)
    if status == 429 or status >= 500:
        return Transient(text)
    return InvalidJob(text)


def _said(response: Any) -> str:
    """Return the message of an error's body: the service's is JSON, a gateway's a page for browsers."""
    try:
        body = json.loads(response.text)
        return " ".join(str(body["message"]).split())[:500]
    except (AttributeError, ValueError, KeyError, TypeError):
        return ""


def _no_address() -> tuple[type[Exception], ...]:
    from requests import exceptions

    return exceptions.MissingSchema, exceptions.InvalidSchema, exceptions.InvalidURL


def _place(error: Any) -> str:
    """Return the address that was asked, without the path."""
    address = urlsplit(getattr(error.request, "url", None) or "")
    return f"{address.scheme}://{address.netloc}" if address.netloc else "the service"


def _cause(error: BaseException) -> str:
    """Return the innermost reason: those around it repeat the address and our own retries."""
    inner: Any = error
    while (below := getattr(inner, "reason", None)) is None and inner.args and isinstance(inner.args[0], Exception):
        inner = inner.args[0]
    inner = below if isinstance(below, Exception) else inner
    words = str(inner).rpartition(": ")[2].strip("'\")> ")
    return (re.sub(r"^\[Errno -?\d+\] ", "", words) or type(inner).__name__)[:200]


def wait_s(error: BaseException | None) -> float:
    """Return how long the service asks us to wait."""
    response = getattr(error, "response", None)
    given = getattr(error, "retry_after", None)
    if given is None:
        given = getattr(response, "headers", {}).get("Retry-After")
    try:
        return max(0.0, float(given or 0))
    except (TypeError, ValueError):
        return 0.0
