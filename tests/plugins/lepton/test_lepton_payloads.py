"""evalyard_lepton.payloads and plans: every key that somebody sets is in what is sent, at its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from evalyard import ConfigError, NeedKind, Plan
from evalyard_lepton.gateway import refused_endpoint, refused_job
from tests.plugins.lepton.desk import LEAVE, SERVE, Desk

STORAGE = {"from": "node-nfs:fs", "path": "/team", "mount_path": "/workspace", "mount_options": {"read_only": False}}
SECRET = {"value_from": {"secret_name_ref": "MINE"}}
QUEUE = {"priority_class": "high-priority", "can_be_preempted": True, "can_preempt": False}
USER = {"no_specific_user": True, "privileged": False}
TASKS = {
    "node_group": "group",
    "env_vars": {"PLAIN": "text", "OWN": SECRET},
    "mounts": [STORAGE],
    "image_pull_secrets": ["registry"],
    "queue_config": QUEUE,
    "user_security_context": USER,
}
HEALTH = {"readiness": {"require_approval": False}, "liveness": {"initial_delay_seconds": 3, "tcp": {"port": 8000}}}
DEFAULTS = {
    "health": HEALTH,
    "log": {"enable_collection": True, "save_termination_logs": True},
    "metrics": {"disable_pulling_from_replica": True},
    "routing_policy": {"enable_header_based_replica_routing": True},
    "queue_config": QUEUE,
    "user_security_context": USER,
    "image_pull_secrets": ["registry"],
    "enable_rdma": True,
}
EVERYTHING: dict[str, Any] = {
    "evaluation_tasks": {"resource_shape": "cpu.large", "timeout": 77, "use_shared_storage": True},
    "lepton_platform": {
        "deployment": {"node_group": "other", "endpoint_readiness_timeout": 88, "platform_defaults": DEFAULTS},
        "tasks": TASKS,
    },
    "idle_timeout_s": 99,
    "keep_jobs_s": 7000,
    "env_var_names": ["HF_TOKEN"],
}
SCALER = {"scale_down": {"not_ready_timeout": 60}, "target_gpu_utilization_percentage": 50}
SERVER = {
    "resource_shape": "gpu.8xh200",
    "min_replicas": 2,
    "max_replicas": 3,
    "auto_scaler": {**SCALER, "target_throughput": {"qpm": 5.0, "paths": ["/v1"], "methods": ["POST"]}},
    "envs": {"PLAIN": "text", "OWN": SECRET},
    "mounts": {"enabled": True, "from": "node-nfs:fs", "cache_path": "/m/{{MODEL_CACHE_NAME}}", "mount_path": "/cache"},
    "api_tokens": [{"value": "a"}],
    "api_token": "b",
}


def planned(desk: Desk, settings: Mapping[str, Any], told: Mapping[str, Any] | None = None) -> Plan:
    desk.settings |= settings
    return desk.trial(LEAVE, serve=SERVE if told is not None else "", told=dict(told or {})).plans[0]


def endpoint_of(plan: Plan) -> dict[str, Any]:
    (need,) = (need for need in plan.needs if need.kind is NeedKind.SERVER)
    body: dict[str, Any] = need.payload["endpoint"]
    return body


def test_all_keys_of_tasks_are_sent(desk: Desk) -> None:
    plan = planned(desk, EVERYTHING)
    body = plan.payload["job"]
    assert refused_job(body) == ""
    spec = body["spec"]
    assert spec["resource_shape"] == "cpu.large"
    assert spec["mounts"] == [STORAGE]
    assert spec["image_pull_secrets"] == ["registry"]
    assert (spec["queue_config"], spec["user_security_context"]) == (QUEUE, USER)
    assert spec["envs"] == [{"name": "PLAIN", "value": "text"}, {"name": "OWN", **SECRET}]
    assert plan.payload["node_group"] == "group"
    assert plan.environment["EVALYARD_STORAGE"] == "/workspace/evalyard"
    assert "timeout=77 " in "".join(spec["container"]["command"])


def test_a_jobs_time_in_the_lists_is_always_said_and_it_is_never_tried_again(desk: Desk) -> None:
    spec = planned(desk, {"keep_jobs_s": 7000}).payload["job"]["spec"]
    assert spec["ttl_seconds_after_finished"] == 7000
    assert (spec["max_failure_retry"], spec["max_job_failure_retry"]) == (0, 0)
    assert (spec["completions"], spec["parallelism"]) == (1, 1)


def test_all_keys_of_endpoints_are_sent(desk: Desk) -> None:
    plan = planned(desk, EVERYTHING, SERVER)
    body = endpoint_of(plan)
    assert refused_endpoint(body) == ""
    spec = body["spec"]
    expected = {"resource_shape": "gpu.8xh200", "min_replicas": 2, "max_replicas": 3}
    assert spec["resource_requirement"] == expected
    assert spec["auto_scaler"]["scale_down"] == {"no_traffic_timeout": 99, "not_ready_timeout": 60}
    assert spec["auto_scaler"]["target_gpu_utilization_percentage"] == 50
    assert spec["auto_scaler"]["target_throughput"] == SERVER["auto_scaler"]["target_throughput"]  # type: ignore[index]
    for name in ("health", "log", "metrics", "routing_policy", "queue_config", "user_security_context"):
        assert spec[name] == DEFAULTS[name], name
    assert spec["image_pull_secrets"] == ["registry"]
    assert {"name": "OWN", **SECRET} in spec["envs"]
    assert {"name": "PLAIN", "value": "text"} in spec["envs"]
    assert spec["mounts"] == [{"from": "node-nfs:fs", "path": "/m/model", "mount_path": "/cache"}]
    assert spec["api_tokens"] == [{"value": "a"}, {"value": "b"}]
    assert "88" in next(file.text for need in plan.needs for file in need.files if file.path.endswith("task0/run.sh"))


@pytest.mark.parametrize("name", ["health", "queue_config", "image_pull_secrets"])
def test_what_the_server_says_goes_before_the_defaults_of_the_platform(desk: Desk, name: str) -> None:
    own = {"health": {"readiness": {"require_approval": True}}, "queue_config": {"priority_class": "low-priority"}}
    own["image_pull_secrets"] = ["another"]
    spec = endpoint_of(planned(desk, EVERYTHING, {**SERVER, name: own[name]}))["spec"]
    assert spec[name] == own[name]


def test_what_is_read_and_means_nothing_is_told(desk: Desk) -> None:
    notes = planned(desk, EVERYTHING, SERVER).notes
    assert "enable_rdma means nothing: the service has no such field" in notes
    assert "env_var_names means nothing: variables are given by env_vars" in notes


def test_an_endpoint_is_told_when_to_scale_down_unless_that_is_switched_off(desk: Desk) -> None:
    assert endpoint_of(planned(desk, {}, {}))["spec"]["auto_scaler"] == {"scale_down": {"no_traffic_timeout": 3600}}
    off = endpoint_of(planned(desk, {"idle_timeout_s": 0}, {}))["spec"]["auto_scaler"]
    assert off == {"scale_down": {"no_traffic_timeout": 0}}


def test_a_script_is_data_whatever_signs_are_in_it(desk: Desk) -> None:
    wild = """printf '%s' 'it'"'"'s "$HOME" `id` \\' > "$EVALYARD_OUTPUT_DIR/said"; """
    trial = desk.trial(wild + LEAVE)
    trial.finish()
    said = desk.folder / "runs" / trial.run.id / "task0" / "artifacts" / "said"
    assert said.read_text() == 'it\'s "$HOME" `id` \\'


def test_a_program_asks_seldom_unless_it_is_told_otherwise(desk: Desk) -> None:
    desk.settings = {"poll_interval_s": 9}
    assert desk.trial(LEAVE).settings.connection().poll_interval_s == 9


def test_a_task_without_an_image_and_a_server_without_a_shape_are_refused(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="resource_shape"):
        desk.trial(LEAVE, serve=SERVE, told={"resource_shape": None})
