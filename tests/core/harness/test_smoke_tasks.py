"""evalyard.harness.smoke_tasks: the smoke harness's command from a task's parameters."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from evalyard.errors import ConfigError
from evalyard.harness.smoke_tasks import smoke_harness
from evalyard.harness.travelling import HARNESS_FOLDER
from evalyard.specs import EndpointSpec, ResultFile, TaskSpec

ENDPOINT = EndpointSpec(url="http://h/v1/chat/completions")


def arguments(params: dict[str, Any], endpoint: EndpointSpec = ENDPOINT) -> list[str]:
    """Return what the smoke harness is called with beyond the endpoint."""
    script = smoke_harness(TaskSpec(name="smoke", params=params), endpoint).script
    return shlex.split(script)[shlex.split(script).index("--task") :]


def test_a_task_travels_with_its_harness() -> None:
    harness = smoke_harness(TaskSpec(name="smoke"), ENDPOINT)
    assert (harness.name, harness.results) == ("smoke", ResultFile())
    paths = [file.path for file in harness.files]
    assert f"{HARNESS_FOLDER}/smoke/__main__.py" in paths
    assert not [path for path in paths if "__pycache__" in path or path.endswith(".pyc")]
    assert arguments({}) == ["--task", "smoke"]


def test_parameters_become_the_harnesss_options() -> None:
    params = {
        "limit_samples": 5,
        "parallelism": 2,
        "temperature": 0.5,
        "top_p": 1,
        "max_new_tokens": 64,
        "max_retries": 0,
        "request_timeout": 30,
    }
    assert arguments(params) == shlex.split(
        "--task smoke --limit 5 --parallelism 2 --temperature 0.5 --top-p 1 --max-tokens 64 --retries 0 --timeout 30"
    )


def test_parameters_that_are_unset_are_left_out() -> None:
    assert arguments({"limit_samples": None, "stream": False}) == ["--task", "smoke"]
    assert arguments({"stream": True}) == ["--task", "smoke", "--stream"]


def test_a_key_is_passed_by_name() -> None:
    endpoint = EndpointSpec(url=ENDPOINT.url, api_key_name="MY_KEY")
    assert arguments({}, endpoint)[-2:] == ["--api-key-name", "MY_KEY"]


@pytest.mark.parametrize("value", ["$(touch pwned)", "--x; touch pwned", "it's", "a b", ""])
def test_no_parameter_is_executed(value: str) -> None:
    assert arguments({"limit_samples": value}) == ["--task", "smoke", "--limit", value]


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        (TaskSpec(name="smoke", params={"limit_sample": 1}), "no parameter 'limit_sample'; did you mean"),
        (TaskSpec(name="smoke", params={"zzz": 1}), "no parameter 'zzz' (it takes limit_samples, "),
    ],
    ids=["near", "far"],
)
def test_what_is_unknown_is_refused_with_the_nearest_name(task: TaskSpec, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        smoke_harness(task, ENDPOINT)
    assert problem in caught.value.message
