"""Model servers beside the job scripts of tests, and what runs of them."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil

from evalyard.records.programs import Server

DEAD_URL = "http://127.0.0.1:9"
HTTP_SERVER = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(b"served")
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def real_server(tmp_path: Path, script: str = 'exec python3 "$SERVE"') -> Server:
    """Return a model server that is healthy."""
    (tmp_path / "serve.py").write_text(HTTP_SERVER)
    return Server(
        recipe="generic",
        model_id="the model",
        script=script,
        port=_free_port(),
        paths={"chat": "/v1/chat/completions"},
        literals={"SERVE": str(tmp_path / "serve.py")},
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def processes_below(folder: Path) -> list[str]:
    """Return the command lines of processes that name this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if str(folder) in line:
            found.append(line)
    return found
