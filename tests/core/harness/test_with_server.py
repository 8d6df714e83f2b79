"""job.sh and with_server.sh beside a model server: ready, late, dying before, dying during, and served by hand."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evalyard.harness.evidence import attempts_in, read_exit
from evalyard.harness.script import job_script, run_all_script
from evalyard.ids import SERVER_FOLDER
from evalyard.records.programs import Server
from tests.core.harness.jobs import WRITE_RESULTS, by_hand, end_of, launch, launched, make_job, start, until, write
from tests.core.harness.served import DEAD_URL, processes_below, real_server

FAKE = Server(recipe="generic", model_id="m", script="unused", paths={"chat": "/v1/chat/completions"})
ASK = """\
python3 -c 'import os, urllib.request as r
print(r.urlopen(os.environ["EVALYARD_BASE_URL"] + "/health").read().decode())' >"$EVALYARD_OUTPUT_DIR/results.yml"
echo "$EVALYARD_ENDPOINT_URL $EVALYARD_MODEL_ID" >>"$EVALYARD_OUTPUT_DIR/results.yml"
"""


@pytest.fixture
def health() -> Iterator[tuple[str, threading.Event]]:
    """A server on loopback whose health a test decides: its URL, and the switch."""
    healthy = threading.Event()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if healthy.is_set() else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", healthy
        server.shutdown()
        thread.join()


def served(url: str, ended: Path) -> dict[str, str]:
    return launched(EVALYARD_BASE_URL=url, EVALYARD_SERVER_EXIT=str(ended))


def test_the_harness_starts_when_the_server_is_ready_and_not_before(
    tmp_path: Path, health: tuple[str, threading.Event]
) -> None:
    url, healthy = health
    folder = write(tmp_path, make_job(f'echo "$EVALYARD_ENDPOINT_URL" >began; {WRITE_RESULTS}', server=FAKE))
    running = start(folder, served(url, tmp_path / "ended") | {"http_proxy": DEAD_URL})
    until(lambda: "waiting up to" in _log(folder))
    assert not (folder / "began").exists()
    healthy.set()
    assert end_of(running) == 0
    assert (folder / "began").read_text() == f"{url}/v1/chat/completions\n"


def test_a_job_whose_server_nobody_started_says_so(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job(WRITE_RESULTS, server=FAKE))
    record = launch(folder)
    assert (record.exit_code, record.results) == (78, False)
    assert record.reason == "the model server of this job was not started, or nobody told its address"


@pytest.mark.parametrize("asker", ["curl", "python3"])
def test_a_key_in_the_environment_goes_along_when_the_server_is_asked(tmp_path: Path, asker: str) -> None:
    if shutil.which(asker) is None:
        pytest.skip(f"needs {asker}")

    class Guarded(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.headers.get("Authorization") == "Bearer the key" else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    tools = tmp_path / "bin"
    tools.mkdir()
    others = {"curl", "python3", "wget"} - {asker}
    for tool in (path for folder in ("/bin", "/usr/bin") for path in Path(folder).iterdir()):
        if tool.name not in others and not (tools / tool.name).exists():
            (tools / tool.name).symlink_to(tool)
    with ThreadingHTTPServer(("127.0.0.1", 0), Guarded) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        folder = write(tmp_path, make_job(server=FAKE))
        record = launch(folder, served(url, tmp_path / "ended") | {"PATH": str(tools), "KEY": "the key"})
        server.shutdown()
        thread.join()
    assert record.exit_code == 0


def test_a_server_elsewhere_is_asked_by_the_command_that_reaches_it(tmp_path: Path) -> None:
    job = make_job(server=FAKE)
    folder = write(tmp_path, job)
    asker = tmp_path / "there.sh"
    asker.write_text(f'[ -e "{tmp_path}/ready" ] && [ "$1 $2" = "sh -c" ] && echo "$5" >"{tmp_path}/asked"')
    (folder / "run.sh").write_text(job_script(job, asks=lambda _: f'sh "{asker}"', ready_timeout_s=30))
    running = start(folder, served(DEAD_URL, tmp_path / "ended"))
    until(lambda: "waiting up to" in _log(folder))
    (tmp_path / "ready").touch()
    assert end_of(running) == 0
    assert (tmp_path / "asked").read_text() == f"{DEAD_URL}/health\n"


def test_a_server_that_dies_before_it_is_ready_ends_the_wait_at_once(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job("touch began", server=FAKE, post_cmd="touch post"), ready_timeout_s=10_000)
    (tmp_path / "ended").touch()
    record = launch(folder, served(DEAD_URL, tmp_path / "ended"))
    assert (record.exit_code, record.reason) == (70, "the model server ended before it was ready")
    assert not (folder / "began").exists()
    assert (folder / "post").exists()


def test_a_server_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job("touch began", server=FAKE), ready_timeout_s=1)
    record = launch(folder, served(DEAD_URL, tmp_path / "ended"))
    assert (record.exit_code, record.reason) == (71, "the model server was not ready within 1 s")
    assert not (folder / "began").exists()


def test_a_server_that_dies_during_the_evaluation_ends_it(tmp_path: Path, health: tuple[str, threading.Event]) -> None:
    url, healthy = health
    healthy.set()
    folder = write(tmp_path, make_job("touch began; sleep 600", server=FAKE))
    running = start(folder, served(url, tmp_path / "ended"))
    until((folder / "began").exists)
    (tmp_path / "ended").touch()
    assert end_of(running) == 72
    record = read_exit(folder, 1)
    assert record is not None
    assert (record.exit_code, record.reason) == (72, "the model server ended during the evaluation")


def test_a_harness_that_succeeds_although_the_server_has_ended_keeps_its_success(
    tmp_path: Path, health: tuple[str, threading.Event]
) -> None:
    url, healthy = health
    healthy.set()
    folder = write(tmp_path, make_job(f"touch {tmp_path}/ended; {WRITE_RESULTS}", server=FAKE))
    record = launch(folder, served(url, tmp_path / "ended"))
    assert (record.exit_code, record.reason, record.results) == (0, "", True)


def test_a_wait_for_a_server_ends_on_a_signal(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job("touch began", server=FAKE), ready_timeout_s=10_000)
    running = start(folder, served(DEAD_URL, tmp_path / "ended"))
    until(lambda: "waiting up to" in _log(folder))
    running.send_signal(signal.SIGTERM)
    assert end_of(running) == 143
    assert not (folder / "began").exists()


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_by_hand_a_deployment_is_served_for_as_long_as_the_task_runs(tmp_path: Path) -> None:
    server = real_server(tmp_path)
    folder = write(tmp_path / "run", make_job(ASK, server=server))
    for attempt in (1, 2):
        done = by_hand(folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"attempt {attempt} of smoke (a1b2c3d4.1) (by hand)" in done.stdout
    assert (folder / "artifacts" / "results.yml").read_text() == (
        f"served\nhttp://127.0.0.1:{server.port}/v1/chat/completions the model\n"
    )
    deployment = tmp_path / "run" / SERVER_FOLDER
    assert attempts_in(folder) == attempts_in(deployment) == (1, 2)
    ended = read_exit(deployment, 2)
    assert ended is not None
    assert ended.signal == "TERM"
    assert (deployment / "logs" / "server.log").exists()
    assert processes_below(tmp_path) == []


def test_by_hand_a_server_that_fails_is_the_reason_and_not_a_long_wait(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", make_job(ASK, server=real_server(tmp_path, "exit 3")), ready_timeout_s=10_000)
    done = by_hand(folder)
    assert done.returncode == 70
    assert "the model server ended before it was ready" in done.stdout


def test_by_hand_interrupting_the_task_ends_the_server_too(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", make_job("touch began; sleep 600", server=real_server(tmp_path)))
    running = start(folder, {"PATH": launched()["PATH"]})
    until((folder / "began").exists)
    running.send_signal(signal.SIGTERM)
    assert end_of(running) == 143
    until(lambda: not processes_below(tmp_path))
    assert read_exit(tmp_path / "run" / SERVER_FOLDER, 1) is not None


def test_by_hand_all_tasks_share_one_server(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", make_job(ASK, server=real_server(tmp_path)))
    (tmp_path / "run" / "run_all.sequential.sh").write_text(run_all_script(["task", "task"], [FAKE]))
    assert by_hand(tmp_path / "run", "sh", "run_all.sequential.sh").returncode == 0
    assert attempts_in(folder) == (1, 2)
    assert attempts_in(tmp_path / "run" / SERVER_FOLDER) == (1,)
    assert processes_below(tmp_path) == []


def _log(folder: Path) -> str:
    log = folder / "logs" / "stdout.log"
    return log.read_text() if log.exists() else ""
