"""Endpoints for the tests of the smoke harness: the demo endpoint, and one whose replies a test writes."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from evalyard.serving.demo.server import Behaviour, DemoServer

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


@contextmanager
def demo_endpoint(**behaviour: Any) -> Iterator[str]:
    """The URL of a demo endpoint, without a path."""
    with DemoServer("127.0.0.1", 0, Behaviour(**behaviour)) as server, _serving(server):
        yield server.url


class ScriptedServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[int, dict[str, Any], dict[str, str]], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _ScriptedHandler)
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.counting = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/v1/chat/completions"


class _ScriptedHandler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = dict(self.headers.items())
        with self.server.counting:
            number = len(self.server.requests)
            self.server.requests.append(body)
            self.server.headers.append(headers)
        status, more, payload = self.server.answer(number, body, headers)
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Nothing: the tests look at `requests`."""


@contextmanager
def scripted_endpoint(answer: Callable[[int, dict[str, Any], dict[str, str]], Answer]) -> Iterator[ScriptedServer]:
    """A server that answers request number n (from 0) with `answer(n, body, headers)`."""
    with ScriptedServer(answer) as server, _serving(server):
        yield server


def chat_reply(text: str | None) -> Answer:
    body = {"choices": [{"message": {"content": text}}]}
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def refusal(status: int, message: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, json.dumps({"error": {"message": message}}).encode()


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
