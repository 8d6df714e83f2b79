"""From what an endpoint replied, or did not, to a finding with a remedy. Pure; no finding holds a key's value."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from attrs import field, frozen

from evalyard.preflight.exchange import NoReply, Reply, Silence, proxy_for
from evalyard.records.findings import Finding, Severity
from evalyard.secrets import redact
from evalyard.serving.recipes import OPENAI_PATHS

SUBJECT = "endpoint"
COMPLAINT_LIMIT = 300
"""Characters of a server's own words that are shown."""
_TASK_PATHS = ("/chat/completions", "/completions", "/embeddings", "/responses", "/models")
_URL = "target.api_endpoint.url"


@frozen(kw_only=True)
class Question:
    """What an endpoint was asked."""

    url: str
    """Where the request went."""
    kind: str = ""
    """The endpoint type; empty = it was asked for its models."""
    model_id: str = ""
    api_key: str | None = field(default=None, repr=False)
    api_key_name: str | None = None
    """The variable that the key comes from, as far as the configuration names one."""
    timeout_s: float = 10.0

    @property
    def place(self) -> str:
        """The URL without what may be secret in it."""
        return shown(self.url)


def shown(url: str) -> str:
    """Return a URL without user name, query and fragment, which may hold keys."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return redact(url)
    return redact(urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")))


def models_url(url: str) -> str:
    """Return where an endpoint lists its models: `.../v1/chat/completions` and any full path give `.../v1/models`."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    for suffix in _TASK_PATHS:
        if path.endswith(suffix):
            return urlunsplit((parts.scheme, parts.netloc, path.removesuffix(suffix) + "/models", parts.query, ""))
    before, found, _ = f"{path}/".rpartition("/v1/")
    return urlunsplit((parts.scheme, parts.netloc, f"{before if found else path}/v1/models", parts.query, ""))


def on_silence(question: Question, silent: NoReply) -> Finding:
    """Say why an endpoint gave no reply."""
    place = question.place
    if silent.silence is Silence.INVALID_URL:
        return _error(f"'{place}' cannot be asked: {silent}", f"-o {_URL}=http://HOST:PORT/v1/chat/completions")
    host, proxy = urlsplit(place).netloc, proxy_for(question.url)
    asked = f"{place} (through the proxy {proxy})" if proxy else place
    look = f"curl -v {shlex.quote(place)}"
    match silent.silence:
        case Silence.KEY:
            name = question.api_key_name or "NAME"
            return _error(f"the API key in {name} cannot be sent: {silent}", f"export {name}=... with the bare key")
        case Silence.NAME:
            message, remedy = f"the name in {asked} is not known ({silent})", f"correct the host: -o {_URL}=..."
        case Silence.REFUSED:
            message, remedy = f"nothing listens at {asked}: connection refused", f"start the server, or -o {_URL}=..."
        case Silence.TIMEOUT:
            message, remedy = f"no answer from {asked} within {question.timeout_s:g} s", f"{look}, or -o {_URL}=..."
        case Silence.CERTIFICATE:
            message = f"the certificate of {host} is not trusted: {silent}"
            return _error(message, "export SSL_CERT_FILE=CA.pem with the certificate of whoever signed it")
        case Silence.TLS:
            plain = place.replace("https://", "http://", 1)
            return _error(f"{host} does not speak TLS as it should: {silent}", f"is it plain HTTP? -o {_URL}={plain}")
        case Silence.NOT_HTTP:
            message = f"{asked} hung up, or answered something that is not HTTP ({silent})"
            secure = place.replace("http://", "https://", 1)
            remedy = look if place.startswith("https:") else f"is it HTTPS? -o {_URL}={secure}"
        case _:
            message, remedy = f"{asked} cannot be reached: {silent}", look
    if proxy:
        remedy = f"to go without the proxy: export NO_PROXY={urlsplit(question.url).hostname}"
    return _error(message, remedy, unreachable=True)


def on_refusal(question: Question, reply: Reply) -> Finding:
    """Say what a reply with another status than success means."""
    said = f"HTTP {reply.status}: {complaint(reply.body) or 'no message'}"
    match reply.status:
        case 401 | 403:
            return _unauthorised(question, reply.status, said)
        case 429:
            message = f"{question.place} answers that it has had too many requests, or that a quota is used up ({said})"
            remedy = "wait, or ask less at once: -o config.params.parallelism=1"
            return Finding(severity=Severity.WARNING, subject=SUBJECT, message=message, remedy=remedy)
        case status if 300 <= status < 400:
            target = shown(urljoin(question.place, reply.location))
            return _error(f"{question.place} redirects to {target}, which is not followed", f"-o {_URL}={target}")
        case status if status >= 500:
            remedy = f"try again when the server is ready, and look at its log: {_curl_models(question)}"
            return _error(f"{question.place} fails ({said})", remedy)
        case 404 | 405:
            return _not_found(question, reply, said)
    return _error(f"{question.place} refuses the request ({said})", _other_path(question) or _curl_models(question))


def on_success(question: Question, reply: Reply) -> Finding:
    """Say whether a reply with a status of success is what such an endpoint answers."""
    value = reply.json()
    if isinstance(value, dict) and value.get("error"):
        return _error(f"{question.place} answers with an error: {complaint(reply.body)}", _curl_models(question))
    expected = "data" if question.kind == "embedding" else "choices"
    if not isinstance(value, dict) or not isinstance(value.get(expected), list) or not value[expected]:
        message = f"{question.place} answers, but not as an OpenAI-compatible {question.kind} endpoint: "
        begins = complaint(reply.body)
        message += f"no `{expected}` in {begins}" if begins else "the body is empty"
        remedy = _other_path(question) or f"is this the path that requests are posted to? -o {_URL}=..."
        return _error(message, remedy)
    message = f"{question.place} answers {question.kind} requests for model '{redact(question.model_id)}'"
    return Finding(severity=Severity.OK, subject=SUBJECT, message=message)


def complaint(body: bytes) -> str:
    """Return the message in an error's body, whichever of the usual shapes it has: one line, redacted, shortened."""
    value: Any = Reply(status=0, location="", body=body).json()
    for _ in range(3):
        if not isinstance(value, dict):
            break
        value = next((value[key] for key in ("error", "message", "detail") if value.get(key)), None)
    text = value if isinstance(value, str) else body.decode("utf-8", "replace")
    # Redacted first: a cut could leave half of a key, which nobody would recognise.
    line = " ".join("".join(c if c.isprintable() else " " for c in redact(text)).split())
    return line if len(line) <= COMPLAINT_LIMIT else line[: COMPLAINT_LIMIT - 1] + "…"


def _unauthorised(question: Question, status: int, said: str) -> Finding:
    name, place = question.api_key_name, question.place
    if question.api_key:
        right = ", or it lacks the right to this" if status == 403 else ""
        message = f"{place} does not accept the API key in {name or 'use'}{right} ({said})"
        return _error(message, f"export {name or 'NAME'}=... with a valid key")
    if name:
        return _error(f"{place} wants an API key, and {name} is not set ({said})", f"export {name}=...")
    message = f"{place} wants an API key, and the configuration names none ({said})"
    return _error(message, "export NAME=..., then -o target.api_endpoint.api_key_name=NAME")


def _not_found(question: Question, reply: Reply, said: str) -> Finding:
    value = reply.json()
    error = value.get("error") if isinstance(value, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    names_model = bool(question.model_id) and question.model_id in reply.body.decode("utf-8", "replace")
    if code == "model_not_found" or names_model:
        message = f"{question.place} does not serve the model '{redact(question.model_id)}' ({said})"
        return _error(message, f"{_curl_models(question)} lists them, then -o target.api_endpoint.model_id=NAME")
    if not question.kind:
        return _error(f"{question.place} lists no models ({said})", "-o target.api_endpoint.model_id=NAME")
    message = f"{question.place} is not a path that takes {question.kind} requests ({said})"
    return _error(message, _other_path(question) or f"-o {_URL}=..., with the whole path")


def _other_path(question: Question) -> str:
    """Return the setting of the URL that the type of endpoint suggests; empty when that is the URL already."""
    kind = "completions" if question.kind.startswith("completions") else question.kind
    suffix = OPENAI_PATHS.get(kind, "").removeprefix("/v1")
    usual = models_url(question.place).removesuffix("/models") + suffix
    return "" if not suffix or usual == question.place.rstrip("/") else f"-o {_URL}={usual}"


def _curl_models(question: Question) -> str:
    # Double quotes: the shell puts the key in where the command is pasted.
    header = f'-H "Authorization: Bearer ${question.api_key_name}" ' if question.api_key_name else ""
    return f"curl -sS {header}{shlex.quote(models_url(question.place))}"


def _error(message: str, remedy: str, *, unreachable: bool = False) -> Finding:
    return Finding(
        severity=Severity.ERROR,
        subject=SUBJECT,
        message=redact(message),
        remedy=redact(remedy),
        unreachable=unreachable,
    )
