"""job.sh and with_server.sh beside several model servers: one of them late, dying, never ready, and served by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from attrs import evolve

from evalyard.harness.evidence import attempts_in, read_exit
from evalyard.harness.script import run_all_script
from evalyard.records.jobs import Job
from evalyard.records.programs import Server
from evalyard.specs import EnvValue, ValueSource
from tests.core.harness.jobs import WRITE_RESULTS, by_hand, end_of, launch, launched, make_job, start, until, write
from tests.core.harness.served import DEAD_URL, processes_below, real_server

FAKE = Server(recipe="generic", model_id="m", script="unused", paths={"chat": "/v1/chat/completions"})
JUDGE = Server(
    recipe="generic", model_id="j", name="judge", env_prefix="JUDGE", script="unused", paths={"chat": "/v1/judge"}
)


class Health(ThreadingHTTPServer):
    """Answers once it is healthy, and keeps what it was asked with."""

    def __init__(self, *, healthy: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.healthy = healthy
        self.keys: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: Health

    def do_GET(self) -> None:
        self.server.keys.append(self.headers.get("Authorization"))
        self.send_response(200 if self.server.healthy else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def health(*, healthy: bool = True) -> Iterator[Health]:
    with Health(healthy=healthy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def judged(job: Job, judge: Server = JUDGE) -> Job:
    return evolve(job, auxiliary=(judge,))


def log_of(folder: Path) -> str:
    log = folder / "logs" / "stdout.log"
    return log.read_text() if log.exists() else ""


def test_the_harness_starts_when_every_server_is_ready_and_knows_where_they_are(tmp_path: Path) -> None:
    say = f'echo "$EVALYARD_ENDPOINT_URL $JUDGE_CHAT_URL $JUDGE_MODEL_ID $WHERE" >began; {WRITE_RESULTS}'
    where = EnvValue(source=ValueSource.LITERAL, text="it's ${JUDGE_CHAT_URL} and ${HOME}")
    folder = write(tmp_path, judged(make_job(say, server=FAKE, env={"WHERE": where})))
    with health() as main, health(healthy=False) as judge:
        running = start(folder, launched(EVALYARD_BASE_URL=main.url, EVALYARD_JUDGE_BASE_URL=judge.url))
        until(lambda: f"waiting up to 30 s for the model server 'judge' at {judge.url}/health" in log_of(folder))
        assert not (folder / "began").exists()
        judge.healthy = True
        assert end_of(running) == 0
    address = f"{judge.url}/v1/judge"
    assert (
        folder / "began"
    ).read_text() == f"{main.url}/v1/chat/completions {address} j it's {address} and ${{HOME}}\n"


@pytest.mark.parametrize(
    ("ended", "who"),
    [("EVALYARD_SERVER_EXIT", "the model server"), ("EVALYARD_JUDGE_SERVER_EXIT", "the model server 'judge'")],
)
def test_whichever_server_dies_before_all_are_ready_is_the_reason(tmp_path: Path, ended: str, who: str) -> None:
    folder = write(tmp_path, judged(make_job("touch began", server=FAKE)), ready_timeout_s=10_000)
    (tmp_path / ended).touch()
    files = {name: str(tmp_path / name) for name in ("EVALYARD_SERVER_EXIT", "EVALYARD_JUDGE_SERVER_EXIT")}
    record = launch(folder, launched(EVALYARD_BASE_URL=DEAD_URL, EVALYARD_JUDGE_BASE_URL=DEAD_URL) | files)
    assert (record.exit_code, record.reason) == (70, f"{who} ended before it was ready")
    assert not (folder / "began").exists()


def test_a_further_server_that_dies_during_the_evaluation_ends_it(tmp_path: Path) -> None:
    folder = write(tmp_path, judged(make_job("touch began; sleep 600")))
    exit_file = tmp_path / "judge-ended"
    with health() as judge:
        more = {"EVALYARD_JUDGE_BASE_URL": judge.url, "EVALYARD_JUDGE_SERVER_EXIT": str(exit_file)}
        running = start(folder, launched() | more)
        until((folder / "began").exists)
        exit_file.touch()
        assert end_of(running) == 72
    record = read_exit(folder, 1)
    assert record is not None
    assert record.reason == "the model server 'judge' ended during the evaluation"


def test_a_further_server_that_is_never_ready_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, judged(make_job()), ready_timeout_s=1)
    record = launch(folder, launched(EVALYARD_JUDGE_BASE_URL=DEAD_URL))
    assert (record.exit_code, record.reason) == (71, "the model server 'judge' was not ready within 1 s")


def test_the_key_for_the_model_under_test_goes_to_no_other_server(tmp_path: Path) -> None:
    folder = write(tmp_path, judged(make_job(server=FAKE)))
    with health() as main, health() as judge:
        urls = {"EVALYARD_BASE_URL": main.url, "EVALYARD_JUDGE_BASE_URL": judge.url}
        assert launch(folder, launched(KEY="the key") | urls).exit_code == 0
        assert (main.keys, judge.keys) == (["Bearer the key"], [None])


@pytest.mark.parametrize("script", ["task/run.sh", "run_all.sequential.sh"])
def test_by_hand_every_server_is_started_and_ends_with_the_last_task(tmp_path: Path, script: str) -> None:
    main = real_server(tmp_path)
    there = real_server(tmp_path)
    judge = evolve(JUDGE, script=there.script, port=there.port, literals=there.literals)
    ask = "import os, urllib.request as r; [r.urlopen(os.environ[n] + '/health') for n in os.sys.argv[1:]]"
    command = f'python3 -c "{ask}" EVALYARD_BASE_URL EVALYARD_JUDGE_BASE_URL && {WRITE_RESULTS}'
    run = tmp_path / "run"
    folder = write(run, judged(make_job(command, server=main), judge))
    (run / "run_all.sequential.sh").write_text(run_all_script(["task", "task"], [main, judge]))
    done = by_hand(run, "sh", script)
    assert done.returncode == 0, done.stdout
    assert attempts_in(folder) == ((1,) if script == "task/run.sh" else (1, 2))
    assert attempts_in(run / "deployment") == attempts_in(run / "deployment-judge") == (1,)
    assert processes_below(tmp_path) == []
