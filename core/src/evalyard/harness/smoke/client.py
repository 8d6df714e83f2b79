"""One request to an OpenAI-compatible endpoint, and what its failure means for those to come."""

from __future__ import annotations

import email.utils
import http.client
import ipaddress
import json
import random
import socket
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Iterator
from urllib.parse import urlsplit

RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})
"""Beside every 5xx."""
ERROR_TEXT_LIMIT = 300
"""Characters of a server's complaint that are kept."""
_READ_BYTES = 65536
# A class of its own before Python 3.10.
_TIMEOUTS = (TimeoutError, socket.timeout)


@dataclass(frozen=True)
class Endpoint:
    """What is asked, and with which settings."""

    url: str
    model: str
    type: str = "chat"
    """`chat` or `completions`."""
    api_key: str | None = field(default=None, repr=False)
    stream: bool = False
    temperature: float = 0.0
    max_tokens: int = 256
    top_p: float | None = None
    timeout_s: float = 60.0
    """For a whole request; looked at whenever the server sends something."""


@dataclass(frozen=True)
class Reply:
    """What the model said, and what it cost."""

    text: str
    prompt_tokens: int | None = None
    """None where the server reports no usage."""
    completion_tokens: int | None = None


class RequestFailed(Exception):
    """A request brought no reply; the text is the cause, fit for a reader and the same for the same cause."""

    def __init__(
        self, cause: str, *, retryable: bool, unreachable: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(cause)
        self.retryable = retryable
        """False: any further request would fare the same."""
        self.unreachable = unreachable
        """Nothing was heard from the server at all."""
        self.retry_after_s = retry_after_s
        """What the server asked us to wait."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and after which pauses a failed request is tried again."""

    retries: int = 3
    base_s: float = 0.5
    longest_s: float = 20.0
    longest_retry_after_s: float = 120.0

    def pause_s(self, failures: int, retry_after_s: float | None) -> float:
        """The pause after so many failures: what the server asked for, else doubling; jitter spreads the threads."""
        if retry_after_s is not None:
            return min(retry_after_s, self.longest_retry_after_s) + random.uniform(0, self.base_s / 2)
        return min(self.base_s * 2.0 ** (failures - 1), self.longest_s) * random.uniform(0.5, 1.0)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET, or carry the API key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine, by `localhost` or by a loopback address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Client:
    """Asks one endpoint; may be used by many threads at once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        # A proxy named in the environment cannot reach this machine's loopback.
        proxies = urllib.request.ProxyHandler({}) if is_loopback(endpoint.url) else urllib.request.ProxyHandler()
        self._opener = urllib.request.build_opener(proxies, _NoRedirect)

    def ask(self, prompt: str) -> Reply:
        """The model's reply to one prompt. Raises RequestFailed for whatever a server or the network does wrong."""
        deadline = time.monotonic() + self._endpoint.timeout_s
        try:
            with self._opener.open(self._request(prompt), timeout=self._endpoint.timeout_s) as response:
                if "event-stream" in response.headers.get("Content-Type", ""):
                    return _streamed_reply(_event_data(response, deadline))
                return _whole_reply(_read(response, deadline))
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from None
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            problem = f"not a {self._endpoint.type} reply: {type(error).__name__}: {error}"
            raise RequestFailed(_one_line(problem), retryable=True) from None

    def _request(self, prompt: str) -> urllib.request.Request:
        endpoint = self._endpoint
        body: dict[str, Any] = {"model": endpoint.model}
        if endpoint.type == "chat":
            body["messages"] = [{"role": "user", "content": prompt}]
        else:
            # Without it a base model continues the question.
            body["prompt"] = prompt + "\nAnswer:"
        body.update(temperature=endpoint.temperature, max_tokens=endpoint.max_tokens)
        if endpoint.top_p is not None:
            body["top_p"] = endpoint.top_p
        if endpoint.stream:
            body["stream"] = True
        headers = {"Content-Type": "application/json", "User-Agent": "evalyard-smoke"}
        if endpoint.api_key is not None:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        return urllib.request.Request(endpoint.url, json.dumps(body).encode(), headers, method="POST")

    def _broken(self, error: Exception) -> RequestFailed:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, _TIMEOUTS):
            cause = f"no complete reply within {self._endpoint.timeout_s:g} s"
        elif isinstance(reason, ConnectionRefusedError):
            cause = f"connection refused by {urlsplit(self._endpoint.url).netloc}"
        else:
            cause = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)
        return RequestFailed(
            _one_line(cause),
            retryable=not isinstance(reason, ssl.SSLCertVerificationError),
            unreachable=not isinstance(reason, http.client.IncompleteRead),
        )


def _refusal(error: urllib.error.HTTPError) -> RequestFailed:
    try:
        body = error.read(_READ_BYTES)
    except (OSError, http.client.HTTPException):
        body = b""
    message = _complaint(body) or error.reason or "no message"
    location = error.headers.get("Location")
    if location and 300 <= error.code < 400:
        message = f"redirected to {location}, which is not followed: give the final URL"
    return RequestFailed(
        _one_line(f"HTTP {error.code}: {message}"),
        retryable=error.code in RETRYABLE_STATUSES or error.code >= 500,
        retry_after_s=_retry_after_s(error.headers.get("Retry-After")),
    )


def _retry_after_s(header: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date. None where it is absent or neither."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _complaint(body: bytes) -> str:
    """The message in an error's body, whichever of the usual shapes it has."""
    text = body.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for _ in range(3):
        if not isinstance(value, dict):
            break
        value = next((value[key] for key in ("error", "message", "detail") if value.get(key)), text)
    return value if isinstance(value, str) else text


def _one_line(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= ERROR_TEXT_LIMIT else line[: ERROR_TEXT_LIMIT - 1] + "…"


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    parts: list[bytes] = []
    while True:
        part = response.read1(_READ_BYTES)
        if not part:
            return b"".join(parts)
        parts.append(part)
        _check(deadline)


def _event_data(response: http.client.HTTPResponse, deadline: float) -> Iterator[str]:
    """The `data:` fields of a stream of server-sent events; comments and other fields are passed over."""
    for line in response:
        _check(deadline)
        if line.startswith(b"data:"):
            yield line[len(b"data:") :].decode("utf-8").strip()


def _piece(choice: dict[str, Any]) -> str:
    """The text of one choice of any of the four shapes. `content` is null where a model only thought."""
    if "text" in choice:
        return choice["text"] or ""
    return (choice.get("message") or choice.get("delta") or {}).get("content") or ""


def _tokens(value: dict[str, Any]) -> dict[str, Any]:
    usage = value.get("usage") or {}
    counts = {name: usage.get(name) for name in ("prompt_tokens", "completion_tokens")}
    return {name: count for name, count in counts.items() if isinstance(count, int)}


def _whole_reply(body: bytes) -> Reply:
    value = json.loads(body)
    if value.get("error"):
        raise RequestFailed(_one_line(f"error in the reply: {_complaint(body)}"), retryable=True)
    return Reply(_piece(value["choices"][0]), **_tokens(value))


def _streamed_reply(events: Iterator[str]) -> Reply:
    pieces: list[str] = []
    tokens: dict[str, Any] = {}
    finished = False
    for event in events:
        if event == "[DONE]":
            finished = True
            break
        value = json.loads(event)
        if value.get("error"):
            raise RequestFailed(_one_line(f"error in the reply: {_complaint(event.encode())}"), retryable=True)
        tokens.update(_tokens(value))
        for choice in value.get("choices") or []:
            pieces.append(_piece(choice))
            finished = finished or bool(choice.get("finish_reason"))
    if not finished:
        raise RequestFailed("the stream ended before the reply did", retryable=True)
    return Reply("".join(pieces), **tokens)
