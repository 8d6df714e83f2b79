"""Model servers beside the one under test: a judge on the host, asked by a harness, watched, and released."""

import json
import textwrap
from typing import Any

import pytest

from tests.cli.test_cli_deployments import demo
from tests.cli.yard import Yard, command, kill

SERVER = """
    import json, os, sys, threading, time
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    name, folder = sys.argv[2], "{folder}"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(name.encode())

        def log_message(self, *_):
            pass

    def watch():
        while not os.path.exists(folder + "/die-" + name):
            time.sleep(0.05)
        print("the GPU of " + name + " fell out", flush=True)
        os._exit(9)

    with open(folder + "/ledger", "a") as ledger:
        ledger.write(name + " starts\\n")
    if os.path.exists(folder + "/die-" + name):
        sys.exit(name + ": CUDA out of memory")
    threading.Thread(target=watch, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
ASK = (
    "python3 -c 'import os, urllib.request as r; o = r.build_opener(r.ProxyHandler({}));"
    ' print([o.open(os.environ[n], b"{}").read().decode() for n in ("EVALYARD_ENDPOINT_URL", "JUDGE_CHAT_URL")])\''
)


def server(yard: Yard, name: str, **fields: Any) -> dict[str, Any]:
    line = f"exec python3 {yard.folder}/server.py {{port}} {name}"
    return {"type": "generic", "command": line, "port": 0, "served_model_name": f"model-of-{name}", **fields}


def judged(yard: Yard, *tasks: Any, judge: dict[str, Any] | None = None, **sections: Any) -> str:
    """Write the servers and a configuration with a model and a judge."""
    (yard.folder / "server.py").write_text(textwrap.dedent(SERVER).format(folder=yard.folder))
    given = {"deployment": server(yard, "main"), **sections}
    return yard.config(*tasks, auxiliary_deployments={"judge": server(yard, "judge", **(judge or {}))}, **given)


def servers(yard: Yard) -> list[str]:
    lines = (command(process) for process in yard.processes())
    return sorted(words[-1] for words in lines if any("server.py" in word for word in words))


def test_a_harness_asks_the_model_and_the_judge_and_both_are_released(yard: Yard) -> None:
    names = ("one", "two")
    judged(yard, *(yard.gated(name, ASK, 'echo "by $JUDGE_MODEL_ID"') for name in names))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one", "start two")
    assert servers(yard) == ["judge", "main"]
    yard.open_gates(*names)
    yard.await_states(invocation, *["SUCCEEDED"] * 2)
    yard.await_quiet()
    assert (yard.notes().count("main starts"), yard.notes().count("judge starts")) == (1, 1)
    for number in (1, 2):
        log = yard.call("logs", f"{invocation}.{number}").out
        assert "['main', 'judge']" in log
        assert "by model-of-judge" in log


@pytest.mark.parametrize("text", ["auxiliary_deployments.judge.chat_url", "${auxiliary_deployments.judge.chat_url}"])
def test_what_the_configuration_says_of_the_judge_is_filled_in_when_the_job_runs(yard: Yard, text: str) -> None:
    task = yard.task("one", f'echo "asking {text}"', ASK, env_vars={"MINE": text})
    judged(yard, task, judge={"env_prefix": "JUDGE", "endpoints": {"chat": "/judge"}})
    invocation = yard.run("run.yaml", "--wait", "-o", "evaluation.tasks[0].pre_cmd=echo $MINE", "--trust-pre-cmd")
    log = yard.call("logs", invocation).out.splitlines()
    (asked,) = [line.removeprefix("asking ") for line in log if line.startswith("asking ")]
    assert asked.startswith("http://127.0.0.1:")
    assert asked.endswith("/judge")
    assert asked in log, "the variable has it too"
    stored = (yard.run_dir(invocation) / "config.yaml").read_text()
    assert "auxiliary_deployments.judge.chat_url" in stored
    assert asked not in stored
    card = json.loads((yard.run_dir(invocation) / "one" / "job.json").read_text())
    assert card["auxiliary"] == {"judge": "model-of-judge"}, "whose judgement a score is belongs to it"


def test_each_server_has_a_log_of_its_own(yard: Yard) -> None:
    judged(yard, yard.task("one"), judge={"pre_cmd": "echo prepared for judging"})
    invocation = yard.run("run.yaml", "--wait", "--trust-pre-cmd")
    assert "prepared for judging" in yard.call("logs", invocation, "--role", "judge").out
    assert "prepared" not in yard.call("logs", invocation, "--role", "server").out
    refused = yard.call("logs", invocation, "--role", "jugde", code=2)
    assert "--role takes client, server, judge" in refused.err


def test_a_judge_beside_an_endpoint_that_is_given(yard: Yard) -> None:
    judged(yard, yard.task("one", 'echo "asks $JUDGE_CHAT_URL and $EVALYARD_ENDPOINT_URL"'), deployment=None)
    with demo(yard) as base:
        url = f"{base}/v1/chat/completions"
        log = yard.call("logs", yard.run("run.yaml", "--wait", "-o", f"target.api_endpoint.url={url}")).out
    assert f" and {url}" in log
    yard.await_quiet()


def test_a_judge_that_dies_before_it_is_ready_is_the_reason(yard: Yard) -> None:
    (yard.folder / "die-judge").touch()
    judged(yard, yard.gated("one"), yard.gated("two"), execution={"mode": "sequential"})
    done = yard.call("run", "-c", "run.yaml", "--wait", code=1)
    for row in yard.jobs(done.out.strip()):
        assert row["state"] == "FAILED"
        assert row["reason"] == "the model server 'judge' ended: exit code 1: judge: CUDA out of memory"
    assert "start one" not in yard.notes()
    yard.await_quiet()


def test_a_judge_that_dies_during_the_evaluation_is_the_reason_and_ends_it(yard: Yard) -> None:
    judged(yard, yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    (yard.folder / "die-judge").touch()
    (row,) = yard.await_states(invocation, "FAILED")
    assert row["reason"] == "the model server 'judge' ended: exit code 9: the GPU of judge fell out"
    yard.await_quiet()
    (yard.folder / "die-judge").unlink()
    yard.open_gates("one")
    yard.call("resume", invocation, "--wait")
    assert yard.jobs(invocation)[0]["attempt"] == 2
    yard.await_quiet()


def test_a_judge_that_is_never_ready_times_out_with_that_reason(yard: Yard) -> None:
    late = {"endpoint_readiness_timeout": 1}
    judged(yard, yard.gated("one"), judge={"command": "sleep 600"}, execution=late, deployment=None)
    with demo(yard) as base:
        url = f"target.api_endpoint.url={base}/v1/chat/completions"
        done = yard.call("run", "-c", "run.yaml", "--wait", "-o", url, code=1)
    assert yard.jobs(done.out.strip())[0]["reason"] == "the model server 'judge' was not ready within 1 s"
    yard.await_quiet()


def test_both_servers_go_when_the_run_is_killed_and_when_nobody_was_there_to_release_them(yard: Yard) -> None:
    judged(yard, yard.gated("one"))
    process = yard.start("evalyard", "run", "-c", "run.yaml", "--wait")
    assert process.stdout is not None
    invocation = process.stdout.readline().strip()
    yard.await_notes("start one")
    kill(process.pid)
    process.communicate()
    assert servers(yard) == ["judge", "main"]
    yard.call("kill", invocation)
    yard.await_quiet()
    assert yard.states(invocation) == ["CANCELLED"]


def test_two_servers_on_one_port_are_refused_before_anything_starts(yard: Yard) -> None:
    judged(yard, yard.task("one"), judge={"port": 8123}, deployment=server(yard, "main", port=8123))
    done = yard.call("run", "-c", "run.yaml", code=2)
    assert "auxiliary_deployments.judge.port: 8123 is the port of deployment too" in done.err
    assert not (yard.folder / "runs").exists()


def test_the_harnesss_own_files_name_the_judge_by_its_address(yard: Yard) -> None:
    programs = yard.folder / "programs"
    programs.mkdir()
    (programs / "nemo-evaluator").write_text('#!/bin/sh\ncat "$3"; touch "$5/results.yml"\n')
    (programs / "nemo-evaluator").chmod(0o755)
    params = {
        "extra": {
            "judge": {"url": "auxiliary_deployments.judge.chat_url", "model_id": "auxiliary_deployments.judge.model_id"}
        }
    }
    task = {
        "name": "mine.task",
        "container": "none-is-needed-here",
        "env_vars": {"PATH": f"lit:{programs}:/usr/bin:/bin"},
        "nemo_evaluator_config": {"config": {"params": params}},
    }
    judged(yard, task)
    done = yard.call("run", "-c", "run.yaml", "--wait", "--allow-unlisted", code=None)
    log = yard.call("logs", done.out.strip()).out
    assert 'url: "http://127.0.0.1:' in log or "url: http://127.0.0.1:" in log
    assert "model-of-judge" in log
    assert json.dumps(params["extra"]["judge"]["url"]) not in log
