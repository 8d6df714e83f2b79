"""`evalyard doctor`: what is wrong, told apart, each finding with what mends it."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.cli.yard import Yard


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Serve an endpoint that answers every request with one status; gives its chat URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b'{"choices": [{"message": {"content": "4"}}]}' if status == 200 else b'{"error": "no"}')

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def findings(yard: Yard, *arguments: str, code: int, env: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Return what doctor found, by subject."""
    rows = json.loads(yard.call("doctor", "--json", *arguments, code=code, env=env).out)
    return {row["subject"]: row for row in rows}


def test_a_sound_machine_is_all_ok_and_nothing_is_written(yard: Yard) -> None:
    found = findings(yard, code=0)
    # A machine without Docker is sound too, and is told what it cannot do.
    assert {row["severity"] for subject, row in found.items() if not subject.startswith("docker")} == {"ok"}
    assert {"python", "records", "executor local", "shell"} <= set(found)
    assert not yard.home.exists()
    assert "executor local" in yard.call("doctor").out


@pytest.mark.parametrize(("status", "code", "word"), [(200, 0, ""), (401, 2, "401"), (403, 2, "403"), (404, 2, "404")])
def test_what_an_endpoint_answers_is_told_apart(yard: Yard, status: int, code: int, word: str) -> None:
    with answering(status) as url:
        yard.config({"name": "smoke"}, target={"api_endpoint": {"url": url, "model_id": "m"}})
        found = findings(yard, "-c", "run.yaml", code=code)["endpoint"]
    assert word in found["message"]
    assert bool(found["remedy"]) is (code != 0)
    assert not (yard.folder / "runs").exists()


def test_a_refused_connection_is_exit_code_3_and_a_server_without_tls_is_something_to_mend(yard: Yard) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    yard.config(
        {"name": "smoke"},
        target={"api_endpoint": {"url": f"http://127.0.0.1:{port}/v1/chat/completions", "model_id": "m"}},
    )
    assert "refused" in findings(yard, "-c", "run.yaml", code=3)["endpoint"]["message"]
    with answering(200) as url:
        secure = url.replace("http://", "https://")
        found = findings(yard, "-c", "run.yaml", "-o", f"target.api_endpoint.url={secure}", code=2)["endpoint"]
        assert "TLS" in found["message"]
        mended = found["remedy"].rpartition("-o ")[2]
        assert findings(yard, "-c", "run.yaml", "-o", mended, code=0)["endpoint"]["severity"] == "ok"


def test_an_api_key_variable_that_is_not_set_is_named_with_its_place(yard: Yard) -> None:
    with answering(200) as url:
        yard.config({"name": "smoke"}, target={"api_endpoint": {"url": url, "model_id": "m", "api_key_name": "MY_KEY"}})
        found = findings(yard, "-c", "run.yaml", code=2)
        assert found["variable MY_KEY"]["severity"] == "error"
        assert "run.yaml:" in found["variable MY_KEY"]["message"]
        assert "export MY_KEY" in found["variable MY_KEY"]["remedy"]
        secret = "a-value-that-nobody-shall-see"
        done = yard.call("doctor", "-c", "run.yaml", env={"MY_KEY": secret})
    assert secret not in done.text


def test_findings_of_a_configuration_that_is_wrong_are_its_problems(yard: Yard) -> None:
    yard.config({"name": "smokee"})
    done = yard.call("doctor", "-c", "run.yaml", code=2)
    assert "did you mean 'smoke'" in done.err
