"""HTTP for the stand-in: requests to the API, and requests to the endpoints that it runs."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from tests.plugins.lepton.service.wire import TOKEN, Refused, Request

if TYPE_CHECKING:
    from tests.plugins.lepton.service.server import Service


@frozen(kw_only=True)
class Stream:
    """An answer that comes byte by byte, as a log that is followed may."""

    content: bytes
    silent: bool
    """Whether nothing comes, and no end."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    service: ClassVar[Service]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do(self) -> None:
        """Answer any request."""
        address = urllib.parse.urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if address.path.startswith("/_ep/"):
            self._pass_on(address, raw)
            return
        path = address.path.removeprefix(self.service.prefix)
        body = json.loads(raw) if raw else None
        request = Request(method=self.command, path=path, query=urllib.parse.parse_qs(address.query), body=body)
        self.service.requests.append(request)
        fault = self.service.fault(self.command, path)
        if fault is not None:
            time.sleep(fault.delay_s)
            if fault.cut == "before":
                self._cut()
                return
            if fault.status:
                self._send(fault.status, fault.body if fault.body is not None else {}, dict(fault.headers))
                return
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, {"code": "Unauthorized", "message": "invalid token"})
            return
        try:
            status, answer = self.service.answer(request)
        except Refused as refusal:
            status, answer = refusal.status, refusal.body
        except ValueError as error:
            status, answer = 400, {"code": "InvalidRequest", "message": str(error)[:300]}
        if fault is not None and fault.cut == "after":
            self._cut()
            return
        if isinstance(answer, Stream):
            self._stream(answer)
            return
        if fault is not None and fault.cut == "within":
            self._send_half(answer)
            return
        self._send(status, answer)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do  # noqa: N815 - names of the standard library

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _send_half(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def _stream(self, stream: Stream) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if stream.silent:
            self.service.closed.wait()
            return
        for byte in stream.content:
            self.wfile.write(b"1\r\n%c\r\n" % byte)
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _pass_on(self, address: urllib.parse.SplitResult, raw: bytes) -> None:
        """Ask the endpoint's replica, for whoever has its key."""
        name, _, rest = address.path.removeprefix("/_ep/").partition("/")
        endpoint = self.service.endpoints.get(name)
        if endpoint is None or endpoint.gone.is_set():
            self._send(404, {"message": "no such endpoint"})
            return
        keys = [token.get("value") for token in endpoint.body["spec"].get("api_tokens") or []]
        if self.headers.get("Authorization", "").removeprefix("Bearer ") not in keys:
            self._send(401, {"message": "Unauthorized"})
            return
        if endpoint.state() != "Ready":
            self._send(503, "no healthy upstream")
            return
        connection = http.client.HTTPConnection("127.0.0.1", endpoint.replicas[-1].port, timeout=60)
        given = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "content-length")}
        query = f"?{address.query}" if address.query else ""
        try:
            connection.request(self.command, f"/{rest}{query}", raw or None, given)
            answer = connection.getresponse()
            data = answer.read()
        except OSError as error:
            self._send(502, f"upstream: {error}")
            return
        finally:
            connection.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
