"""nemo-evaluator itself, with a harness of ours: what its adapter does to requests and scores, and how runs end.

Runs that do not depend on each other are tasks of one configuration, told apart at the endpoint by their model's name.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from attrs import define
from ruamel.yaml import YAML

from evalyard.cli.app import call
from evalyard.harness.interceptors import STAGES, adapter_config
from tests.core.harness.smoke_servers import ScriptedServer
from tests.harnesses.endpoint import THOUGHT, refusing_endpoint, thinking_endpoint

pytestmark = pytest.mark.harness

PACKAGES = Path(__file__).parent / "packages"
QUESTIONS = 6
FOUR_LOGGED = {"name": "request_logging", "config": {"max_requests": 4}}
PATIENCE_S = 90.0


@define
class Bench:
    """A folder in which configurations for one endpoint are run."""

    folder: Path
    server: ScriptedServer

    def run(self, *tasks: tuple[str, Mapping[str, Any]], wait: bool = True, **params: Any) -> int:
        """Run the harness once for each (name, adapter configuration). Returns the command's exit code."""
        config = {
            "execution": {"type": "local", "use_docker": False, "output_dir": "runs", "kill_grace_s": 20},
            "target": {"api_endpoint": {"url": self.server.url, "model_id": "m", "api_key_name": "TALLY"}},
            "evaluation": {
                "env_vars": {"PYTHONPATH": f"lit:{PACKAGES}", "TALLY": "lit:key-of-tally"},
                "nemo_evaluator_config": {"config": {"params": params}},
                "tasks": [_task(name, adapter) for name, adapter in tasks],
            },
        }
        (self.folder / "run.yaml").write_text(json.dumps(config))
        return call(["run", "--config", "run.yaml", *(["--wait"] if wait else [])])

    @property
    def asked(self) -> Counter[str]:
        """How often each of the tasks asked the endpoint."""
        return Counter(request["model"] for request in self.server.requests)

    def task(self, number: int = 1) -> Path:
        """The folder of a task of the latest run."""
        name = "tally.sums" if (self.folder / "runs" / "latest" / "tally.sums").exists() else f"tally.sums.{number}"
        return self.folder / "runs" / "latest" / name

    def log(self, number: int = 1) -> str:
        return (self.task(number) / "logs" / "stdout.log").read_text()

    def artifact(self, name: str, number: int = 1) -> Path:
        return self.task(number) / "artifacts" / name

    def score(self, number: int = 1) -> float:
        results = YAML(typ="safe").load(self.artifact("results.yml", number))
        value: float = results["results"]["tasks"]["sums"]["metrics"]["exact"]["scores"]["exact"]["value"]
        return value


def _task(name: str, adapter: Mapping[str, Any]) -> dict[str, Any]:
    own = {"target": {"api_endpoint": {"model_id": name, "adapter_config": adapter}}}
    return {"name": "tally.sums", "container": "none-is-needed-here", "nemo_evaluator_config": own}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nemo_programs: Path) -> Iterator[Bench]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setenv("PATH", f"{nemo_programs}:{os.environ['PATH']}")
    with thinking_endpoint() as server:
        yield Bench(tmp_path, server)


def test_adapters_act_as_their_configuration_says(bench: Bench) -> None:
    code = bench.run(
        (
            "listed",
            {"interceptors": ["reasoning", "caching", FOUR_LOGGED]},
        ),
        ("plain", {"interceptors": ["progress_tracking"]}),
        (
            "switches",
            {
                "process_reasoning_traces": True,
                "use_caching": False,
                "use_request_logging": True,
                "max_logged_requests": 3,
                "generate_html_report": False,
            },
        ),
    )
    assert code == 0
    assert bench.asked == {"listed": QUESTIONS, "plain": QUESTIONS, "switches": QUESTIONS}
    # What the endpoint says has the thought in it; what is scored has it only without the reasoning interceptor.
    assert [bench.score(number) for number in (1, 2, 3)] == [1.0, 0.0, 1.0]
    answers = [json.loads(bench.artifact("answers.json", number).read_text()) for number in (1, 2, 3)]
    assert answers[0] == answers[2] == [str(number + 2) for number in range(QUESTIONS)]
    assert all(answer.startswith(THOUGHT) for answer in answers[1])
    assert [bench.log(number).count("Incoming request") for number in (1, 2, 3)] == [4, 0, 3]
    assert bench.artifact("progress", 2).read_text() == str(QUESTIONS)
    assert {headers["Authorization"] for headers in bench.server.headers} == {"Bearer key-of-tally"}
    assert "key-of-tally" not in (bench.task() / "run_config.yml").read_text()


def test_the_same_configuration_again_asks_nothing_that_is_in_its_cache(bench: Bench) -> None:
    kept = {"cache_dir": "./evaluation_cache", "reuse_cached_responses": True}
    tasks: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("listed", {"interceptors": ["reasoning", {"name": "caching", "config": kept}]}),
        ("switches", {"use_caching": True, "caching_dir": "switched_cache", "process_reasoning_traces": True}),
        ("inside", {"use_caching": True}),
    )
    assert bench.run(*tasks) == 0
    once = {"listed": QUESTIONS, "switches": QUESTIONS, "inside": QUESTIONS}
    assert bench.asked == once
    assert bench.run(*tasks) == 0
    # A cache among the artifacts is the run's own.
    assert bench.asked == {**once, "inside": 2 * QUESTIONS}
    assert [bench.score(number) for number in (1, 2)] == [1.0, 1.0]
    assert (bench.folder / "runs" / "evaluation_cache").is_dir()
    assert (bench.folder / "runs" / "switched_cache").is_dir()


def test_a_run_that_is_stopped_is_cancelled_and_one_by_hand_is_no_success(bench: Bench) -> None:
    assert bench.run(("slow", {"use_caching": False}), wait=False, wait_s=PATIENCE_S) == 0
    _until(lambda: bench.artifact("answers.json").exists())
    (run,) = [folder.name.rpartition("-")[2] for folder in (bench.folder / "runs").glob("*-*")]
    assert call(["kill", run]) == 0
    assert _states(run) == ["CANCELLED"]
    # The program alone is told to end, as a scheduler or a container engine does: it exits with 0.
    script = str(bench.task() / "run.sh")
    past = bench.task() / "attempts" / "1" / "artifacts"
    with subprocess.Popen(["sh", script], stdout=subprocess.DEVNULL, start_new_session=True) as by_hand:
        _until(lambda: past.exists() and bench.artifact("answers.json").exists())
        os.kill(_process_of(by_hand.pid, "nemo-evaluator"), signal.SIGTERM)
        assert by_hand.wait(PATIENCE_S) == 143
    ended = json.loads((bench.task() / "exit.json").read_text())
    assert ended["reason"] == "nemo-evaluator was interrupted"


def test_an_endpoint_that_refuses_for_good_is_the_reason(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with refusing_endpoint() as server:
        refused = Bench(bench.folder, server)
        assert refused.run(("refused", {"interceptors": ["raise_client_errors"]})) == 1
    assert "FAILED: the endpoint failed for good: " in capsys.readouterr().err


NOT_IN_PYPI = ("nvcf", "omni_info")
ENTRIES: Mapping[str, Any] = {"system_message": {"name": "system_message", "config": {"system_message": "Be brief."}}}
TABLE: Mapping[str, Mapping[str, Any]] = {
    "documented": {"interceptors": ["reasoning", "caching", "request_logging"]},
    "all": {"interceptors": [ENTRIES.get(name, name) for name in reversed(list(STAGES)) if name not in NOT_IN_PYPI]},
    "own client": {"interceptors": ["caching"], "mode": "client"},
    "report": {"interceptors": ["caching"], "post_eval_hooks": ["post_eval_report"]},
    "switches": {"use_caching": False, "use_reasoning": True, "max_saved_requests": 2, "caching_dir": "c"},
    "nothing": {},
}
_JUDGE = """
import json, sys
from nemo_evaluator.adapters.adapter_config import AdapterConfig
from nemo_evaluator.adapters.pipeline import AdapterPipeline
verdicts = {}
for name, config in json.load(sys.stdin).items():
    run = {"config": {"output_dir": "out"}, "target": {"api_endpoint": {"adapter_config": config}}}
    try:
        AdapterPipeline(AdapterConfig.get_validated_config(run), "out")
        verdicts[name] = "accepted"
    except Exception as error:
        verdicts[name] = str(error)
print(json.dumps(verdicts))
"""


def _verdicts(nemo_programs: Path, tmp_path: Path, table: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    done = subprocess.run(
        [nemo_programs / "python", "-c", _JUDGE],
        input=json.dumps(table),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
        timeout=PATIENCE_S,
    )
    verdicts: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return verdicts


def test_nemo_evaluators_own_model_accepts_what_is_settled(tmp_path: Path, nemo_programs: Path) -> None:
    folder = tmp_path / "output_dir" / "run" / "task"
    folder.mkdir(parents=True)
    settled = {name: adapter_config(given, "here") for name, given in TABLE.items()}
    assert set(_verdicts(nemo_programs, folder, settled).values()) == {"accepted"}
    as_written = _verdicts(nemo_programs, folder, {"documented": TABLE["documented"]})
    assert "Invalid stage order" in as_written["documented"]


def _states(run: str) -> list[str]:
    said = StringIO()
    with redirect_stdout(said):
        call(["status", run, "--json"])
    return [row["state"] for row in json.loads(said.getvalue())]


def _process_of(session: int, program: str) -> int:
    for process in psutil.process_iter():
        if os.getsid(process.pid) == session and any(word.endswith(program) for word in process.cmdline()[1:2]):
            return process.pid
    raise AssertionError(f"no {program} runs")


def _until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.05)
