"""The OpenAI-compatible API without the transport: request bodies to response bodies, and its errors."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

CREATED = 0
"""The moment that every object states: replies are the same at any time."""


class ApiError(Exception):
    """A refusal, with the HTTP status and the body of OpenAI's errors."""

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": None, "code": code}}


def model_list(models: Sequence[str]) -> dict[str, Any]:
    """What `GET /v1/models` answers."""
    entries = [{"id": model, "object": "model", "created": CREATED, "owned_by": "demo"} for model in models]
    return {"object": "list", "data": entries}


def parsed(raw: bytes, models: Sequence[str]) -> dict[str, Any]:
    """A request's body. Raises ApiError where it is no JSON object or asks for a model that is not served."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise ApiError(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise ApiError(400, "the body is not a JSON object")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise ApiError(400, "'model' is missing")
    if model not in models:
        served = ", ".join(models)
        raise ApiError(404, f"the model '{model}' does not exist; served here: {served}", code="model_not_found")
    return body


def chat_prompt(body: dict[str, Any]) -> str:
    """The text of the last message from the user. Raises ApiError where there is none."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "'messages' is missing or empty")
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user":
            return _text(message.get("content"))
    raise ApiError(400, "'messages' holds no message from the user")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "\n".join(part for part in parts if isinstance(part, str))
    raise ApiError(400, "the message's 'content' is neither text nor a list of parts")


def completion_prompt(body: dict[str, Any]) -> str:
    """The text to complete, less a trailing "Answer:". Raises ApiError where there is none."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise ApiError(400, "'prompt' is missing or is not one text")
    return re.sub(r"\s*Answer:\s*$", "", prompt)


def _usage(prompt: str, reply: str) -> dict[str, int]:
    """Token counts; here a word is a token."""
    asked, answered = len(prompt.split()), len(reply.split())
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def whole_reply(body: dict[str, Any], prompt: str, reply: str, *, chat: bool) -> dict[str, Any]:
    """A reply in one piece."""
    content = {"message": {"role": "assistant", "content": reply}} if chat else {"text": reply}
    return {
        "id": "demo-0",
        "object": "chat.completion" if chat else "text_completion",
        "created": CREATED,
        "model": body["model"],
        "choices": [{"index": 0, **content, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage(prompt, reply),
    }


def streamed_reply(body: dict[str, Any], prompt: str, reply: str, *, chat: bool) -> list[str]:
    """The same reply as the data of server-sent events, a word each."""
    words = re.findall(r"\s*\S+\s*", reply) or [reply]
    head = {
        "id": "demo-0",
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": CREATED,
        "model": body["model"],
    }
    chunks: list[dict[str, Any]] = []
    for place, word in enumerate(words):
        opening = {"role": "assistant"} if place == 0 else {}
        piece: dict[str, Any] = {"delta": {**opening, "content": word}} if chat else {"text": word}
        chunks.append({**head, "choices": [{"index": 0, **piece, "finish_reason": None}]})
    last: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
    chunks.append({**head, "choices": [{"index": 0, **last, "finish_reason": "stop"}]})
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        chunks.append({**head, "choices": [], "usage": _usage(prompt, reply)})
    return [*(json.dumps(chunk) for chunk in chunks), "[DONE]"]
