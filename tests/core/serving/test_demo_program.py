import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import evalyard.serving.demo
from evalyard.serving.demo.cli import main


@contextmanager
def started(parent: Path, *options: str, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A copied demo endpoint with nothing but the standard library on its path, and its URL."""
    shutil.copytree(Path(evalyard.serving.demo.__file__).parent, parent / "demo")
    start = f"import sys, runpy; sys.path.insert(0, {str(parent)!r}); runpy.run_module('demo', run_name='__main__')"
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", start, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on ")
        yield process, line.removeprefix("listening on ").strip()
    finally:
        process.kill()
        process.communicate()


def fetch(url: str) -> bytes:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as response:
        body: bytes = response.read()
    return body


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_copy_serves_without_evalyard_until_a_signal_and_exits_with_zero(
    tmp_path: Path, number: signal.Signals
) -> None:
    with started(tmp_path, "--model", "one", "--model", "two") as (process, url):
        models = fetch(f"{url}/v1/models")
        assert b'"one"' in models
        assert b'"two"' in models
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Traceback" not in error


def test_a_signal_ends_it_while_a_request_is_under_way(tmp_path: Path) -> None:
    with started(tmp_path, "--latency-ms", "60000") as (process, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as waiting:
            body = b'{"model": "demo", "prompt": "x"}'
            waiting.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
        assert process.returncode == 0


def test_the_key_is_taken_from_the_named_variable_and_not_printed(tmp_path: Path) -> None:
    options = ("--api-key-name", "DEMO_KEY")
    with started(tmp_path, *options, DEMO_KEY="canary-77aa") as (process, url):
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetch(f"{url}/v1/models")
        refused.value.close()
        assert refused.value.code == 401
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=30)
        assert "canary-77aa" not in out + error


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--failure-rate", "2"], "from 0 to 1"),
        (["--latency-ms", "-1"], "0 or more"),
        (["--api-key-name", "SURELY_UNSET"], "'SURELY_UNSET' is not set"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(
    capsys: pytest.CaptureFixture[str], options: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(options)
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err
