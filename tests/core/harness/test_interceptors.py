"""evalyard.harness.interceptors: adapter configurations as people write them, and as nemo-evaluator wants them."""

from __future__ import annotations

from typing import Any

import pytest

from evalyard.errors import ConfigError
from evalyard.harness.interceptors import STAGES, adapter_config

WHERE = "run.yaml:7:5"


def names(*interceptors: Any, **more: Any) -> list[str]:
    """Return the names of interceptors, in the order that nemo-evaluator gets."""
    return [
        entry["name"] for entry in adapter_config({"interceptors": list(interceptors), **more}, WHERE)["interceptors"]
    ]


def config_of(name: str, **config: Any) -> dict[str, Any]:
    """Return the settled configuration of one interceptor."""
    entries = adapter_config({"interceptors": [{"name": name, "config": config}]}, WHERE)["interceptors"]
    (found,) = [entry for entry in entries if entry["name"] == name]
    settled: dict[str, Any] = found.get("config", {})
    return settled


@pytest.mark.parametrize(
    ("listed", "sent"),
    [
        (["reasoning", "caching", "request_logging"], ["request_logging", "caching", "endpoint", "reasoning"]),
        (["caching"], ["caching", "endpoint"]),
        (["endpoint", "caching"], ["caching", "endpoint"]),
        (["endpoint"], ["endpoint"]),
        (["nvcf", "reasoning"], ["nvcf", "reasoning"]),
        (["progress_tracking", "reasoning", "endpoint"], ["endpoint", "progress_tracking", "reasoning"]),
        (["payload_modifier", "request_logging"], ["payload_modifier", "request_logging", "endpoint"]),
        (["request_logging", "payload_modifier"], ["request_logging", "payload_modifier", "endpoint"]),
    ],
    ids=" ".join,
)
def test_interceptors_are_sorted_into_stages_and_completed(listed: list[str], sent: list[str]) -> None:
    assert names(*listed) == sent


def test_all_interceptors_together_keep_the_stages() -> None:
    stages = [STAGES[name] for name in names(*reversed(list(STAGES)))]
    assert stages == sorted(stages)


def test_an_endpoint_that_is_switched_off_is_replaced() -> None:
    assert names({"name": "endpoint", "enabled": False}) == ["endpoint", "endpoint"]


def test_names_and_mappings_mean_the_same() -> None:
    assert adapter_config({"interceptors": ["request_logging"]}, WHERE) == adapter_config(
        {"interceptors": [{"name": "request_logging"}]}, WHERE
    )


def test_what_an_interceptor_says_is_kept() -> None:
    entry = {"name": "request_logging", "enabled": False, "config": {"max_requests": 3}}
    assert entry in adapter_config({"interceptors": [entry]}, WHERE)["interceptors"]


def test_an_interceptor_of_ones_own_stays_behind_the_one_before_it() -> None:
    own = {"discovery": {"modules": ["mine"]}}
    assert names("mine", "caching", **own) == ["mine", "caching", "endpoint"]
    assert names("reasoning", "mine", "request_logging", **own) == ["request_logging", "endpoint", "reasoning", "mine"]


@pytest.mark.parametrize(
    ("given", "settled"),
    [
        ("./evaluation_cache", "../../evaluation_cache"),
        ("evaluation_cache/", "../../evaluation_cache"),
        ("a/./b", "../../a/b"),
        (".", "../.."),
        ("/scratch/cache", "/scratch/cache"),
        ("/results/cache", "artifacts/cache"),
        ("/results", "artifacts"),
        ("/results2", "/results2"),
    ],
)
def test_a_relative_cache_outlives_the_run_and_one_in_the_results_does_not(given: str, settled: str) -> None:
    assert config_of("caching", cache_dir=given) == {"cache_dir": settled}
    assert adapter_config({"caching_dir": given}, WHERE) == {"caching_dir": settled}


def test_a_relative_output_folder_is_among_the_artifacts() -> None:
    assert config_of("progress_tracking", output_dir="./out", progress_tracking_url="http://h") == {
        "output_dir": "artifacts/out",
        "progress_tracking_url": "http://h",
    }


def test_nothing_is_kept_where_other_runs_of_the_machine_would_find_it() -> None:
    for name in ("caching", "response_stats", "reasoning"):
        assert config_of(name)["cache_dir"].startswith("artifacts/")
    assert config_of("progress_tracking") == {"output_dir": "artifacts", "progress_tracking_url": ""}


@pytest.mark.parametrize("switches", [{"use_caching": False, "max_logged_requests": 3}, {"mode": "client"}, {}])
def test_older_switches_are_passed_on(switches: dict[str, Any]) -> None:
    assert adapter_config(switches, WHERE) == switches
    assert adapter_config({**switches, "interceptors": []}, WHERE) == {**switches, "interceptors": []}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"interceptors": ["caching"], "use_caching": True}, "use_caching cannot stand beside interceptors"),
        ({"interceptors": ["cacheing"]}, "no interceptor is called 'cacheing'; did you mean 'caching'?"),
        ({"interceptors": ["zzz"]}, "no interceptor is called 'zzz' (there are system_message, "),
        ({"interceptors": "caching"}, "must be a list"),
        ({"interceptors": {"caching": {}}}, "must be a list"),
        ({"interceptors": [{"config": {}}]}, "neither a name nor has one"),
        ({"interceptors": [7]}, "neither a name nor has one"),
        ({"interceptors": [{"name": "caching", "config": 1}]}, "the config of caching is not a mapping"),
    ],
    ids=["mixed", "near name", "far name", "text", "mapping", "no name", "number", "config"],
)
def test_what_cannot_work_is_refused_with_its_place(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        adapter_config(given, WHERE)
    assert caught.value.message.startswith(f"{WHERE}: adapter_config")
    assert problem in caught.value.message
