"""Model servers that a run starts: one for all its tasks, watched, and released on every path."""

import json
import shutil
import signal
import socket
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.yard import ID, Yard, command, kill

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.yaml"
FEW = {"nemo_evaluator_config": {"config": {"params": {"limit_samples": 4}}}}

SERVER = """
    import os, sys, threading, time
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"well")

        def log_message(self, *_):
            pass

    def watch():
        while not os.path.exists("{folder}/die"):
            time.sleep(0.05)
        print("the GPU fell out", flush=True)
        os._exit(9)

    with open("{folder}/ledger", "a") as ledger:
        ledger.write("server starts\\n")
    print("loading weights", flush=True)
    if os.path.exists("{folder}/die"):
        sys.exit("CUDA out of memory")
    threading.Thread(target=watch, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def served(yard: Yard, *tasks: Any, execution: dict[str, Any] | None = None, **deployment: Any) -> str:
    """Write the server and a configuration that deploys it for these tasks."""
    (yard.folder / "server.py").write_text(textwrap.dedent(SERVER).format(folder=yard.folder))
    fields = {"type": "generic", "command": f"exec python3 {yard.folder}/server.py {{port}}", "port": 0}
    return yard.config(
        *tasks, deployment={**fields, "served_model_name": "toy", **deployment}, execution=execution or {}
    )


def asks_the_server(yard: Yard, name: str) -> dict[str, Any]:
    ask = (
        'python3 -c \'import os, urllib.request as r; u = os.environ["EVALYARD_ENDPOINT_URL"];'
        " print(u, r.build_opener(r.ProxyHandler({})).open(u).read())'"
    )
    return yard.gated(name, ask, 'echo "model $EVALYARD_MODEL_ID"')


def servers(yard: Yard) -> list[int]:
    return [process.pid for process in yard.processes() if any("server.py" in word for word in command(process))]


def test_one_server_serves_all_tasks_and_is_released_after_the_last(yard: Yard) -> None:
    names = ("one", "two", "three")
    served(yard, *(asks_the_server(yard, name) for name in names), execution={"mode": "sequential"})
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    assert len(servers(yard)) == 1
    yard.open_gates(*names)
    yard.await_states(invocation, *["SUCCEEDED"] * 3)
    yard.await_quiet()
    assert yard.notes().count("server starts") == 1
    log = yard.call("logs", f"{invocation}.3").out
    assert "/v1/chat/completions b'well'" in log
    assert "model toy" in log


def test_the_server_is_released_when_a_task_fails(yard: Yard) -> None:
    served(yard, yard.task("bad", "exit 3"))
    invocation = yard.run("run.yaml")
    (row,) = yard.await_states(invocation, "FAILED")
    assert row["reason"].startswith("exit code 3")
    yard.await_quiet()


def test_the_server_is_released_when_the_run_is_killed(yard: Yard) -> None:
    served(yard, yard.gated("one"), yard.gated("two"), execution={"max_parallel": 2})
    invocation = yard.run("run.yaml")
    yard.await_notes("start one", "start two")
    yard.call("kill", f"{invocation}.1")
    assert len(servers(yard)) == 1, "the other job still needs it"
    assert yard.states(invocation) == ["CANCELLED", "RUNNING"]
    yard.call("kill", invocation)
    yard.await_quiet()
    assert yard.states(invocation) == ["CANCELLED", "CANCELLED"]


@pytest.mark.parametrize("when", ["waiting", "running"])
def test_the_server_is_released_on_ctrl_c(yard: Yard, when: str) -> None:
    served(yard, yard.gated("one"))
    process = yard.start("evalyard", "run", "-c", "run.yaml", "--wait")
    assert process.stdout is not None
    invocation = process.stdout.readline().strip()
    yard.await_notes("server starts" if when == "waiting" else "start one")
    kill(process.pid, signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    yard.await_quiet()
    yard.open_gates("one")
    yard.call("resume", invocation, "--wait")
    assert yard.jobs(invocation)[0]["attempt"] == 2
    yard.await_quiet()


def test_a_server_nobody_will_release_is_named_and_released_by_the_command_that_is_given(yard: Yard) -> None:
    served(yard, yard.gated("one"))
    process = yard.start("evalyard", "run", "-c", "run.yaml", "--wait")
    assert process.stdout is not None
    invocation = process.stdout.readline().strip()
    yard.await_notes("start one")
    kill(process.pid)
    process.communicate()
    assert f"nobody will release server: evalyard resume {invocation}" in yard.call("status", invocation).err
    yard.open_gates("one")
    yard.await_states(invocation, "SUCCEEDED")
    assert f"server is not released: evalyard kill {invocation}" in yard.call("status", invocation).err
    yard.call("kill", invocation)
    yard.await_quiet()
    done = yard.call("status", invocation)
    assert "SUCCEEDED" in done.out
    assert done.err == ""


def test_a_server_that_dies_before_it_is_ready_is_the_reason_at_once(yard: Yard) -> None:
    (yard.folder / "die").touch()
    served(yard, yard.gated("one"), yard.gated("two"), execution={"mode": "sequential"})
    done = yard.call("run", "-c", "run.yaml", "--wait", code=1)
    for row in yard.jobs(done.out.strip()):
        assert row["state"] == "FAILED"
        assert "server" in row["reason"]
        assert "CUDA out of memory" in row["reason"]
    assert "start one" not in yard.notes()
    yard.await_quiet()


def test_a_server_that_dies_during_the_evaluation_is_the_reason_and_ends_it(yard: Yard) -> None:
    served(yard, yard.gated("one"), yard.gated("two"), execution={"mode": "sequential"})
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    (yard.folder / "die").touch()
    for row in yard.await_states(invocation, "FAILED", "FAILED"):
        assert "server" in row["reason"]
        assert "the GPU fell out" in row["reason"]
    yard.await_quiet()
    assert "end one" not in yard.notes()
    (yard.folder / "die").unlink()
    yard.open_gates("one", "two")
    yard.call("resume", invocation, "--wait")
    assert [row["attempt"] for row in yard.jobs(invocation)] == [2, 2]
    assert yard.notes().count("server starts") == 2


def test_a_server_script_that_is_killed_takes_its_server_and_the_job_along(yard: Yard) -> None:
    served(yard, yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    kill(yard.started(invocation, "deployment")["pid"])
    (row,) = yard.await_states(invocation, "FAILED")
    assert "server" in row["reason"]
    yard.await_quiet()


def test_a_server_that_is_never_ready_times_out_with_that_reason(yard: Yard) -> None:
    served(yard, yard.gated("one"), command="sleep 600", execution={"endpoint_readiness_timeout": 1})
    done = yard.call("run", "-c", "run.yaml", "--wait", code=1)
    assert "not ready within 1 s" in yard.jobs(done.out.strip())[0]["reason"]
    yard.await_quiet()


def test_a_port_that_is_taken_stops_the_run_before_it_starts(yard: Yard) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        served(yard, yard.task("one"), port=taken.getsockname()[1])
        done = yard.call("run", "-c", "run.yaml", code=2)
    assert f"{taken_port(done.err)} is in use" in done.err
    assert done.out == ""
    assert not (yard.folder / "runs").exists()


def taken_port(text: str) -> str:
    return next(word for word in text.split() if word.startswith("127.0.0.1:"))


def test_a_url_beside_a_deployment_is_refused_with_the_way_out(yard: Yard) -> None:
    served(yard, yard.task("one"))
    done = yard.call("run", "-c", "run.yaml", "-o", "target.api_endpoint.url=http://127.0.0.1:1/v1", code=2)
    assert "stands beside a deployment" in done.err
    assert "-o deployment=none" in done.err
    for key in ("command", "served_model_name"):
        assert f"deployment.{key}" in yard.call("run", "-c", "run.yaml", "-o", f"~deployment.{key}", code=2).err
    assert "vlm" in yard.call("run", "-c", "run.yaml", "-o", "deployment.type=vlm", code=2).err


def test_the_quickstart_gives_scores_in_two_commands(yard: Yard) -> None:
    shutil.copy(QUICKSTART, yard.folder / "quickstart.yaml")
    few = "evaluation.tasks.smoke.nemo_evaluator_config.config.params.limit_samples=5"
    invocation = yard.run("quickstart.yaml", "--wait", "-o", f"+{few}")
    scores = json.loads(yard.call("results", "--json", invocation).out)
    assert scores
    assert all(score["n"] for score in scores)
    yard.await_quiet()


@contextmanager
def demo(yard: Yard, *arguments: str) -> Iterator[str]:
    """Serve the demo endpoint as somebody's server; gives its base URL."""
    process = yard.start("python", "-m", "evalyard.serving.demo", *arguments)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        kill(process.pid)
        process.communicate()


def test_the_same_file_evaluates_a_real_endpoint_and_finds_its_only_model(yard: Yard) -> None:
    yard.config({"name": "smoke", **FEW}, deployment={"type": "demo"})
    with demo(yard, "--model", "the-only-one") as url:
        given = ("-o", "deployment=none", "-o", f"target.api_endpoint.url={url}/v1/chat/completions")
        done = yard.call("run", "-c", "run.yaml", *given, "--wait")
    assert "the-only-one" in done.err
    invocation = done.out.strip()
    assert ID.fullmatch(invocation)
    assert yard.states(invocation) == ["SUCCEEDED"]
    assert "the-only-one" in (yard.run_dir(invocation) / "smoke" / "run.sh").read_text()
    assert not (yard.run_dir(invocation) / "deployment").exists()


def test_several_models_are_listed_and_nothing_starts(yard: Yard) -> None:
    with demo(yard, "--model", "alpha", "--model", "beta") as url:
        yard.config({"name": "smoke", **FEW}, target={"api_endpoint": {"url": f"{url}/v1/chat/completions"}})
        done = yard.call("run", "-c", "run.yaml", code=2)
        assert "alpha" in done.err
        assert "beta" in done.err
        assert "target.api_endpoint.model_id" in done.err
        assert not (yard.folder / "runs").exists()
        yard.run("run.yaml", "--wait", "-o", "target.api_endpoint.model_id=beta")
