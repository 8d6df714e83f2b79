"""An endpoint that thinks aloud before it answers, and counts what it is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.core.harness.smoke_servers import Answer, ScriptedServer, scripted_endpoint

THOUGHT = "<think>One more than it, so"


def _reply(_number: int, body: dict[str, Any], _headers: dict[str, str]) -> Answer:
    first = int(body["messages"][0]["content"].split(" + ")[0])
    content = f"{THOUGHT} {first + 1}.</think>{first + 1}"
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
    reply = {"id": "1", "object": "chat.completion", "choices": [{"index": 0, "message": message}], "usage": usage}
    return 200, {"Content-Type": "application/json"}, json.dumps(reply).encode()


def _refusal(_number: int, _body: dict[str, Any], _headers: dict[str, str]) -> Answer:
    return 401, {"Content-Type": "application/json"}, b'{"error": {"message": "no such key"}}'


@contextmanager
def thinking_endpoint() -> Iterator[ScriptedServer]:
    with scripted_endpoint(_reply) as server:
        yield server


@contextmanager
def refusing_endpoint() -> Iterator[ScriptedServer]:
    with scripted_endpoint(_refusal) as server:
        yield server
