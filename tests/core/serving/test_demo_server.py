import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from evalyard.serving.demo.server import LARGEST_BODY_BYTES, Behaviour, DemoServer

QUESTION = {"model": "demo", "messages": [{"role": "user", "content": "What is 20 + 22?"}]}
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"


@contextmanager
def serving(**behaviour: Any) -> Iterator[DemoServer]:
    with DemoServer("127.0.0.1", 0, Behaviour(**behaviour)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def connected(server: DemoServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    payload = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, path, payload, headers or {})
    response = connection.getresponse()
    raw = response.read()
    is_json = response.headers["Content-Type"] == "application/json"
    return response.status, json.loads(raw) if is_json and raw else raw.decode()


def once(
    method: str,
    path: str,
    body: Any = None,
    behaviour: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Any:
    with serving(**(behaviour or {})) as server, connected(server) as connection:
        return ask(connection, method, path, body, headers)


@pytest.mark.parametrize("path", ["/health", "/v1/health/ready"])
def test_health_is_told(path: str) -> None:
    assert once("GET", path)[0] == 200


def test_the_models_are_listed() -> None:
    status, body = once("GET", "/v1/models", behaviour={"models": ("one", "two")})
    assert status == 200
    assert body["object"] == "list"
    assert [(model["id"], model["object"]) for model in body["data"]] == [("one", "model"), ("two", "model")]


def test_a_chat_question_is_answered_with_usage() -> None:
    status, body = once("POST", CHAT, QUESTION)
    assert status == 200
    assert body["object"] == "chat.completion"
    assert body["model"] == "demo"
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "The answer is 42."}
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}


@pytest.mark.parametrize("prompt", ["What is 20 + 22?", "What is 20 + 22?\nAnswer:", ["What is 20 + 22?"]])
def test_a_completion_is_answered(prompt: Any) -> None:
    status, body = once("POST", COMPLETIONS, {"model": "demo", "prompt": prompt})
    assert status == 200
    assert body["object"] == "text_completion"
    assert body["choices"][0]["text"] == "The answer is 42."


def test_the_last_message_of_the_user_is_the_question_and_may_come_in_parts() -> None:
    parts = [{"type": "text", "text": "What is"}, {"type": "image_url"}, {"type": "text", "text": "20 + 22?"}]
    messages = [
        {"role": "user", "content": "What is 1 + 1?"},
        {"role": "user", "content": parts},
        {"role": "assistant"},
    ]
    assert once("POST", CHAT, {**QUESTION, "messages": messages})[1]["choices"][0]["message"]["content"].endswith("42.")


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_a_stream_adds_up_to_the_same_reply_and_ends_with_done(path: str) -> None:
    body = {**QUESTION, "prompt": "What is 20 + 22?", "stream": True, "stream_options": {"include_usage": True}}
    status, text = once("POST", path, body)
    assert status == 200
    *data, done, rest = text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    chunks = [json.loads(line.removeprefix("data: ")) for line in data]
    choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    assert len(choices) > 2
    assert "".join(c["delta"].get("content", "") if path == CHAT else c["text"] for c in choices) == "The answer is 42."
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
    assert chunks[-1]["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("GET", "/nowhere", None, 404, "/nowhere"),
        ("POST", "/v1/chat", QUESTION, 404, "/v1/chat"),
        ("GET", CHAT, None, 405, "POST"),
        ("PUT", COMPLETIONS, QUESTION, 405, "POST"),
        ("POST", "/v1/models", QUESTION, 405, "GET"),
        ("DELETE", "/health", None, 405, "GET"),
        ("POST", CHAT, b"{", 400, "not JSON"),
        ("POST", CHAT, [1], 400, "object"),
        ("POST", CHAT, {"messages": QUESTION["messages"]}, 400, "'model'"),
        ("POST", CHAT, {"model": "demo"}, 400, "'messages'"),
        ("POST", CHAT, {"model": "demo", "messages": []}, 400, "'messages'"),
        ("POST", CHAT, {"model": "demo", "messages": [{"role": "system", "content": "x"}]}, 400, "user"),
        ("POST", CHAT, {"model": "demo", "messages": [{"role": "user", "content": 5}]}, 400, "'content'"),
        ("POST", COMPLETIONS, {"model": "demo"}, 400, "'prompt'"),
        ("POST", CHAT, {**QUESTION, "model": "other"}, 404, "other"),
    ],
)
def test_a_wrong_request_gets_an_error_in_openais_shape(
    method: str, path: str, body: Any, status: int, word: str
) -> None:
    got, answer = once(method, path, body)
    assert got == status
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert word in answer["error"]["message"]


def test_a_connection_is_kept_after_answers_errors_and_streams() -> None:
    with serving() as server, connected(server) as connection:
        connection.connect()
        first = connection.sock
        statuses = [
            ask(connection, "POST", "/nowhere", QUESTION)[0],
            ask(connection, "PUT", CHAT, QUESTION)[0],
            ask(connection, "HEAD", "/health")[0],
            ask(connection, "POST", CHAT, {**QUESTION, "stream": True})[0],
            ask(connection, "POST", CHAT, QUESTION)[0],
        ]
        assert connection.sock is first
    assert statuses == [404, 405, 405, 200, 200]


def test_bodies_that_cannot_be_read_are_refused() -> None:
    assert once("POST", CHAT, QUESTION, headers={"Content-Length": "many"})[0] == 400
    assert once("POST", CHAT, b"", headers={"Content-Length": str(LARGEST_BODY_BYTES + 1)})[0] == 413
    assert once("POST", CHAT, b"0\r\n\r\n", headers={"Transfer-Encoding": "chunked"})[0] == 411


def test_a_constant_is_the_answer_to_everything() -> None:
    for body in (QUESTION, {**QUESTION, "messages": [{"role": "user", "content": "Hello"}]}):
        assert once("POST", CHAT, body, {"constant": ""})[1]["choices"][0]["message"]["content"] == ""


def statuses(count: int, **behaviour: Any) -> list[int]:
    with serving(**behaviour) as server, connected(server) as connection:
        return [ask(connection, "POST", CHAT, QUESTION)[0] for _ in range(count)]


def test_failures_come_at_the_asked_rate_and_repeat_with_the_seed() -> None:
    first = statuses(200, failure_rate=0.3, seed=1)
    assert set(first) == {200, 503}
    assert 30 <= first.count(503) <= 90
    assert statuses(200, failure_rate=0.3, seed=1) == first
    assert statuses(200, failure_rate=0.3, seed=2) != first
    assert set(statuses(5, failure_rate=1.0)) == {503}
    assert set(statuses(5)) == {200}


def test_failures_spare_health_and_models() -> None:
    assert once("GET", "/health", behaviour={"failure_rate": 1.0})[0] == 200
    assert once("GET", "/v1/models", behaviour={"failure_rate": 1.0})[0] == 200


def test_the_latency_is_waited_for_before_each_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert once("POST", CHAT, QUESTION, {"latency_ms": 250})[0] == 200
    assert pauses == [0.25]


def test_until_it_has_started_everything_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(startup_delay_s=3600) as server, connected(server) as connection:
        assert ask(connection, "GET", "/health")[0] == 503
        assert ask(connection, "GET", "/v1/health/ready")[0] == 503
        assert ask(connection, "GET", "/v1/models")[0] == 503
        assert ask(connection, "POST", CHAT, QUESTION)[0] == 503
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 3601)
        assert ask(connection, "GET", "/health")[0] == 200
        assert ask(connection, "POST", CHAT, QUESTION)[0] == 200


def test_an_asked_for_key_is_demanded() -> None:
    for path in (CHAT, COMPLETIONS):
        status, body = once("POST", path, QUESTION, {"api_key": "right"})
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert once("GET", "/v1/models", behaviour={"api_key": "right"})[0] == 401
    assert once("POST", CHAT, QUESTION, {"api_key": "right"}, {"Authorization": "Bearer wrong"})[0] == 401
    assert once("POST", CHAT, QUESTION, {"api_key": "right"}, {"Authorization": "Bearer right"})[0] == 200
    assert once("GET", "/health", behaviour={"api_key": "right"})[0] == 200


def test_a_client_that_hangs_up_disturbs_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as server:
        with socket.create_connection(("127.0.0.1", server.server_port)) as rude:
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            rude.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Length: 5000\r\n\r\n")
        with connected(server) as connection:
            assert ask(connection, "POST", CHAT, QUESTION)[0] == 200
    assert "Traceback" not in capsys.readouterr().err


def test_many_connections_at_once_are_all_accepted() -> None:
    with serving() as server:
        connections = [http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30) for _ in range(60)]
        try:
            for connection in connections:
                connection.connect()
            assert {ask(connection, "POST", CHAT, QUESTION)[0] for connection in connections} == {200}
        finally:
            for connection in connections:
                connection.close()
