"""evalyard_local.docker.checks and probe: what is found of Docker before anything starts."""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from docker import DockerClient

from evalyard import Connection, Context, Finding, Need, NeedKind, Plan, Severity
from evalyard_local.checks import FREE_ERROR_BYTES
from evalyard_local.docker import checks, probe
from evalyard_local.docker.checks import COMMAND, DISK, ENGINE, IMAGE, findings
from evalyard_local.docker.images import image_need
from evalyard_local.docker.probe import NO_TOOL, SCRIPT, SUBJECT, Probe, verdict
from tests.plugins.local.docker.conftest import docker

ABSENT = "127.0.0.1:9/absent:1"
PROBE = Probe(image="x:1", network="", url="http://e:8000")


def context(timeout_s: float = 60.0, *, thorough: bool = False) -> Context:
    return Context(connection=Connection(executor="local"), deadline=time.monotonic() + timeout_s, thorough=thorough)


def plan_of(image: str, *, pull: str = "missing", network: str = "none", url: str = "", number: int = 1) -> Plan:
    return Plan(
        job=f"a1b2c3d4.{number}",
        task="smoke",
        attempt=1,
        name=f"ey-a1b2c3d4-{number}-1",
        mark="0" * 32,
        directory="/nowhere",
        needs=(Need(key="files", kind=NeedKind.FILES), image_need(image, pull)),
        image=image,
        payload={"network": network, "probe_url": url},
    )


def found(subject: str, *plans: Plan, thorough: bool = False) -> list[Finding]:
    return [finding for finding in findings(context(thorough=thorough), plans) if finding.subject == subject]


def only(subject: str, *plans: Plan, thorough: bool = False) -> Finding:
    (finding,) = found(subject, *plans, thorough=thorough)
    return finding


# --- the command and the engine -------------------------------------------------------------------------------------


@pytest.fixture
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """DOCKER_HOST names a socket that is not there."""
    url = f"unix://{tmp_path}/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", url)
    return url


def test_without_plans_absent_docker_is_a_warning(no_engine: str) -> None:
    command, engine = findings(context(), [], which=lambda _: None)
    assert (command.subject, command.severity) == (COMMAND, Severity.WARNING)
    assert "--no-docker" in command.remedy
    assert (engine.subject, engine.severity, engine.unreachable) == (ENGINE, Severity.WARNING, True)
    assert no_engine in engine.message


@pytest.mark.usefixtures("no_engine")
def test_with_containers_to_run_absent_docker_is_an_error() -> None:
    command, engine = findings(context(), [plan_of(ABSENT)], which=lambda _: None)
    assert (command.severity, engine.severity) == (Severity.ERROR, Severity.ERROR)
    assert engine.remedy


@pytest.mark.usefixtures("no_engine")
def test_host_processes_alone_need_no_docker() -> None:
    host = Plan(job="a.1", task="t", attempt=1, name="n", mark="m", directory="/d")
    assert findings(context(), [host], which=lambda _: None) == []


def test_no_permission_says_which_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Root may use any socket.
    monkeypatch.setattr("evalyard_local.docker.engine._knock", refused)
    finding = only(ENGINE, plan_of(ABSENT))
    assert finding.severity is Severity.ERROR
    assert "no permission" in finding.message
    assert "usermod -aG docker" in finding.remedy
    assert not finding.unreachable


@pytest.mark.parametrize("url", ["ssh://me@build7", "tcp://build7:2376"])
def test_an_engine_on_another_machine_cannot_see_our_folders(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", url)
    finding = only(ENGINE, plan_of(ABSENT))
    assert finding.severity is Severity.ERROR
    assert f"another machine ({url})" in finding.message
    assert "unset DOCKER_HOST" in finding.remedy
    assert only(ENGINE).severity is Severity.WARNING


def test_a_context_that_is_not_there_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    assert "nowhere" in only(ENGINE, plan_of(ABSENT)).message


@pytest.mark.docker
def test_an_engine_that_answers_is_named_with_its_platform() -> None:
    finding = only(ENGINE)
    assert finding.severity is Severity.OK
    assert "linux/" in finding.message
    assert only(COMMAND) == Finding(severity=Severity.OK, subject=COMMAND, message=shutil.which("docker") or "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (None, ""),
        (["name=seccomp,profile=default"], ""),
        (["name=seccomp,profile=default", "name=rootless"], "rootless"),
        (["name=userns"], "user namespaces"),
    ],
)
def test_whose_files_containers_write_is_noted(options: list[str] | None, words: str) -> None:
    said = checks._kind({"SecurityOptions": options})
    assert words in said
    assert bool(said) is bool(words)


# --- its disk -------------------------------------------------------------------------------------------------------


def engine_saying(monkeypatch: pytest.MonkeyPatch, **info: object) -> None:
    """Let the real engine's words of itself be others."""
    told = DockerClient.info
    monkeypatch.setattr(DockerClient, "info", lambda client: {**told(client), **info})


@pytest.mark.docker
def test_a_full_disk_below_dockers_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine_saying(monkeypatch, DockerRootDir=str(tmp_path), Name=platform.node())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=FREE_ERROR_BYTES - 1))
    finding = only(DISK)
    assert finding.severity is Severity.ERROR
    assert str(tmp_path) in finding.message
    assert "docker system prune" in finding.remedy


@pytest.mark.docker
@pytest.mark.parametrize("info", [{"Name": "docker-desktop"}, {"DockerRootDir": "/not/on/this/machine"}])
def test_a_disk_that_is_not_on_this_machine_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch, info: Mapping[str, str]
) -> None:
    engine_saying(monkeypatch, **info)
    assert found(DISK) == []


# --- images ---------------------------------------------------------------------------------------------------------


@pytest.mark.docker
def test_an_image_that_is_here_and_one_that_will_be_pulled_are_both_well(busybox_image: str) -> None:
    here, absent = found(IMAGE, plan_of(busybox_image), plan_of(busybox_image, number=2), plan_of(ABSENT, number=3))
    assert (here.severity, absent.severity) == (Severity.OK, Severity.OK)
    assert here.message.startswith(f"{busybox_image}: here (")
    assert absent.message == f"{ABSENT}: not here; it is pulled when the run begins"


@pytest.mark.docker
def test_an_absent_image_that_is_never_pulled_is_an_error() -> None:
    finding = only(IMAGE, plan_of(ABSENT, pull="never"))
    assert finding.severity is Severity.ERROR
    assert f"docker pull {ABSENT}" in finding.remedy


@pytest.mark.docker
def test_what_is_no_reference_is_about_the_image_and_not_the_engine() -> None:
    assert only(IMAGE, plan_of("UPPER:1")).severity is Severity.ERROR
    assert only(ENGINE, plan_of("UPPER:1")).severity is Severity.OK


def load_empty(folder: Path, image: str, architecture: str) -> None:
    """Give the engine an image of another machine's kind, with nothing in it."""
    config = {"architecture": architecture, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
    manifest = [{"Config": "config.json", "RepoTags": [image], "Layers": []}]
    with tarfile.open(folder / "image.tar", "w") as archive:
        for name, content in {"config.json": config, "manifest.json": manifest}.items():
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    docker("load", f"--input={folder / 'image.tar'}")


@pytest.mark.docker
def test_an_image_for_another_architecture_is_a_warning(tmp_path: Path) -> None:
    engine = docker("version", "--format={{.Server.Arch}}")
    other = "s390x" if engine != "s390x" else "amd64"
    image = f"evalyard-test/foreign:{os.getpid()}"
    load_empty(tmp_path, image, other)
    try:
        finding = only(IMAGE, plan_of(image))
    finally:
        docker("rmi", image)
    assert finding.severity is Severity.WARNING
    assert f"made for {other}, and the engine is {engine}" in finding.message


# --- the endpoint, from a container ---------------------------------------------------------------------------------


@contextmanager
def answering(status: int) -> Iterator[tuple[str, list[str]]]:
    """Serve an endpoint; gives its base URL and who asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["User-Agent"])
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def label(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's probes on the same engine are not ours."""
    monkeypatch.setattr(probe, "LABEL", f"evalyard.probe.test-{os.getpid()}")


def probes_left() -> str:
    return docker("ps", "--all", "--quiet", f"--filter=label={probe.LABEL}")


@pytest.mark.docker
@pytest.mark.parametrize("status", [200, 401, 404])
def test_any_answer_that_reaches_a_container_counts(busybox_image: str, status: int) -> None:
    with answering(status) as (url, asked):
        same = [plan_of(busybox_image, network="host", url=url, number=number) for number in (1, 2)]
        finding = only(SUBJECT, *same, thorough=True)
    assert finding == Finding(
        severity=Severity.OK, subject=SUBJECT, message=f"{url} from {busybox_image} answers ({status})"
    )
    assert len(asked) == 1, "one probe for one image, network and URL"
    assert probes_left() == ""


@pytest.mark.parametrize(("tool", "agent"), [("curl", "curl/"), ("python3", "Python-urllib/")])
@pytest.mark.parametrize("status", [200, 404])
def test_each_tool_asks_where_it_is_the_only_one(tmp_path: Path, tool: str, agent: str, status: int) -> None:
    # In a shell of this machine: busybox's own prefers its wget, whatever PATH says.
    program = sys.executable if tool == "python3" else shutil.which(tool)
    if program is None:
        pytest.skip(f"there is no {tool} here")
    (tmp_path / tool).symlink_to(program)
    with answering(status) as (url, asked):
        done = asking_script(url, tmp_path)
    assert verdict(PROBE, done.returncode, done.stdout).message.endswith(f"answers ({status})")
    assert asked[0].startswith(agent)
    done = asking_script(url, tmp_path)
    assert verdict(PROBE, done.returncode, done.stdout).severity is Severity.ERROR


def asking_script(url: str, path: Path) -> subprocess.CompletedProcess[str]:
    argv = ["/bin/sh", "-c", SCRIPT, "probe", url]
    return subprocess.run(argv, env={"PATH": str(path)}, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.docker
def test_an_endpoint_that_a_container_does_not_reach_is_an_error(busybox_image: str) -> None:
    with answering(200) as (url, asked):
        finding = only(SUBJECT, plan_of(busybox_image, network="none", url=url), thorough=True)
    assert (finding.severity, finding.unreachable) == (Severity.ERROR, True)
    assert "refused" in finding.message
    assert "--network=host" in finding.remedy
    assert asked == []
    assert probes_left() == ""


@pytest.mark.docker
def test_nothing_is_started_for_a_check_that_is_not_thorough(busybox_image: str) -> None:
    with answering(200) as (url, asked):
        assert found(SUBJECT, plan_of(busybox_image, network="host", url=url)) == []
    assert asked == []


@pytest.mark.docker
def test_an_image_that_is_not_here_is_not_pulled_to_ask() -> None:
    finding = only(SUBJECT, plan_of(ABSENT, url="http://127.0.0.1:9"), thorough=True)
    assert finding.severity is Severity.OK
    assert finding.message.endswith("the image is not here yet")


@pytest.mark.docker
def test_a_network_that_is_not_there_is_told_and_nothing_stays(busybox_image: str) -> None:
    finding = only(SUBJECT, plan_of(busybox_image, network="ey-test-no-network", url="http://e"), thorough=True)
    assert finding.severity is Severity.ERROR
    assert "ey-test-no-network" in finding.message
    assert probes_left() == ""


@pytest.mark.docker
def test_an_endpoint_that_does_not_answer_in_time_is_told_and_nothing_stays(
    busybox_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_LONGEST_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        finding = only(SUBJECT, plan_of(busybox_image, network="host", url=url), thorough=True)
    assert finding.message.endswith("no answer in time")
    assert probes_left() == ""


@pytest.mark.parametrize(
    ("code", "words", "severity", "said"),
    [
        (0, "answered 401\n", Severity.OK, "answers (401)"),
        (1, "wget: server returned error: HTTP/1.1 404 Not Found\n", Severity.OK, "answers (404)"),
        (8, "HTTP request sent, awaiting response... 503 Service Unavailable\n", Severity.OK, "answers (503)"),
        (7, "curl: (7) Failed to connect to e\nanswered 000\n", Severity.ERROR, "curl: (7) Failed to connect to e"),
        (1, "wget: bad address 'e:8000'\n", Severity.ERROR, "bad address"),
        (139, "", Severity.ERROR, "exit code 139"),
        (NO_TOOL, "", Severity.OK, "no curl, wget or python3 in the image"),
        (1, "wget: not an http or ftp url: https://e\n", Severity.OK, "knows no https"),
    ],
)
def test_what_the_tools_say_is_understood(code: int, words: str, severity: Severity, said: str) -> None:
    finding = verdict(PROBE, code, words)
    assert finding.severity is severity
    assert said in finding.message
    assert PROBE.url in finding.message


def test_without_any_tool_the_script_says_so(tmp_path: Path) -> None:
    assert asking_script("http://127.0.0.1:9", tmp_path).returncode == NO_TOOL
