"""evalyard.harness.lm_eval: lm-eval's command from a task's parameters."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path
from typing import Any

import pytest

from evalyard.errors import ConfigError
from evalyard.harness.lm_eval import RESULTS, lm_eval_harness
from evalyard.records.observations import ExitRecord
from evalyard.specs import EndpointSpec, TaskSpec
from tests.core.harness import jobs


def script_of(params: dict[str, Any] | None = None, kind: str = "chat", key: str | None = None) -> str:
    endpoint = EndpointSpec(url="http://h/v1", model_id="m", type=kind, api_key_name=key)
    task = TaskSpec(name="lm-eval.gsm8k", params=params or {}, where="run.yaml:4:3")
    harness = lm_eval_harness(task, endpoint, benchmark="gsm8k", package="lm-eval[api]")
    assert (harness.program, harness.package, harness.results) == ("lm_eval", "lm-eval[api]", RESULTS)
    return harness.script


def command(params: dict[str, Any] | None = None, kind: str = "chat") -> list[str]:
    """Return the words of lm-eval's command."""
    (line,) = [line for line in script_of(params, kind).replace("\\\n", "").splitlines() if line.startswith("lm_eval ")]
    return shlex.split(line.removesuffix(" || exit"))


def value_of(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


ENDPOINT = "model=$EVALYARD_MODEL_ID,base_url=$EVALYARD_ENDPOINT_URL"


def test_a_chat_endpoint_gets_the_chat_template() -> None:
    words = command()
    assert value_of(words, "--model") == "local-chat-completions"
    assert value_of(words, "--tasks") == "gsm8k"
    assert value_of(words, "--model_args") == ENDPOINT
    assert words[-1] == "--apply_chat_template"


def test_a_completions_endpoint_gets_text_unless_a_tokenizer_is_named() -> None:
    words = command(kind="completions")
    assert value_of(words, "--model") == "local-completions"
    assert value_of(words, "--model_args") == f"{ENDPOINT},tokenizer_backend=none,tokenized_requests=False"
    assert "--apply_chat_template" not in words
    named = command({"tokenizer": "org/model"}, "completions")
    assert value_of(named, "--model_args") == f"{ENDPOINT},tokenizer=org/model"
    assert value_of(command(kind="completions_logprob"), "--model_args") == ENDPOINT


def test_parameters_become_lm_evals_own() -> None:
    params = {
        "limit_samples": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_new_tokens": 64,
        "parallelism": 2,
        "request_timeout": 30,
        "max_retries": 1,
        "extra": {"num_fewshot": 3, "args": "--seed 7 --system_instruction 'be brief'"},
        "include_path": "/tasks",
    }
    words = command(params)
    assert value_of(words, "--model_args") == f"{ENDPOINT},num_concurrent=2,max_retries=1,timeout=30"
    assert value_of(words, "--gen_kwargs") == "temperature=0.5,top_p=0.9,max_gen_toks=64"
    assert {"--limit=5", "--num_fewshot=3", "--include_path=/tasks"} < set(words)
    assert words[-4:] == ["--seed", "7", "--system_instruction", "be brief"]


def test_parameters_that_are_unset_are_left_out() -> None:
    assert command({"temperature": None, "limit_samples": None, "extra": None}) == command()


@pytest.mark.parametrize("value", ["$(touch pwned)", "a; touch pwned", "it's"])
def test_no_parameter_is_executed(value: str) -> None:
    words = command({"limit_samples": value, "max_retries": value})
    assert f"--limit={value}" in words
    assert value_of(words, "--model_args") == f"{ENDPOINT},max_retries={value}"


@pytest.mark.parametrize(
    ("params", "kind", "problem"),
    [
        ({"limit_sample": 1}, "chat", "no parameter 'limit_sample'; did you mean 'limit_samples'?"),
        ({"zzz": 1}, "chat", "no parameter 'zzz' (it takes parallelism, "),
        ({"extra": {"zzz": 1}}, "chat", "no parameter 'zzz'"),
        ({"extra": 3}, "chat", "params.extra: must be a mapping"),
        ({"include_path": "tasks"}, "chat", "must be an absolute path"),
        ({}, "embedding", "uses an endpoint of type chat or completions"),
    ],
)
def test_what_lm_eval_cannot_do_is_refused_with_its_place(params: dict[str, Any], kind: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        script_of(params, kind)
    assert caught.value.message.startswith("run.yaml:4:3: ")
    assert problem in caught.value.message


# --- the script, with a program in lm-eval's place ------------------------------------------------------------------


def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *lines: str, key: str | None = None) -> ExitRecord:
    programs = tmp_path / "programs"
    programs.mkdir()
    stub = programs / "lm_eval"
    stub.write_text("\n".join(["#!/bin/sh", *lines]))
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return jobs.launch(jobs.write(tmp_path / "run", jobs.make_job(script_of(key=key), results=RESULTS.file)))


def test_the_newest_results_are_copied_to_a_name_that_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = '"$EVALYARD_OUTPUT_DIR/lm-eval/org__model'
    record = ran(
        tmp_path,
        monkeypatch,
        f'mkdir -p {found}"',
        f'echo old >{found}/results_2026-01-01T10-00-00.json"',
        f'echo new >{found}/results_2026-01-01T11-00-00.json"',
    )
    assert (record.exit_code, record.results) == (0, True)
    assert (tmp_path / "run" / "task" / "artifacts" / "results.json").read_text() == "new\n"


def test_no_results_are_a_failure_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = ran(tmp_path, monkeypatch, "exit 0")
    assert (record.exit_code, record.reason) == (1, "lm_eval left no results_*.json")


def test_a_failure_of_lm_eval_is_the_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ran(tmp_path, monkeypatch, "exit 9").exit_code == 9


@pytest.mark.parametrize(("key", "sent"), [("MY_KEY", "mine"), (None, "none")])
def test_the_endpoint_gets_its_own_key_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None, sent: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "somebody else's")
    monkeypatch.setenv("MY_KEY", "mine")
    folder = '"$EVALYARD_OUTPUT_DIR/lm-eval"'
    ran(tmp_path, monkeypatch, f"mkdir -p {folder}", f'echo "$OPENAI_API_KEY" >{folder}/results_1.json', key=key)
    assert (tmp_path / "run" / "task" / "artifacts" / "results.json").read_text() == f"{sent}\n"
