"""Registries on loopback, which every engine takes without TLS: Debian's, and one that misbehaves on purpose."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

DEADLINE_S = 60.0
USER, PASSWORD = "tester", "secret"
PASSWORD_LINE = f"{USER}:$2b$04$B.glw/XefFfaO5.TQl0/Lek0slmtt3xHH8e6mg1W33S7BmIM5xbRO\n"
"""Of an htpasswd file, for PASSWORD."""


@contextmanager
def serving(folder: Path, storage: Path, *, passwords: bool = False) -> Iterator[str]:
    """Run Debian's registry on a free port; give its `127.0.0.1:PORT`.

    Args:
        folder: for its configuration and log.
        storage: where images are; registries may share it.
        passwords: whether it wants USER and PASSWORD.
    """
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(storage)}},
        "http": {"addr": "127.0.0.1:0", "secret": "one for all"},
    }
    if passwords:
        (folder / "htpasswd").write_text(PASSWORD_LINE)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")], stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        yield _address(log, process)
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        said = log.read_text()
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", said)
        if found:
            return found[1]
        assert process.poll() is None, f"the registry ended:\n{said}"
        time.sleep(0.05)
    raise AssertionError(f"the registry did not begin to listen:\n{log.read_text()}")


class Stubborn:
    """A registry that refuses everything with one answer, or never sends the end of a layer."""

    LAYER_BYTES = 50_000_000
    SENT_BYTES = 5_000_000

    def __init__(self, *, status: int = 200, code: str = "", message: str = "", silent: bool = False) -> None:
        self.refusal = json.dumps({"errors": [{"code": code, "message": message}]}).encode() if code else b""
        self.status = status
        self.silent = silent
        """Never answers a request for an image at all."""
        self.stalled = Event()
        """The engine waits for the rest of a layer, or for an answer."""
        self.over = Event()
        self.hung_up = Event()
        """The engine closed the connection that the layer came on."""
        # Of its own: pulls of one layer share a download on the engine, from whichever registry.
        layer = secrets.token_hex(32)
        self.config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}})
        self.manifest = json.dumps(_manifest(self.config.encode(), f"sha256:{layer}", self.LAYER_BYTES))


def _manifest(config: bytes, layer: str, size: int) -> Mapping[str, Any]:
    kind = "application/vnd.docker"
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    return {
        "schemaVersion": 2,
        "mediaType": f"{kind}.distribution.manifest.v2+json",
        "config": {"mediaType": f"{kind}.container.image.v1+json", "size": len(config), "digest": digest},
        "layers": [{"mediaType": f"{kind}.image.rootfs.diff.tar.gzip", "size": size, "digest": layer}],
    }


@contextmanager
def misbehaving(stubborn: Stubborn) -> Iterator[str]:
    """Serve a stubborn registry on a free port; give its `127.0.0.1:PORT`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            if self.path == "/v2/":
                self.answer(200, b"{}", "application/json")
            elif stubborn.silent:
                stubborn.stalled.set()
                stubborn.over.wait(DEADLINE_S)
                self.close_connection = True
            elif stubborn.status != 200:
                self.answer(stubborn.status, stubborn.refusal, "application/json")
            elif "/manifests/" in self.path:
                kind = str(json.loads(stubborn.manifest)["mediaType"])
                self.answer(200, stubborn.manifest.encode(), kind)
            elif json.loads(stubborn.manifest)["config"]["digest"] in self.path:
                self.answer(200, stubborn.config.encode(), "application/octet-stream")
            else:
                self.stall()

        def answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(body).hexdigest()}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def stall(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(stubborn.LAYER_BYTES))
            self.end_headers()
            self.wfile.write(bytes(stubborn.SENT_BYTES))
            stubborn.stalled.set()
            # A drop now and then: an engine that waits for data does not look whether anybody wants it.
            try:
                while not stubborn.over.wait(0.05):
                    self.wfile.write(b"0")
            except OSError:
                stubborn.hung_up.set()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        stubborn.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
