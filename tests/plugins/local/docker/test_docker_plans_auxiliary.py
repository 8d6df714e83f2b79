"""evalyard_local.docker.plans: containers of model servers beside the one under test, and how harnesses reach them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from evalyard import Binding, ConfigError, Job, Mounts, Plan, Server
from evalyard_local.docker.plans import plan_contained
from evalyard_local.plans import plan_job
from evalyard_local.settings import Settings
from tests.plugins.local.docker.planning import contained_job, model_server, mounts_of, text_of, words_of

SETTINGS = Settings(output_dir="/out")
JUDGE_RUN, MODEL_RUN = "deployment-user-sim/run.sh", "deployment/run.sh"


def judge(**more: Any) -> Server:
    return evolve(model_server(**more), name="user_sim", env_prefix="SIM")


def judged(*, server: bool = True, url: str | None = None, **more: Any) -> Job:
    job = contained_job(server=model_server() if server else None, url=url)
    return evolve(job, auxiliary=(judge(**more),))


def planned(job: Job, **settings: Any) -> Plan:
    return plan_contained(evolve(SETTINGS, **settings), job)


def test_it_is_one_more_need_whose_container_the_job_script_knows() -> None:
    plan = planned(judged())
    assert [need.key for need in plan.needs if need.kind == "server"] == ["server", "aux-user-sim"]
    need = plan.needs[-1]
    assert (need.directory, need.payload["base_url"]) == ("/run/deployment-user-sim", "http://model-user-sim:8000")
    assert need.payload["container_variable"] == "EVALYARD_SIM_SERVER_CONTAINER"
    assert {name: binding for name, binding in plan.bindings.items() if "SIM" in name} == {
        "EVALYARD_SIM_BASE_URL": Binding(need="aux-user-sim", output="base_url"),
        "EVALYARD_SIM_SERVER_EXIT": Binding(need="aux-user-sim", output="exit_file"),
        "EVALYARD_SIM_SERVER_CONTAINER": Binding(need="aux-user-sim", output="container"),
    }
    assert (
        'EVALYARD_SIM ../deployment-user-sim /health user_sim docker exec "$EVALYARD_SIM_SERVER_CONTAINER"'
        in text_of(plan)
    )


def test_the_harness_is_in_the_models_network_and_the_further_server_is_brought_there() -> None:
    plan = planned(judged())
    assert plan.bindings["EVALYARD_NETWORK"] == Binding(need="server", output="network")
    assert '--network "$EVALYARD_NETWORK"' in text_of(plan)
    connect = 'docker network connect --alias model-user-sim "$EVALYARD_NETWORK" "$EVALYARD_SIM_SERVER_CONTAINER"'
    assert connect in text_of(plan)
    assert "docker network create" in text_of(plan, MODEL_RUN)
    assert "docker network create" not in text_of(plan, JUDGE_RUN)
    assert "model-user-sim:127.0.0.1" in words_of(plan, JUDGE_RUN), "it can be asked for its health before that"


def test_without_a_model_of_our_own_its_network_is_the_harnesss() -> None:
    plan = planned(judged(server=False, url="http://endpoint.test/v1"))
    assert plan.bindings["EVALYARD_NETWORK"] == Binding(need="aux-user-sim", output="network")
    assert "docker network create" in text_of(plan, JUDGE_RUN)
    assert "network connect" not in text_of(plan)
    assert "--network-alias" in words_of(plan, JUDGE_RUN)


def test_a_harness_in_the_machines_network_asks_the_containers_own_address() -> None:
    plan = planned(judged(server=False, url="http://localhost:8000/v1"))
    assert "EVALYARD_NETWORK" not in plan.bindings
    assert '"$EVALYARD_SIM_SERVER_CONTAINER")\nif [ -z "$sim_address" ]; then' in text_of(plan)
    assert "model-user-sim:$sim_address" in words_of(plan)
    assert "docker network create" not in text_of(plan, JUDGE_RUN)


@pytest.mark.parametrize(("network", "host"), [("mine", "model-user-sim"), ("host", "127.0.0.1")])
def test_in_a_users_own_network_it_is_reached_as_the_model_is(network: str, host: str) -> None:
    job = evolve(contained_job(server=model_server(port=8001)), auxiliary=(judge(),))
    plan = planned(job, extra_docker_args=f"--network {network}")
    assert plan.needs[-1].payload["base_url"] == f"http://{host}:8000"
    assert "network connect" not in text_of(plan)
    assert ("--network-alias" in words_of(plan, JUDGE_RUN)) is (network == "mine")


def test_servers_in_the_machines_own_network_may_not_want_the_same_port() -> None:
    assert planned(judged()).needs, "each has an address of its own"
    with pytest.raises(ConfigError, match=r"auxiliary_deployments.user_sim.port: 8000 is the port of deployment too"):
        planned(evolve(judged(port=8000), server=model_server(port=8000)), extra_docker_args="--network host")


def test_it_sees_its_own_folders_and_no_port_is_published_twice() -> None:
    own = Mounts(deployment={"/d": "/d"}, auxiliary={"user_sim": {"/s": "/t:ro"}})
    plan = planned(judged(), mounts=own, publish_port=9000)
    assert mounts_of(plan, JUDGE_RUN)[2] == "/s,target=/t,readonly"
    assert not any(mount.startswith("/d,") for mount in mounts_of(plan, JUDGE_RUN))
    assert "--publish" in words_of(plan, MODEL_RUN)
    assert "--publish" not in words_of(plan, JUDGE_RUN)
    with pytest.raises(ConfigError, match="'s' must be an absolute path of this machine"):
        planned(judged(), mounts=Mounts(auxiliary={"user_sim": {"s": "/t"}}))


def test_names_in_mounts_are_compared_as_folders_are() -> None:
    plan = planned(judged(), mounts=Mounts(auxiliary={"User-Sim": {"/s": "/t:ro"}}))
    assert "/s,target=/t,readonly" in mounts_of(plan, JUDGE_RUN)


@pytest.mark.parametrize("plan", [plan_contained, plan_job], ids=["in containers", "as processes"])
@pytest.mark.parametrize(
    ("name", "meant"), [("usre-sim", "; did you mean 'user_sim'?"), ("judge", ""), ("deployment", "")]
)
def test_mounts_for_a_server_that_is_not_there_are_refused(
    plan: Callable[[Settings, Job], Plan], name: str, meant: str
) -> None:
    job = evolve(judged(), server=None, auxiliary=(evolve(judge(), image_by_default=True),))
    with pytest.raises(ConfigError) as caught:
        plan(evolve(SETTINGS, mounts=Mounts(auxiliary={"user_sim": {}, name: {"/s": "/t"}})), job)
    said = f"no auxiliary deployment that starts (type none does not) is called '{name}'{meant}"
    assert caught.value.problems == (f"execution.mounts.auxiliary: {said}",)


def test_without_an_image_its_section_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^auxiliary_deployments.user_sim.image: "):
        planned(evolve(judged(), auxiliary=(evolve(judge(), image=None),)))
