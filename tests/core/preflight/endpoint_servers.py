"""Servers that answer as no endpoint should: raw bytes, silence, TLS with a certificate that nobody signed."""

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TLS_HELLO = b"\x16"


class RawServer:
    """Reads one request a connection, keeps it, sends the same bytes each time and hangs up."""

    def __init__(self, answer: bytes, tls: ssl.SSLContext | None) -> None:
        self.requests: list[str] = []
        self._answer = answer
        self._tls = tls
        self.listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if tls else "http"
        self.base = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.url = f"{self.base}/v1/chat/completions"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(10)
            try:
                with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as stream:
                    self.requests.append(_request(stream))
                    stream.sendall(self._answer)
            except OSError:
                continue  # the client hung up: its test says what it makes of the server


def _request(stream: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        part = stream.recv(65536)
        data += part
        if not part or data.startswith(TLS_HELLO):
            return data.decode("latin-1")
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]):
        body += stream.recv(65536)
    return (head + b"\r\n\r\n" + body).decode("latin-1")


@contextmanager
def raw_endpoint(answer: bytes, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """A server that sends these bytes to whoever asks anything."""
    server = RawServer(answer, tls)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        # Closing alone does not wake a thread that waits in accept.
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join()


def reply(status: int, body: Any, *headers: str) -> bytes:
    """The bytes of an HTTP reply; a body that is not bytes is sent as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(payload)}", "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + payload


@contextmanager
def silent_endpoint() -> Iterator[str]:
    """The URL of a server that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"


def unused_url() -> str:
    """A URL at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a fresh certificate for 127.0.0.1 that it signed itself, and the certificate's file."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*new, *extra], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
