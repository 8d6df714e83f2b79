import email.utils
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from evalyard.harness.smoke.client import ERROR_TEXT_LIMIT, Client, Endpoint, RequestFailed, RetryPolicy, is_loopback
from tests.core.harness.smoke_servers import Answer, ScriptedServer, chat_reply, refusal, scripted_endpoint


def client(server: ScriptedServer, **settings: Any) -> Client:
    return Client(Endpoint(url=server.url, model="m", **settings))


def failure_of(answer: Answer, **settings: Any) -> RequestFailed:
    with scripted_endpoint(lambda *_: answer) as server, pytest.raises(RequestFailed) as caught:
        client(server, **settings).ask("q")
    return caught.value


def events(*data: str) -> Answer:
    return 200, {"Content-Type": "text/event-stream"}, "".join(f"data: {one}\n\n" for one in data).encode()


def chunk(text: str | None, finish_reason: str | None = None) -> str:
    return json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": finish_reason}]})


def test_a_chat_request_carries_the_settings_and_the_key() -> None:
    with scripted_endpoint(lambda *_: chat_reply("hello")) as server:
        reply = client(server, api_key="k-123", temperature=0.5, max_tokens=7, top_p=0.9).ask("hi")
    assert reply.text == "hello"
    assert server.requests == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}],
            "temperature": 0.5,
            "max_tokens": 7,
            "top_p": 0.9,
        }
    ]
    assert server.headers[0]["Authorization"] == "Bearer k-123"


def test_without_a_key_there_is_no_authorization_header_and_unset_settings_are_left_out() -> None:
    with scripted_endpoint(lambda *_: chat_reply("hello")) as server:
        client(server).ask("hi")
    assert "Authorization" not in server.headers[0]
    assert set(server.requests[0]) == {"model", "messages", "temperature", "max_tokens"}


def test_a_completions_reply_is_its_text() -> None:
    body = {"choices": [{"text": " 42"}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    with scripted_endpoint(lambda *_: (200, {}, json.dumps(body).encode())) as server:
        reply = client(server, type="completions").ask("q")
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == (" 42", 3, 1)
    assert "messages" not in server.requests[0]
    assert server.requests[0]["prompt"].startswith("q")


def test_a_message_without_content_is_an_empty_reply() -> None:
    with scripted_endpoint(lambda *_: chat_reply(None)) as server:
        assert client(server).ask("q").text == ""


def test_a_stream_is_put_together() -> None:
    usage = json.dumps({"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 5}})
    stream = events(chunk(None), chunk("4"), chunk("2"), chunk(None, "stop"), usage, "[DONE]")
    with scripted_endpoint(lambda *_: stream) as server:
        reply = client(server, stream=True).ask("q")
    assert (reply.text, reply.completion_tokens) == ("42", 5)
    assert server.requests[0]["stream"] is True


def test_a_server_that_ignores_the_wish_for_a_stream_is_understood() -> None:
    with scripted_endpoint(lambda *_: chat_reply("42")) as server:
        assert client(server, stream=True).ask("q").text == "42"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (events(chunk("4")), "stream ended"),
        (events(json.dumps({"error": {"message": "out of memory"}})), "out of memory"),
        (events("{"), "not a chat reply"),
        ((200, {}, b"<html>"), "not a chat reply"),
        ((200, {}, b""), "not a chat reply"),
        ((200, {}, b"[]"), "not a chat reply"),
        ((200, {}, b'{"choices": []}'), "not a chat reply"),
        ((200, {}, b'{"error": {"message": "busy"}}'), "busy"),
        ((200, {"Content-Length": "500"}, b'{"choices"'), "not a chat reply"),
    ],
)
def test_a_reply_that_is_none_is_worth_another_try(answer: Answer, cause: str) -> None:
    failure = failure_of(answer)
    assert cause in str(failure)
    assert failure.retryable


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_passing_troubles_are_worth_another_try(status: int) -> None:
    assert failure_of(refusal(status, "wait")).retryable


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 405, 422])
def test_refusals_are_not(status: int) -> None:
    assert not failure_of(refusal(status, "never", Location="http://elsewhere/")).retryable


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"error": {"message": "no such model"}}', "HTTP 404: no such model"),
        (b'{"error": "no such model"}', "HTTP 404: no such model"),
        (b'{"detail": "no such model"}', "HTTP 404: no such model"),
        (b"no such\n\x1b[31mmodel", "HTTP 404: no such [31mmodel"),
        (b"", "HTTP 404: Not Found"),
    ],
)
def test_the_cause_quotes_the_server_in_one_line(body: bytes, shown: str) -> None:
    assert str(failure_of((404, {}, body))) == shown


def test_a_long_complaint_is_cut() -> None:
    assert len(str(failure_of((500, {}, b"x" * 10_000)))) == ERROR_TEXT_LIMIT


def test_a_redirect_is_named_and_not_followed() -> None:
    failure = failure_of((307, {"Location": "http://elsewhere.invalid/v1"}, b""), api_key="secret-key")
    assert "http://elsewhere.invalid/v1" in str(failure)


def test_retry_after_is_read_as_seconds_or_date() -> None:
    assert failure_of(refusal(429, "slow down", Retry_After="7")).retry_after_s == 7
    date = email.utils.formatdate(time.time() + 3600, usegmt=True)
    assert 3500 < (failure_of(refusal(503, "later", Retry_After=date)).retry_after_s or 0) <= 3600
    assert failure_of(refusal(503, "later", Retry_After="soon")).retry_after_s is None
    assert failure_of(refusal(503, "later")).retry_after_s is None


def test_pauses_grow_within_bounds_and_heed_the_server() -> None:
    policy = RetryPolicy(base_s=1.0, longest_s=6.0, longest_retry_after_s=60.0)
    assert all(0.5 <= policy.pause_s(1, None) <= 1.0 for _ in range(50))
    assert all(2.0 <= policy.pause_s(3, None) <= 4.0 for _ in range(50))
    assert all(3.0 <= policy.pause_s(99, None) <= 6.0 for _ in range(50))
    assert all(30.0 <= policy.pause_s(1, 30.0) <= 30.5 for _ in range(50))
    assert policy.pause_s(1, 86_400.0) <= 60.5
    assert len({policy.pause_s(1, None) for _ in range(20)}) > 1


def test_a_refused_connection_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(RequestFailed, match=f"connection refused by 127.0.0.1:{port}") as caught:
        Client(Endpoint(url=f"http://127.0.0.1:{port}/v1", model="m")).ask("q")
    assert caught.value.unreachable
    assert caught.value.retryable


def test_a_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(RequestFailed, match=r"no complete reply within 0\.1 s") as caught:
            Client(Endpoint(url=url, model="m", timeout_s=0.1)).ask("q")
    assert caught.value.retryable


def test_a_server_that_drips_times_out_as_a_whole() -> None:
    stopped = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            for _ in range(100):
                if stopped.wait(0.02):
                    return
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
            with pytest.raises(RequestFailed, match="no complete reply"):
                Client(Endpoint(url=url, model="m", timeout_s=0.2)).ask("q")
        finally:
            stopped.set()
            thread.join()


@pytest.mark.parametrize("url", ["http://localhost/", "http://127.0.0.1:1/", "http://127.9.9.9/", "http://[::1]:80/v1"])
def test_loopback_urls_are_recognised(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url", ["http://example.org/", "http://10.0.0.1/", "http://localhost.example.org/", "http://[::2]/"]
)
def test_other_urls_are_not_loopback(url: str) -> None:
    assert not is_loopback(url)


@pytest.fixture
def proxy_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def name_proxy(url: str) -> None:
        for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", url)

    return name_proxy


def test_loopback_bypasses_a_dead_proxy(proxy_for: Callable[[str], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()[1]
    proxy_for(f"http://127.0.0.1:{dead}")
    with scripted_endpoint(lambda *_: chat_reply("42")) as server:
        assert client(server).ask("q").text == "42"


def test_other_hosts_are_reached_through_the_proxy_of_the_environment(proxy_for: Callable[[str], None]) -> None:
    with scripted_endpoint(lambda *_: chat_reply("42")) as proxy:
        proxy_for(proxy.url.split("/v1")[0])
        reply = Client(Endpoint(url="http://model.invalid/v1/chat/completions", model="m")).ask("q")
    assert reply.text == "42"
    assert proxy.headers[0]["Host"] == "model.invalid"


def test_the_key_is_not_in_the_endpoints_representation() -> None:
    assert "canary" not in repr(Endpoint(url="http://x/", model="m", api_key="canary"))
