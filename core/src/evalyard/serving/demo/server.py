"""The transport: routes, keep-alive, delays and failures on demand."""

from __future__ import annotations

import hmac
import json
import random
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .api import ApiError, chat_prompt, completion_prompt, model_list, parsed, streamed_reply, whole_reply
from .solver import solve

LARGEST_BODY_BYTES = 16 * 1024 * 1024
HEALTH_ROUTES = ("/health", "/v1/health/ready")
ANSWER_ROUTES = ("/v1/chat/completions", "/v1/completions")
MODELS_ROUTE = "/v1/models"


@dataclass(frozen=True)
class Behaviour:
    """How the endpoint answers."""

    models: tuple[str, ...] = ("demo",)
    latency_ms: float = 0.0
    """Added before each answer."""
    failure_rate: float = 0.0
    """Share of the questions that get status 503 instead of an answer."""
    seed: int = 0
    """Of the choice which fail."""
    startup_delay_s: float = 0.0
    """Until then everything is answered with status 503."""
    constant: str | None = None
    """The answer to every question, instead of the solver's."""
    api_key: str | None = field(default=None, repr=False)


class DemoServer(ThreadingHTTPServer):
    """Listens as soon as it is made (`url` tells where); `serve_forever` answers."""

    daemon_threads = True
    block_on_close = False
    # The default of 5 refuses connections that a parallel client opens at once.
    request_queue_size = 512

    def __init__(self, host: str, port: int, behaviour: Behaviour) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)
        self.behaviour = behaviour
        self._ready_at = time.monotonic() + behaviour.startup_delay_s
        self._random = random.Random(behaviour.seed)
        self._drawing = threading.Lock()

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        shown = host if isinstance(host, str) else bytes(host).decode()
        return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"

    def server_bind(self) -> None:
        # HTTPServer's own looks up the host's full name, which can take seconds without a name server.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hangs up is its own affair.
        if not isinstance(sys.exc_info()[1], (ConnectionError, socket.timeout)):
            super().handle_error(request, client_address)

    def is_ready(self) -> bool:
        return time.monotonic() >= self._ready_at

    def draws_failure(self) -> bool:
        with self._drawing:
            return self._random.random() < self.behaviour.failure_rate


class _Handler(BaseHTTPRequestHandler):
    server: DemoServer
    protocol_version = "HTTP/1.1"
    server_version = "evalyard-demo"
    # Headers and body are two writes; waiting for the first one's acknowledgement costs 40 ms an answer.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._respond()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET  # noqa: N815 - names http.server looks up

    def _respond(self) -> None:
        try:
            # Read whatever the answer: what remains would be taken for the next request.
            raw = self._body()
            path = self.path.split("?", 1)[0]
            allowed = self._allowed_method(path)
            if self.command != allowed:
                raise ApiError(405, f"{self.command} is not allowed on {path}, only {allowed} is")
            if path in HEALTH_ROUTES:
                self._tell_health()
                return
            self._admit()
            if path == MODELS_ROUTE:
                self._send_json(200, model_list(self.server.behaviour.models))
            else:
                self._answer(raw, chat=path == ANSWER_ROUTES[0])
        except ApiError as error:
            self._send_json(error.status, error.body)

    def _tell_health(self) -> None:
        if self.server.is_ready():
            self._send_json(200, {"status": "ready"})
        else:
            self._send_json(503, {"status": "starting"})

    def _allowed_method(self, path: str) -> str:
        if path in ANSWER_ROUTES:
            return "POST"
        if path == MODELS_ROUTE or path in HEALTH_ROUTES:
            return "GET"
        raise ApiError(404, f"no such route: {path}")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise ApiError(411, "send a Content-Length")
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit():
            self.close_connection = True
            raise ApiError(400, "the Content-Length is not a number")
        if int(length) > LARGEST_BODY_BYTES:
            self.close_connection = True
            raise ApiError(413, f"the body is larger than {LARGEST_BODY_BYTES} bytes")
        return self.rfile.read(int(length))

    def _admit(self) -> None:
        """Raises ApiError for a wrong key and while the server starts."""
        key = self.server.behaviour.api_key
        given = self.headers.get("Authorization", "")
        if key is not None and not hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
            raise ApiError(401, "the API key is missing or wrong", code="invalid_api_key")
        if not self.server.is_ready():
            raise ApiError(503, "the model is being loaded", kind="server_error")

    def _answer(self, raw: bytes, *, chat: bool) -> None:
        behaviour = self.server.behaviour
        body = parsed(raw, behaviour.models)
        prompt = chat_prompt(body) if chat else completion_prompt(body)
        time.sleep(behaviour.latency_ms / 1000)
        if self.server.draws_failure():
            raise ApiError(503, "overloaded, as asked for by --failure-rate", kind="server_error")
        reply = solve(prompt) if behaviour.constant is None else behaviour.constant
        if body.get("stream"):
            self._send_events(streamed_reply(body, prompt, reply, chat=chat))
        else:
            self._send_json(200, whole_reply(body, prompt, reply, chat=chat))

    def _send_json(self, status: int, value: dict[str, Any]) -> None:
        payload = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def _send_events(self, events: list[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            data = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")
