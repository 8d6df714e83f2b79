import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from evalyard.errors import EXIT_BACKEND, EXIT_USAGE
from evalyard.preflight.endpoint import EndpointError, ask_models, models_url, only_model, probe, reachable
from evalyard.records.findings import Finding, Severity
from tests.core.harness.smoke_servers import demo_endpoint
from tests.core.preflight.endpoint_servers import raw_endpoint, reply, self_signed, silent_endpoint, unused_url

CANARY = "sk-canary-71c2e9"
CHAT_REPLY = {"choices": [{"message": {"content": "1"}}]}


def asked(url: str, kind: str = "chat", *, key: str | None = None, name: str | None = None) -> Finding:
    return probe(url, kind, "demo", key, 5.0, api_key_name=name)


def answered(status: int, body: Any, *headers: str, key: str | None = None, name: str | None = None) -> Finding:
    with raw_endpoint(reply(status, body, *headers)) as server:
        return asked(server.url, key=key, name=name)


def text(finding: Finding) -> str:
    return f"{finding.message}\n{finding.remedy}"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h:1/v1/chat/completions", "http://h:1/v1/models"),
        ("http://h:1/v1/completions/", "http://h:1/v1/models"),
        ("https://h/api/v1/embeddings", "https://h/api/v1/models"),
        ("https://h/api/v3/chat/completions", "https://h/api/v3/models"),
        ("https://h/v1/models", "https://h/v1/models"),
        ("http://h/v1", "http://h/v1/models"),
        ("http://h/v1/score", "http://h/v1/models"),
        ("http://h", "http://h/v1/models"),
        ("http://h/", "http://h/v1/models"),
        ("http://h/generate", "http://h/generate/v1/models"),
        ("http://h/v1/chat/completions?api-version=2#x", "http://h/v1/models?api-version=2"),
    ],
)
def test_models_are_listed_beside_the_path_of_requests(url: str, expected: str) -> None:
    assert models_url(url) == expected


def test_the_models_of_an_endpoint_are_listed_in_its_order() -> None:
    with demo_endpoint(models=("b", "a")) as url:
        assert ask_models(f"{url}/v1/completions", None) == ("b", "a")


def test_the_only_model_is_found_with_a_key() -> None:
    with demo_endpoint(models=("one",), api_key=CANARY) as url:
        assert only_model(f"{url}/v1/chat/completions", CANARY) == "one"


def test_several_models_are_an_error_that_lists_them() -> None:
    with demo_endpoint(models=tuple(f"m{n}" for n in range(10))) as url, pytest.raises(EndpointError) as caught:
        only_model(f"{url}/v1/chat/completions", None)
    assert "m0, m1, m2, m3, m4, m5, m6, m7 and 2 more" in caught.value.message
    assert "-o target.api_endpoint.model_id=NAME" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"data": []}, "lists no model"),
        ({"data": [{"name": "x"}, 3]}, "lists no model"),
        ({"models": []}, "something else than a list of models"),
        (b"<html>", "something else than a list of models: <html>"),
    ],
)
def test_no_model_is_an_error_with_the_setting_that_names_one(body: Any, message: str) -> None:
    with raw_endpoint(reply(200, body)) as server, pytest.raises(EndpointError) as caught:
        only_model(server.url, None)
    assert message in caught.value.message
    assert caught.value.hint is not None
    assert "-o target.api_endpoint.model_id=NAME" in caught.value.hint
    assert caught.value.exit_code == EXIT_USAGE


def test_an_endpoint_without_a_list_of_models_says_so() -> None:
    with raw_endpoint(reply(404, {})) as server, pytest.raises(EndpointError, match="lists no models") as caught:
        only_model(server.url, None)
    assert caught.value.hint == "-o target.api_endpoint.model_id=NAME"


def test_asking_an_endpoint_that_is_not_there_exits_as_unreachable() -> None:
    with pytest.raises(EndpointError, match="connection refused") as caught:
        only_model(unused_url(), None)
    assert (caught.value.unreachable, caught.value.exit_code) == (True, EXIT_BACKEND)


@pytest.mark.parametrize(("kind", "path"), [("chat", "chat/completions"), ("completions", "completions")])
def test_a_real_request_of_the_type_finds_a_good_endpoint_good(kind: str, path: str) -> None:
    with demo_endpoint() as url:
        finding = asked(f"{url}/v1/{path}", kind)
    assert finding.severity is Severity.OK
    assert f"answers {kind} requests for model 'demo'" in finding.message


@pytest.mark.parametrize(
    ("kind", "sent", "body"),
    [
        ("chat", {"messages": [{"role": "user", "content": "1"}], "max_tokens": 1}, CHAT_REPLY),
        ("vlm", {"messages": [{"role": "user", "content": "1"}], "max_tokens": 1}, CHAT_REPLY),
        ("completions", {"prompt": "1", "max_tokens": 1}, {"choices": [{"text": ""}]}),
        ("completions_logprob", {"prompt": "1", "max_tokens": 1, "logprobs": 1}, {"choices": [{"text": ""}]}),
        ("embedding", {"input": "1"}, {"data": [{"embedding": [0.5]}]}),
    ],
)
def test_one_request_as_small_as_its_type_allows_is_sent(kind: str, sent: Any, body: Any) -> None:
    with raw_endpoint(reply(200, body)) as server:
        assert asked(server.url, kind, key=CANARY).severity is Severity.OK
    (request,) = server.requests
    head, _, payload = request.partition("\r\n\r\n")
    assert json.loads(payload) == {"model": "demo", **sent}
    assert f"Authorization: Bearer {CANARY}" in head


def test_a_missing_key_is_told_apart_from_a_wrong_one() -> None:
    with demo_endpoint(api_key="right-key") as base:
        url = f"{base}/v1/chat/completions"
        unnamed, unset, wrong = asked(url), asked(url, name="MY_KEY"), asked(url, key=CANARY, name="MY_KEY")
    assert "the configuration names none" in unnamed.message
    assert "-o target.api_endpoint.api_key_name=NAME" in unnamed.remedy
    assert ("MY_KEY is not set" in unset.message, unset.remedy) == (True, "export MY_KEY=...")
    assert "does not accept the API key in MY_KEY" in wrong.message
    assert wrong.remedy == "export MY_KEY=... with a valid key"
    assert not any(finding.unreachable for finding in (unnamed, unset, wrong))


def test_a_forbidden_request_names_the_right_as_a_possible_cause() -> None:
    finding = answered(403, {"error": {"message": "no access"}}, key=CANARY, name="MY_KEY")
    assert "MY_KEY, or it lacks the right to this (HTTP 403: no access)" in finding.message


def test_a_path_that_is_not_there_gets_the_usual_one_as_remedy() -> None:
    with demo_endpoint() as url:
        finding = asked(url)
    assert "is not a path that takes chat requests" in finding.message
    assert finding.remedy == f"-o target.api_endpoint.url={url}/v1/chat/completions"


def test_a_model_that_is_not_served_is_told_apart_from_a_wrong_path() -> None:
    with demo_endpoint(models=("other",)) as url:
        finding = asked(f"{url}/v1/chat/completions", name="MY_KEY")
    assert "does not serve the model 'demo'" in finding.message
    assert f'curl -sS -H "Authorization: Bearer $MY_KEY" {url}/v1/models' in finding.remedy


def test_a_path_of_another_type_is_refused_with_the_right_path_as_remedy() -> None:
    with demo_endpoint() as url:
        finding = asked(f"{url}/v1/chat/completions", "completions")
    assert "'messages' is missing" in finding.message
    assert finding.remedy == f"-o target.api_endpoint.url={url}/v1/completions"


def test_too_many_requests_are_a_warning() -> None:
    finding = answered(429, {"error": {"message": "slow down"}})
    assert (finding.severity, finding.unreachable) == (Severity.WARNING, False)
    assert "slow down" in finding.message
    assert "-o config.params.parallelism=1" in finding.remedy


def test_a_failing_server_is_quoted() -> None:
    with demo_endpoint(startup_delay_s=60) as url:
        finding = asked(f"{url}/v1/chat/completions")
    assert "fails (HTTP 503: the model is being loaded)" in finding.message
    assert (finding.severity, finding.unreachable) == (Severity.ERROR, False)


def test_a_redirect_is_not_followed_and_its_target_is_the_remedy() -> None:
    with raw_endpoint(reply(200, CHAT_REPLY)) as elsewhere:
        finding = answered(307, b"", f"Location: {elsewhere.url}", key=CANARY)
    assert elsewhere.requests == []
    assert finding.remedy == f"-o target.api_endpoint.url={elsewhere.url}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>welcome</html>", "no `choices` in <html>welcome</html>"),
        (b"", "the body is empty"),
        ({"choices": []}, "no `choices` in"),
        ([1], "no `choices` in [1]"),
        (b"[" * 5000, "no `choices` in"),
        (b"\xff\xfe", "no `choices` in"),
        ({"error": {"message": "out of memory"}}, "answers with an error: out of memory"),
    ],
)
def test_a_success_that_is_no_openai_reply_is_an_error(body: Any, message: str) -> None:
    finding = answered(200, body)
    assert finding.severity is Severity.ERROR
    assert message in finding.message
    assert finding.remedy


def test_a_refused_connection_is_unreachable() -> None:
    finding = asked(unused_url())
    assert "connection refused" in finding.message
    assert finding.unreachable


def test_an_unknown_name_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    url = "http://no-such-host.invalid/v1/chat/completions"
    finding = asked(url)
    assert "the name in http://no-such-host.invalid" in finding.message
    assert "-o target.api_endpoint.url=" in finding.remedy
    assert finding.unreachable
    noticed = reachable(url)
    assert noticed is not None
    assert noticed.message == finding.message


def test_a_server_that_says_nothing_is_unreachable() -> None:
    with silent_endpoint() as url:
        finding = probe(url, "chat", "demo", None, 0.2)
    assert finding.message == f"no answer from {url} within 0.2 s"
    assert finding.unreachable


def test_a_certificate_that_nobody_signed_is_not_trusted_until_its_signer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, certificate = self_signed(tmp_path)
    with raw_endpoint(reply(200, CHAT_REPLY), tls=context) as server:
        finding = asked(server.url, key=CANARY)
        assert "certificate of 127.0.0.1" in finding.message
        assert "not trusted: self" in finding.message
        assert "export SSL_CERT_FILE=" in finding.remedy
        assert not finding.unreachable
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert asked(server.url).severity is Severity.OK


def test_a_plain_server_asked_over_tls_gets_plain_http_as_remedy() -> None:
    with raw_endpoint(b"SSH-2.0-garbage\r\n") as server:
        finding = asked(server.url.replace("http:", "https:"))
    assert "does not speak TLS" in finding.message
    assert finding.remedy == f"is it plain HTTP? -o target.api_endpoint.url={server.url}"


def test_something_that_is_not_http_is_unreachable() -> None:
    with raw_endpoint(b"SSH-2.0-garbage\r\n") as server:
        finding = asked(server.url)
    assert "not HTTP" in finding.message
    assert "https://127.0.0.1" in finding.remedy
    assert finding.unreachable


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"])
def test_a_connection_that_ends_early_is_an_error(answer: bytes) -> None:
    with raw_endpoint(answer) as server:
        assert asked(server.url).severity is Severity.ERROR


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("localhost:8000/v1", "does not begin with http://"),
        ("ftp://h/v1", "does not begin with http://"),
        ("http:///v1", "names no host"),
        ("http://h:0/v1", "port 0"),
        ("http://h:99999/v1", "ort"),
        ("http://[::1/v1", "IPv6"),
        ("http://127.0.0.1/v1 /x", "percent-encoded"),
        ("http://127.0.0.1/vé", "percent-encoded"),
        (f"http://user:{CANARY}@h/v1", "holds a user name"),
    ],
)
def test_a_url_that_cannot_be_asked_is_our_own_mistake(url: str, problem: str) -> None:
    findings = [asked(url), reachable(url)]
    for finding in findings:
        assert finding is not None
        assert problem in finding.message
        assert CANARY not in text(finding)
        assert not finding.unreachable
    with pytest.raises(EndpointError, match="cannot be asked"):
        ask_models(url, None)


@pytest.mark.parametrize("key", [f"{CANARY}\n{CANARY}", f"{CANARY}é"])
def test_a_key_that_no_header_can_carry_is_named_and_not_sent(key: str) -> None:
    with raw_endpoint(reply(200, CHAT_REPLY)) as server:
        finding = asked(server.url, key=key, name="MY_KEY")
    assert "the API key in MY_KEY cannot be sent" in finding.message
    assert CANARY not in text(finding)
    assert server.requests == []


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("padding", [0, 285, 295])
def test_a_key_that_the_server_repeats_is_never_shown(status: int, padding: int) -> None:
    body = {"error": {"message": "x" * padding + f" the key {CANARY} is wrong"}}
    finding = answered(status, body, f"Location: /{CANARY}?key={CANARY}", key=CANARY, name="MY_KEY")
    assert CANARY[:8] not in text(finding)


def test_a_key_in_the_query_is_not_shown() -> None:
    with demo_endpoint() as url:
        finding = asked(f"{url}/v1/nothing?api-key={CANARY}")
    assert finding.severity is Severity.ERROR
    assert CANARY not in text(finding)


def test_long_and_odd_words_of_a_server_become_one_short_line() -> None:
    finding = answered(500, b"\x1b[31m" + b"line\n" * 1000)
    assert "\x1b" not in finding.message
    assert "\n" not in finding.message
    assert len(finding.message) < 500


def test_loopback_is_asked_without_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", unused_url())
    with demo_endpoint() as url:
        assert reachable(url) is None
        assert asked(f"{url}/v1/chat/completions").severity is Severity.OK


def test_other_hosts_are_asked_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://model.example/v1/chat/completions"
    with raw_endpoint(reply(200, CHAT_REPLY)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base)
        assert reachable(url) is None
        assert asked(url).severity is Severity.OK
    assert any(request.startswith(f"POST {url} ") for request in proxy.requests)


def test_a_proxy_that_is_not_there_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    hop = unused_url().split("/")[2]
    monkeypatch.setenv("http_proxy", f"http://me:{CANARY}@{hop}")
    url = "http://model.example/v1/chat/completions"
    for finding in (asked(url), reachable(url)):
        assert finding is not None
        assert f"through the proxy {hop}" in finding.message
        assert "export NO_PROXY=model.example" in finding.remedy
        assert CANARY not in text(finding)


def test_an_endpoint_that_listens_is_reachable_whatever_it_would_say() -> None:
    with silent_endpoint() as url:
        assert reachable(url) is None


def test_an_endpoint_that_is_not_there_is_a_warning() -> None:
    finding = reachable(unused_url())
    assert finding is not None
    assert (finding.severity, finding.unreachable) == (Severity.WARNING, True)
    assert "connection refused" in finding.message


def test_a_name_that_takes_for_ever_to_look_up_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def slow(*_: Any, **__: Any) -> Any:
        released.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    finding = reachable("http://slow.invalid/v1", 0.1)
    assert not released.is_set()
    released.set()
    assert finding is not None
    assert "no answer" in finding.message
