"""Asking an OpenAI-compatible endpoint: which models it has, whether a task's request succeeds, whether it is there."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from evalyard.errors import EXIT_BACKEND, EXIT_USAGE, EvalyardError
from evalyard.preflight.diagnosis import (
    Question,
    complaint,
    models_url,
    on_refusal,
    on_silence,
    on_success,
    shown,
)
from evalyard.preflight.exchange import NoReply, checked, connect, send
from evalyard.records.findings import Finding, Severity
from evalyard.secrets import redact

__all__ = ["EndpointError", "ask_models", "from_elsewhere", "models_url", "only_model", "probe", "reachable"]

_SET_MODEL = "-o target.api_endpoint.model_id=NAME"
_LISTED = 8


class EndpointError(EvalyardError):
    """An endpoint could not be asked, or its answer does not do; `unreachable` says which."""

    def __init__(self, message: str, *, hint: str | None = None, unreachable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.unreachable = unreachable
        self.exit_code = EXIT_BACKEND if unreachable else EXIT_USAGE


def ask_models(
    url: str, api_key: str | None, timeout_s: float = 10.0, *, api_key_name: str | None = None
) -> tuple[str, ...]:
    """Return the ids of the models that an endpoint lists, in its order.

    Args:
        url: the full path that requests are posted to.
        api_key: the key itself; None = no Authorization header.
        timeout_s: how long to wait.
        api_key_name: the variable that the key comes from, for messages.

    Raises:
        EndpointError: it does not answer, refuses, or answers something else than a list of models.
    """
    question = Question(url=url, api_key=api_key, api_key_name=api_key_name, timeout_s=timeout_s)
    try:
        question = evolve(question, url=models_url(checked(url)))
        reply = send(question.url, api_key=api_key, timeout_s=timeout_s)
    except NoReply as silent:
        raise _raised(on_silence(question, silent)) from None
    if not 200 <= reply.status < 300:
        raise _raised(on_refusal(question, reply))
    value = reply.json()
    entries = value.get("data") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        message = f"{question.place} answers something else than a list of models: {complaint(reply.body)}"
        raise EndpointError(message, hint=_SET_MODEL)
    names = [entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
    return tuple(dict.fromkeys(names))


def only_model(url: str, api_key: str | None, timeout_s: float = 10.0, *, api_key_name: str | None = None) -> str:
    """Return the id of the one model that an endpoint serves.

    Raises:
        EndpointError: it serves none or several, which are listed; or what `ask_models` raises.
    """
    names = ask_models(url, api_key, timeout_s, api_key_name=api_key_name)
    if not names:
        raise EndpointError(f"{shown(models_url(url))} lists no model", hint=_SET_MODEL)
    if len(names) > 1:
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        listed = redact(", ".join(names[:_LISTED]))
        raise EndpointError(f"{shown(url)} serves several models: {listed}{more}", hint=f"choose: {_SET_MODEL}")
    return names[0]


def probe(
    url: str,
    kind: str,
    model_id: str,
    api_key: str | None,
    timeout_s: float = 10.0,
    *,
    api_key_name: str | None = None,
) -> Finding:
    """Send the smallest real request of an endpoint type (chat, completions, embedding, ...) and judge the answer."""
    question = Question(
        url=url, kind=kind, model_id=model_id, api_key=api_key, api_key_name=api_key_name, timeout_s=timeout_s
    )
    try:
        reply = send(url, api_key=api_key, timeout_s=timeout_s, body=_smallest(kind, model_id))
    except NoReply as silent:
        return on_silence(question, silent)
    return on_success(question, reply) if 200 <= reply.status < 300 else on_refusal(question, reply)


def reachable(url: str, timeout_s: float = 2.0) -> Finding | None:
    """Return a warning when nothing accepts connections at the URL, None when something does.

    No request is sent. Takes `timeout_s` at most.
    """
    try:
        connect(url, timeout_s)
    except NoReply as silent:
        finding = on_silence(Question(url=url, timeout_s=timeout_s), silent)
        return evolve(finding, severity=Severity.WARNING)
    return None


def from_elsewhere(finding: Finding) -> Finding:
    """Return what a finding of this machine's means for jobs elsewhere: what is silent here may answer there."""
    if not finding.unreachable:
        return finding
    message = f"{finding.message}, as this machine asks; jobs ask from where they run"
    return evolve(finding, severity=Severity.WARNING, message=message)


def _smallest(kind: str, model_id: str) -> dict[str, Any]:
    if kind == "embedding":
        return {"model": model_id, "input": "1"}
    if kind.startswith("completions"):
        logprobs = {"logprobs": 1} if kind.endswith("logprob") else {}
        return {"model": model_id, "prompt": "1", "max_tokens": 1, **logprobs}
    return {"model": model_id, "messages": [{"role": "user", "content": "1"}], "max_tokens": 1}


def _raised(finding: Finding) -> EndpointError:
    return EndpointError(finding.message, hint=finding.remedy or None, unreachable=finding.unreachable)
