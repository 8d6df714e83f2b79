"""evalyard.harness.nemo: the run configuration and the command of nemo-evaluator harnesses."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from evalyard.errors import ConfigError
from evalyard.harness.nemo import nemo_harness, run_config
from evalyard.records.observations import ExitRecord
from evalyard.records.programs import Harness
from evalyard.specs import EndpointSpec, TaskSpec
from tests.core.harness import jobs

URL = "http://h/v1/chat/completions"
ENDPOINT = EndpointSpec(url=URL, model_id="org/model", type="chat", api_key_name="MY_KEY")


def harness(task: TaskSpec, endpoint: EndpointSpec = ENDPOINT) -> Harness:
    return nemo_harness(task, endpoint, benchmark=task.name, image="registry/image@sha256:1", package="p", folder="t")


def configured(endpoint: EndpointSpec = ENDPOINT, **task: Any) -> Any:
    """Return the run configuration of a task, read back from its file."""
    (file,) = harness(TaskSpec(name="ifeval", **task), endpoint).files
    assert file.path == "t/run_config.yml"
    return YAML(typ="safe").load(file.text)


def test_the_run_configuration_names_the_benchmark_the_endpoint_and_the_key() -> None:
    config = configured(params={"limit_samples": 5, "temperature": 0.00001, "top_p": None})
    assert config["config"] == {"type": "ifeval", "params": {"limit_samples": 5, "temperature": 0.00001}}
    assert config["target"]["api_endpoint"] == {
        "type": "chat",
        "url": URL,
        "model_id": "org/model",
        "api_key_name": "MY_KEY",
    }
    assert set(config["metadata"]) == {"versioning"}


def test_parameters_that_nemo_evaluator_does_not_know_are_the_harnesss_own() -> None:
    params = {"parallelism": 2, "num_fewshot": 5, "extra": {"args": "--include_path d"}}
    assert configured(params=params)["config"]["params"] == {
        "parallelism": 2,
        "extra": {"num_fewshot": 5, "args": "--include_path d"},
    }


def test_what_the_task_gives_to_nemo_evaluator_itself_is_merged_in() -> None:
    more = {"target": {"api_endpoint": {"stream": True}}, "config": {"supported_endpoint_types": ["chat"]}}
    config = configured(harness_config=more)
    assert config["target"]["api_endpoint"]["stream"] is True
    assert config["target"]["api_endpoint"]["url"] == URL
    assert config["config"] == {"type": "ifeval", "params": {}, "supported_endpoint_types": ["chat"]}


def test_a_tasks_own_adapter_configuration_counts_more_than_the_endpoints() -> None:
    endpoint = EndpointSpec(url=URL, model_id="m", adapter_config={"interceptors": ["caching"], "mode": "client"})
    own = {"target": {"api_endpoint": {"adapter_config": {"interceptors": ["reasoning"]}}}}
    adapter = configured(endpoint, harness_config=own)["target"]["api_endpoint"]["adapter_config"]
    assert [entry["name"] for entry in adapter["interceptors"]] == ["endpoint", "reasoning"]
    assert adapter["mode"] == "client"


def test_shell_text_of_the_configuration_is_on_record() -> None:
    assert configured(pre_cmd="echo a", post_cmd="echo b\n")["metadata"] | {"versioning": {}} == {
        "versioning": {},
        "pre_cmd": "echo a",
        "post_cmd": "echo b\n",
    }


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ({"params": {"extra": 1}}, "params.extra: must be a mapping"),
        ({"harness_config": {"target": 1}}, "nemo_evaluator_config.target: must be a mapping"),
        ({"harness_config": {"target": {"api_endpoint": []}}}, "nemo_evaluator_config.target.api_endpoint: must be"),
    ],
)
def test_what_cannot_be_merged_is_refused_with_its_place(task: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run_config(TaskSpec(name="t", where="run.yaml:3:1", **task), ENDPOINT, "t")
    assert caught.value.message.startswith("run.yaml:3:1: ")
    assert problem in caught.value.message


def test_a_url_that_is_known_only_later_is_passed_when_it_starts() -> None:
    served = EndpointSpec(model_id="m", type="completions")
    assert configured(served)["target"]["api_endpoint"] == {"type": "completions", "model_id": "m"}
    assert '--model_url "$EVALYARD_ENDPOINT_URL"' in harness(TaskSpec(name="t"), served).script


def test_a_url_that_the_task_gives_to_nemo_evaluator_itself_stands() -> None:
    own = {"target": {"api_endpoint": {"url": "http://other"}}}
    assert "--model_url" not in harness(TaskSpec(name="t", harness_config=own)).script


# --- the script, with a program in nemo-evaluator's place -----------------------------------------------------------


def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, *lines: str, **task: Any) -> ExitRecord:
    """Run a task's script with a program that does these lines, and writes its arguments to `called`."""
    programs = tmp_path / "programs"
    programs.mkdir()
    stub = programs / program
    stub.write_text("\n".join(["#!/bin/sh", 'echo "$0 $*" >called', *lines]))
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    made = harness(TaskSpec(name="t", **task))
    folder = jobs.write(tmp_path / "run", jobs.make_job(made.script))
    return jobs.launch(folder)


@pytest.mark.parametrize("program", ["nemo-evaluator", "eval-factory"])
def test_both_names_of_the_program_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    record = ran(tmp_path, monkeypatch, program, jobs.WRITE_RESULTS)
    assert (record.exit_code, record.results) == (0, True)
    called = (tmp_path / "run" / "task" / "called").read_text().split()
    assert called == [
        f"{tmp_path}/programs/{program}",
        *("run_eval", "--run_config", f"{tmp_path}/run/task/run_config.yml"),
        *("--output_dir", f"{tmp_path}/run/task/artifacts"),
        *("--model_url", "http://endpoint.test/v1/chat/completions"),
    ]


def test_without_the_program_the_reason_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = ran(tmp_path, monkeypatch, "something-else")
    assert record.exit_code == 127
    assert record.reason.startswith("neither nemo-evaluator nor eval-factory is on PATH: ")


def test_an_interruption_is_no_success_though_the_program_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = 'echo "{}" >"$EVALYARD_OUTPUT_DIR/.nemo_evaluator_interrupted"'
    record = ran(tmp_path, monkeypatch, "nemo-evaluator", jobs.WRITE_RESULTS, mark, "exit 0")
    assert (record.exit_code, record.reason) == (143, "nemo-evaluator was interrupted")


@pytest.mark.parametrize("code", [0, 1])
def test_an_endpoint_that_refused_for_good_is_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    mark = 'echo "401: \\"no such key\\"" >"$EVALYARD_OUTPUT_DIR/.nemo_evaluator_server_error"'
    record = ran(tmp_path, monkeypatch, "nemo-evaluator", mark, f"exit {code}")
    assert (record.exit_code, record.reason) == (1, "the endpoint failed for good: 401: no such key")


def test_the_dataset_folder_reaches_the_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = 'echo "$NEMO_EVALUATOR_DATASET_DIR" >"$EVALYARD_OUTPUT_DIR/results.yml"'
    ran(tmp_path, monkeypatch, "nemo-evaluator", note, dataset_dir="/data/my set")
    assert (tmp_path / "run" / "task" / "artifacts" / "results.yml").read_text() == "/data/my set\n"


@pytest.mark.parametrize("url", ["http://127.0.0.1:4000/v1/chat/completions", "http://h/a|b&c"])
def test_an_address_that_is_known_only_now_is_put_into_the_run_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    named = {
        "extra": {"judge": {"url": "${JUDGE_CHAT_URL}", "other": "${OTHER_CHAT_URL}"}, "own": "${JUDGE_CHAT_URLS}"}
    }
    made = nemo_harness(
        TaskSpec(name="t", params=named),
        ENDPOINT,
        benchmark="t",
        image=None,
        package="",
        folder="task",
        addresses=("JUDGE_CHAT_URL", "JUDGE_EMBEDDING_URL"),
    )
    (settings,) = made.files
    stub = tmp_path / "nemo-evaluator"
    stub.write_text(f'#!/bin/sh\ncp "$3" "$EVALYARD_OUTPUT_DIR/given"; {jobs.WRITE_RESULTS}\n')
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    folder = jobs.write(tmp_path / "run", jobs.make_job(made.script))
    (folder / "run_config.yml").write_text(settings.text)
    assert jobs.launch(folder, jobs.launched(JUDGE_CHAT_URL=url)).exit_code == 0
    extra = YAML(typ="safe").load(folder / "artifacts" / "given")["config"]["params"]["extra"]
    assert extra == {"judge": {"url": url, "other": "${OTHER_CHAT_URL}"}, "own": "${JUDGE_CHAT_URLS}"}


def test_a_run_configuration_without_such_an_address_is_taken_as_it_lies() -> None:
    made = nemo_harness(
        TaskSpec(name="t"), ENDPOINT, benchmark="t", image=None, package="", folder="t", addresses=("JUDGE_CHAT_URL",)
    )
    assert made.script == harness(TaskSpec(name="t")).script
    assert "JUDGE" not in made.script


def test_the_script_is_posix_shell() -> None:
    script = harness(TaskSpec(name="t", dataset_dir="/d")).script
    for shell in jobs.SHELLS:
        subprocess.run(jobs.argv(shell, "-n"), input=script, text=True, check=True)
