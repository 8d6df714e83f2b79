"""Extensions as strangers publish them: wheels beside ours in an environment of their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from tests.outside.cleanroom import CleanRoom


@define
class Listener:
    """A server that keeps what it is told."""

    refuses: int = 0
    """How many more requests it answers with an error."""
    heard: list[dict[str, Any]] = field(factory=list)
    tokens: set[str] = field(factory=set)
    url: str = ""


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A real HTTP server on this machine."""
    made = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.tokens.add(self.headers.get("Authorization", ""))
            if made.refuses:
                made.refuses -= 1
                self.send_error(503)
                return
            made.heard.extend(json.loads(body)["ends"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}/ended"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def configure(folder: Path, *tasks: dict[str, Any], extensions: dict[str, Any], **execution: Any) -> Path:
    """Write a configuration for host processes."""
    path = folder / "run.yaml"
    config = {
        "execution": {"type": "local", "use_docker": False, "output_dir": str(folder / "runs"), **execution},
        "target": {"api_endpoint": {"url": "http://127.0.0.1:9/v1/chat/completions", "model_id": "m"}},
        "evaluation": {"tasks": list(tasks)},
        "extensions": extensions,
    }
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def task(name: str, command: str = "", **fields: Any) -> dict[str, Any]:
    """Return a task whose harness is a line of shell."""
    line = command or 'printf "results: {}\\n" >"$EVALYARD_OUTPUT_DIR/results.yml"'
    return {"name": name, "harness": {"command": line}, **fields}


@pytest.fixture
def equipped(room: CleanRoom, wheel: Callable[[str], Path]) -> CleanRoom:
    room.install(wheel("evalyard-local"), wheel("evalyard-webhook"), wheel("evalyard-site-policy"))
    return room


def test_a_webhook_is_told_of_every_end_also_when_it_did_not_answer_at_first(
    equipped: CleanRoom, listener: Listener, tmp_path: Path
) -> None:
    listener.refuses = 1
    settings = {"webhook": {"url": listener.url, "token_name": "HOOK_TOKEN"}}
    config = configure(tmp_path, task("well"), task("badly", "exit 4"), extensions=settings, mode="sequential")
    done = equipped.call("run", "-c", str(config), "--wait", env={"HOOK_TOKEN": "canary-93517"}, code=1)
    invocation = done.stdout.strip()
    told = {(end["job"], end["task"], end["state"], end["exit_code"]) for end in listener.heard}
    assert told == {(f"{invocation}.1", "well", "SUCCEEDED", 0), (f"{invocation}.2", "badly", "FAILED", 4)}
    assert listener.tokens == {"Bearer canary-93517"}
    assert "canary-93517" not in done.stdout + done.stderr


def test_a_site_refuses_an_image_before_anything_is_made(equipped: CleanRoom, tmp_path: Path) -> None:
    policy = {"site_policy": {"images": ["registry.site.example/"]}}
    elsewhere = task("one", container="docker.io/library/busybox:1")
    config = configure(tmp_path, elsewhere, extensions=policy, use_docker=True)
    done = equipped.call("run", "-c", str(config), code=2)
    assert "one: the site allows no image docker.io/library/busybox:1; it allows registry.site.example/" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_site_allows_what_is_its_own(equipped: CleanRoom, tmp_path: Path) -> None:
    policy = {"site_policy": {"images": ["registry.site.example/"]}}
    own = task("one", container="registry.site.example/busybox:1")
    config = configure(tmp_path, own, extensions=policy, use_docker=True)
    equipped.call("run", "-c", str(config), "--dry-run")


@pytest.mark.parametrize("file", ["evalyard_webhook.py", "evalyard_site_policy.py"])
def test_the_documentation_shows_these_very_extensions(file: str) -> None:
    (source,) = Path(__file__).parent.glob(f"*/{file}")
    page = Path(__file__).parents[2] / "docs" / "extensions.md"
    assert f"```python\n# {file}\n{source.read_text(encoding='utf-8')}```" in page.read_text(encoding="utf-8")
