"""One HTTP exchange with an endpoint: what came back, or why nothing did. Judges nothing."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from evalyard.harness.smoke.client import is_loopback
from evalyard.secrets import redact

MAX_REPLY_BYTES = 8 * 2**20
_READ_BYTES = 65536


class Silence(StrEnum):
    """Why no reply came."""

    INVALID_URL = "invalid url"
    NAME = "name"
    """The host's name is not known."""
    REFUSED = "refused"
    TIMEOUT = "timeout"
    CERTIFICATE = "certificate"
    """The server was heard, and its certificate is not to be trusted."""
    TLS = "tls"
    """What answered does not speak TLS as we do, or not at all."""
    NOT_HTTP = "not http"
    """It answered something else than HTTP, or hung up."""
    KEY = "key"
    """Nothing was sent: no HTTP header can carry the API key."""
    NETWORK = "network"
    """Anything else on the way."""


class NoReply(Exception):
    """No reply came; the text is the cause in the system's words, without secrets."""

    def __init__(self, silence: Silence, detail: str) -> None:
        super().__init__(detail)
        self.silence = silence


@frozen(kw_only=True)
class Reply:
    """An HTTP reply of any status."""

    status: int
    location: str
    """Where a redirect points to; redirects are not followed."""
    body: bytes

    def json(self) -> Any:
        """Return the body's JSON value; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET, or carry the API key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def send(url: str, *, api_key: str | None, timeout_s: float, body: Mapping[str, Any] | None = None) -> Reply:
    """GET the URL, or POST a JSON body to it.

    Loopback is asked directly, other hosts through the proxy that the environment names for them, if any.

    Raises:
        NoReply: no reply was had within `timeout_s` of silence or in all.
    """
    headers = {"Accept": "application/json", "User-Agent": "evalyard"}
    if api_key is not None:
        redact.add([api_key])
        if not (api_key.isascii() and api_key.isprintable()):
            raise NoReply(Silence.KEY, "it holds a line break or characters outside ASCII")
        headers["Authorization"] = f"Bearer {api_key}"
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    handlers = [urllib.request.ProxyHandler({})] if is_loopback(checked(url)) else []
    opener = urllib.request.build_opener(*handlers, _NoRedirect)
    deadline = time.monotonic() + timeout_s
    try:
        request = urllib.request.Request(url, data, headers, method="GET" if data is None else "POST")
        with opener.open(request, timeout=timeout_s) as response:
            return Reply(status=response.status, location="", body=_read(response, deadline))
    except urllib.error.HTTPError as error:
        with error:
            return Reply(
                status=error.code, location=error.headers.get("Location", ""), body=_read_rest(error, deadline)
            )
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _no_reply(error) from None


def connect(url: str, timeout_s: float) -> None:
    """Open a TCP connection to the URL's host, or to the proxy for it, and close it again.

    Raises:
        NoReply: that did not succeed within `timeout_s`, the look-up of the name included.
    """
    host, port = _first_hop(checked(url))
    failures: list[OSError | ValueError] = []

    def attempt() -> None:
        try:
            socket.create_connection((host, port), timeout=timeout_s).close()
        except (OSError, ValueError) as error:
            failures.append(error)

    # A look-up takes no timeout and may last half a minute: it is left behind in a thread that keeps nobody waiting.
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        raise NoReply(Silence.TIMEOUT, "timed out")
    if failures:
        raise _no_reply(failures[0])


def checked(url: str) -> str:
    """Return the URL. Raises NoReply when it is none that can be asked."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise NoReply(Silence.INVALID_URL, "it does not begin with http:// or https://")
        if not parts.hostname:
            raise NoReply(Silence.INVALID_URL, "it names no host")
        if parts.port == 0:
            raise NoReply(Silence.INVALID_URL, "port 0 is none")
        if parts.username is not None:
            raise NoReply(Silence.INVALID_URL, "it holds a user name; keys go into target.api_endpoint.api_key_name")
    except ValueError as error:
        raise NoReply(Silence.INVALID_URL, str(error)) from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise NoReply(Silence.INVALID_URL, "it holds characters that must be percent-encoded")
    return url


def proxy_for(url: str) -> str:
    """Return `host:port` of the proxy through which the URL is asked; empty when it is asked directly."""
    parts = urlsplit(url)
    given = urllib.request.getproxies().get(parts.scheme, "")
    if not given or is_loopback(url) or urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    proxy = urlsplit(given if "://" in given else f"//{given}")
    # Its user name and password are left out.
    return proxy.netloc.rpartition("@")[2]


def _first_hop(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    proxy = proxy_for(url)
    hop = urlsplit(f"//{proxy}") if proxy else parts
    default = 443 if parts.scheme == "https" and not proxy else 80
    try:
        return hop.hostname or "", hop.port or default
    except ValueError as error:
        raise NoReply(Silence.INVALID_URL, f"the proxy {proxy}: {error}") from None


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size <= MAX_REPLY_BYTES:
        part = response.read1(_READ_BYTES)
        if not part:
            break
        parts.append(part)
        size += len(part)
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(parts)


def _read_rest(error: urllib.error.HTTPError, deadline: float) -> bytes:
    """Return the body that explains an error status, as far as it comes: the status alone says much."""
    try:
        return _read(error, deadline)  # type: ignore[arg-type]  # an HTTPError passes every call on to its response
    except (OSError, http.client.HTTPException):
        return b""


def _no_reply(error: Exception) -> NoReply:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    silence = next((kind for classes, kind in _CAUSES if isinstance(reason, classes)), Silence.NETWORK)
    text = getattr(reason, "verify_message", "") or getattr(reason, "strerror", "") or str(reason)
    return NoReply(silence, redact(text) or type(reason).__name__)


_CAUSES: tuple[tuple[tuple[type[BaseException], ...], Silence], ...] = (
    ((socket.gaierror,), Silence.NAME),
    ((ConnectionRefusedError,), Silence.REFUSED),
    ((TimeoutError,), Silence.TIMEOUT),
    ((ssl.SSLCertVerificationError,), Silence.CERTIFICATE),
    ((ssl.SSLError,), Silence.TLS),
    ((http.client.InvalidURL, UnicodeError), Silence.INVALID_URL),
    ((http.client.HTTPException, ConnectionResetError, BrokenPipeError), Silence.NOT_HTTP),
)
"""The first that fits."""
