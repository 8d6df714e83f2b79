"""A judge that tells whether two expressions are written alike: python judge.py PORT FILE; each answer goes to FILE."""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Judge(BaseHTTPRequestHandler):
    """Answers as an OpenAI-compatible endpoint does."""

    def do_GET(self) -> None:
        """Say that it is well."""
        self._send({"status": "well"})

    def do_POST(self) -> None:
        """Compare the last two expressions of the question."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = re.findall(r"Expression 1: (.*)\s+Expression 2: (.*)", body["messages"][-1]["content"])
        verdict = "Yes" if asked[-1][0].strip() == asked[-1][1].strip() else "No"
        with Path(sys.argv[2]).open("a", encoding="utf-8") as told:
            told.write(f"{body['model']} {verdict}\n")
        message = {"role": "assistant", "content": verdict}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._send({"id": "1", "object": "chat.completion", "created": 1, "choices": [choice], "usage": usage})

    def _send(self, reply: dict[str, object]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Judge).serve_forever()
