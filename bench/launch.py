"""How long `evalyard run` takes until the harness that it starts does something."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.measure import CommandFailed, Sample

MODEL = "bench-model"
PATIENCE_S = 60
ENDED = {"SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST"}


class _Endpoint(BaseHTTPRequestHandler):
    """The least that passes for an OpenAI-compatible endpoint."""

    def do_GET(self) -> None:
        self._answer({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}, "text": "ok"}
        self._answer({"object": "chat.completion", "model": MODEL, "choices": [choice]})

    def _answer(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        """Say nothing: the table is the only output."""


@contextmanager
def endpoint() -> Iterator[str]:
    """Serve on a free loopback port; yields the URL that chat requests go to."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_config(path: Path, *, url: str, tasks: int, command: str = "true") -> Path:
    """Write a configuration of `tasks` host-mode tasks, each running `command`, and return its path."""
    names = "".join(
        f"    - name: bench_{number:04d}\n      harness: {{command: {json.dumps(command)}}}\n"
        for number in range(tasks)
    )
    path.write_text(
        f"execution:\n  type: local\n  use_docker: false\n  output_dir: {json.dumps(str(path.parent / 'out'))}\n"
        f"target:\n  api_endpoint:\n    url: {url}\n    model_id: {MODEL}\n"
        f"evaluation:\n  tasks:\n{names}",
        encoding="utf-8",
    )
    return path


def harness_command(mark: Path) -> str:
    """Shell text of a harness whose first act is to write a byte to `mark`."""
    return f"printf x > '{mark}'; printf 'results: {{}}\\n' > \"$EVALYARD_OUTPUT_DIR/results.yml\""


def harness_start_s(folder: Path, env: Mapping[str, str]) -> float:
    """Return how long the harness alone takes from its start to its first byte."""
    mark = folder / "alone"
    mark.unlink(missing_ok=True)
    started_ns = time.time_ns()
    subprocess.run(["sh", "-c", harness_command(mark)], env={**env, "EVALYARD_OUTPUT_DIR": str(folder)}, check=True)
    return (mark.stat().st_mtime_ns - started_ns) / 1e9


def first_byte(evalyard: Sequence[str], config: Path, mark: Path, env: Mapping[str, str]) -> float:
    """Start `run` of `config`, see its job to the end, and return the seconds from the start to the byte in `mark`.

    Raises:
        CommandFailed: when `run` fails, or the harness wrote nothing, or the job did not end, within PATIENCE_S.
    """
    mark.unlink(missing_ok=True)
    started_ns = time.time_ns()
    launch = subprocess.run(
        [*evalyard, "run", "--config", str(config)], env=env, capture_output=True, text=True, check=False
    )
    if launch.returncode != 0:
        raise CommandFailed(f"run exited with {launch.returncode}:\n{launch.stderr[-2000:]}")
    _wait_until_ended(evalyard, launch.stdout.strip(), env)
    if not mark.exists():
        raise CommandFailed(f"the harness of {config} never started:\n{launch.stderr[-2000:]}")
    # The file's own time: what waiting for it adds is not the launcher's.
    return (mark.stat().st_mtime_ns - started_ns) / 1e9


def _wait_until_ended(evalyard: Sequence[str], invocation: str, env: Mapping[str, str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    rows: object = None
    while time.monotonic() < deadline:
        # A failed job makes `status` exit with a code other than 0; its rows are what counts here.
        status = subprocess.run(
            [*evalyard, "status", invocation, "--json"], env=env, capture_output=True, text=True, check=False
        )
        rows = json.loads(status.stdout)
        if isinstance(rows, list) and rows and all(row["state"] in ENDED for row in rows):
            return
        time.sleep(0.1)
    raise CommandFailed(f"invocation {invocation} did not end within {PATIENCE_S} s: {rows}")


def evalyard_command() -> list[str]:
    """Return the command line of the evalyard installed beside this Python."""
    return [str(Path(sys.executable).with_name("evalyard"))]


def sample_first_byte(config: Path, mark: Path, env: Mapping[str, str]) -> Sample:
    """Return the launcher's share of the time to the first byte, as wall time; CPU is not told apart here."""
    alone_s = harness_start_s(config.parent, env)
    return Sample(user_s=0.0, wall_s=first_byte(evalyard_command(), config, mark, env) - alone_s)
