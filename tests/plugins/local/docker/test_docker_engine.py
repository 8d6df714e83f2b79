"""evalyard_local.docker.engine: the engine that the docker command would use, and what goes wrong with one."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import IncompleteRead
from pathlib import Path
from threading import Thread

import pytest
import requests
import urllib3
from docker.credentials import StoreError
from docker.errors import APIError, DockerException, NotFound

from evalyard import BackendError, Connection, Context, Transient
from evalyard_local.docker.engine import CALL_TIMEOUT_S, DEFAULT_URL, Address, asking, engine, engine_address, trouble

HERE = Address(url="unix:///there.sock")


def context(timeout_s: float = 30.0) -> Context:
    return Context(connection=Connection(executor="local"), deadline=time.monotonic() + timeout_s)


def store_context(folder: Path, name: str, host: str, *, current: bool = False, skip_verify: bool = False) -> Path:
    """Write a context as the docker command does; returns where its certificates would be."""
    identifier = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / identifier
    meta.mkdir(parents=True)
    endpoint = {"Host": host, "SkipTLSVerify": skip_verify}
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    if current:
        (folder / "config.json").write_text(json.dumps({"currentContext": name}))
    return folder / "contexts" / "tls" / identifier / "docker"


ROOTLESS = "unix:///run/user/1000/docker.sock"
COLIMA = "unix:///Users/me/.colima/default/docker.sock"


@pytest.mark.parametrize(
    ("current", "variables", "url"),
    [
        ("", {}, DEFAULT_URL),
        ("default", {}, DEFAULT_URL),
        ("rootless", {}, ROOTLESS),
        ("rootless", {"DOCKER_CONTEXT": "colima"}, COLIMA),
        ("", {"DOCKER_CONTEXT": "colima"}, COLIMA),
        ("rootless", {"DOCKER_CONTEXT": "default"}, DEFAULT_URL),
        ("rootless", {"DOCKER_HOST": "tcp://127.0.0.1:2375"}, "tcp://127.0.0.1:2375"),
        ("", {"DOCKER_CONTEXT": "colima", "DOCKER_HOST": "tcp://127.0.0.1:2375"}, "tcp://127.0.0.1:2375"),
        ("colima", {"DOCKER_HOST": ""}, COLIMA),
    ],
)
@pytest.mark.docker
def test_the_engine_is_the_one_that_the_docker_command_would_use(
    docker_config: Path, monkeypatch: pytest.MonkeyPatch, current: str, variables: dict[str, str], url: str
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    store_context(docker_config, "rootless", ROOTLESS)
    store_context(docker_config, "colima", COLIMA)
    if current:
        (docker_config / "config.json").write_text(json.dumps({"currentContext": current}))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = subprocess.run(
        ["docker", "context", "inspect", "--format={{.Endpoints.docker.Host}}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert engine_address().url == url == said.strip()


def test_without_a_configuration_folder_the_engine_is_the_default_one(tmp_path: Path) -> None:
    assert engine_address({"DOCKER_CONFIG": str(tmp_path / "none")}) == Address()


def test_a_context_that_is_not_there_is_named(docker_config: Path) -> None:
    with pytest.raises(BackendError, match="no Docker context 'nowhere'") as caught:
        engine_address({"DOCKER_CONFIG": str(docker_config), "DOCKER_CONTEXT": "nowhere"})
    assert caught.value.hint
    assert "docker context ls" in caught.value.hint


@pytest.mark.parametrize(
    ("variables", "verify", "folder"),
    [
        ({}, True, None),
        ({"DOCKER_CERT_PATH": "/certificates"}, True, None),
        ({"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certificates"}, True, "/certificates"),
        ({"DOCKER_TLS": "1", "DOCKER_CERT_PATH": "/certificates"}, False, "/certificates"),
        ({"DOCKER_TLS_VERIFY": "1"}, True, "/docker-config"),
    ],
)
def test_the_tls_variables_mean_what_they_mean_to_the_docker_command(
    variables: dict[str, str], verify: bool, folder: str | None
) -> None:
    given = {"DOCKER_CONFIG": "/docker-config", "DOCKER_HOST": "tcp://127.0.0.1:2376", **variables}
    address = engine_address(given)
    assert address.tls_folder == (Path(folder) if folder else None)
    assert address.verify is verify or folder is None


def test_a_context_brings_its_certificates(docker_config: Path) -> None:
    certificates = store_context(docker_config, "far", "tcp://far:2376", current=True, skip_verify=True)
    certificates.mkdir(parents=True)
    address = engine_address({"DOCKER_CONFIG": str(docker_config)})
    assert (address.tls_folder, address.verify, address.source) == (certificates, False, "context 'far'")


@pytest.mark.parametrize(
    ("url", "machine"),
    [
        (DEFAULT_URL, ""),
        ("tcp://127.0.0.1:2375", ""),
        ("tcp://localhost:2375", ""),
        ("tcp://[::1]:2375", ""),
        (f"tcp://{socket.gethostname()}:2375", ""),
        ("tcp://build7:2376", "build7"),
        ("tcp://10.0.0.7:2376", "10.0.0.7"),
        ("ssh://me@build7", "build7"),
    ],
)
def test_an_engine_on_another_machine_is_told_from_one_on_this(url: str, machine: str) -> None:
    assert Address(url=url).machine == machine


def test_an_engine_that_only_ssh_reaches_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@build7")
    with pytest.raises(BackendError, match="DOCKER_HOST names another machine") as caught:
        engine()
    assert not caught.value.transient
    assert "unset DOCKER_HOST" in (caught.value.hint or "")


@pytest.mark.docker
def test_an_engine_answers_through_a_context_too(docker_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_context(docker_config, "mine", engine_address().url, current=True)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with asking(context()) as client:
        assert client.version()["Os"] == "linux"


@pytest.mark.docker
def test_what_is_absent_can_be_caught_and_what_is_refused_is_in_the_engines_words() -> None:
    with asking(context()) as client, pytest.raises(NotFound):
        client.containers.get("ey-test-nobody")
    refused = "the Docker engine refused: No such container: ey-test-nobody"
    with pytest.raises(BackendError, match=refused), asking(context()) as client:
        client.containers.get("ey-test-nobody")


@pytest.mark.docker
def test_our_own_errors_pass_unchanged() -> None:
    for own in (BackendError("mine"), FileNotFoundError("a file of ours")):
        with pytest.raises(type(own)) as caught, asking(context()):
            raise own
        assert caught.value is own


def test_an_engine_that_does_not_run_is_no_answer_and_the_text_says_how_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for url in (f"unix://{tmp_path}/docker.sock", f"tcp://127.0.0.1:{unused.getsockname()[1]}"):
            monkeypatch.setenv("DOCKER_HOST", url)
            with pytest.raises(Transient, match="no Docker engine answers at") as caught, asking(context()):
                pass
            assert url in caught.value.message
            assert caught.value.hint == "start it: sudo systemctl start docker"


def test_an_engine_that_is_silent_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Transient, match="did not answer in time"), asking(context(0.5)):
            pass


@pytest.mark.docker
@pytest.mark.parametrize(("left_s", "silent_s"), [(5, 5), (3600, CALL_TIMEOUT_S)])
def test_no_request_may_be_silent_beyond_the_deadline(left_s: float, silent_s: float) -> None:
    with asking(context(left_s)) as client:
        assert client.api.timeout == silent_s


def test_without_time_left_nobody_is_asked() -> None:
    with pytest.raises(Transient, match="no time left"), asking(context(0)):
        pass


@contextmanager
def breaking_off() -> Iterator[str]:
    """An engine that tells its version and then hangs up in the middle of every answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"ApiVersion": "1.41"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body) + (0 if self.path == "/version" else 100)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_connection_that_breaks_off_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with breaking_off() as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(Transient, match="broke off"), asking(context()) as client:
            client.info()


def test_no_permission_says_which_group() -> None:
    # Built as requests builds it, for root may use any socket.
    refused = requests.exceptions.ConnectionError(
        urllib3.exceptions.ProtocolError("Connection aborted.", PermissionError(13, "Permission denied"))
    )
    wrapped = DockerException(f"Error while fetching server API version: {refused}")
    wrapped.__cause__ = refused
    error = trouble(wrapped, HERE)
    assert error.message == "no permission to use the Docker engine at unix:///there.sock"
    assert error.hint
    assert "usermod -aG docker $USER" in error.hint
    assert not error.transient


def api_error(status: int, words: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("no", response=response, explanation=words)


@pytest.mark.parametrize(
    ("error", "transient", "words"),
    [
        (api_error(503, "busy"), True, "refused: busy"),
        (api_error(409, "in use"), False, "refused: in use"),
        (requests.exceptions.ReadTimeout("Read timed out."), True, "in time"),
        (urllib3.exceptions.ProtocolError("broken", IncompleteRead(b"")), True, "broke off"),
        (ConnectionResetError(104, "Connection reset by peer"), True, "Connection reset by peer"),
        (requests.exceptions.SSLError(ssl.SSLError(1, "bad certificate")), False, "bad certificate"),
        (DockerException("something else"), False, "Docker: something else"),
    ],
)
def test_what_may_pass_is_told_from_what_stays(error: Exception, transient: bool, words: str) -> None:
    told = trouble(error, HERE)
    assert told.transient is transient
    assert words in told.message


def test_a_broken_credential_helper_is_no_absent_engine() -> None:
    error = DockerException("Credentials store error")
    error.__context__ = StoreError("docker-credential-x not installed")
    error.__context__.__context__ = FileNotFoundError(2, "docker-credential-x")
    told = trouble(error, HERE)
    assert "credential helper" in told.message
    assert "config.json" in (told.hint or "")
    assert not told.transient


def test_importing_the_plugin_does_not_import_the_sdk() -> None:
    code = (
        "import sys, evalyard_local.docker.engine, evalyard_local.docker.images, evalyard_local.docker.checks\n"
        "assert 'docker' not in sys.modules and 'requests' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
