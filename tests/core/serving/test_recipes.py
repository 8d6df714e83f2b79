"""evalyard.serving.recipes: what a deployment starts, where it listens, and what it is told."""

from __future__ import annotations

import pytest

from evalyard.errors import ConfigError
from evalyard.harness.script import server_script
from evalyard.records.files import SecretRef
from evalyard.records.programs import Mount
from evalyard.serving.recipes import OPENAI_PATHS, server_for
from evalyard.specs import DeploymentSpec, EnvValue, ServerPaths, ValueSource


def generic(**fields: object) -> DeploymentSpec:
    given = {"type": "generic", "command": "serve --port {port}", "served_model_name": "m"} | fields
    return DeploymentSpec(**given)  # type: ignore[arg-type]


def deployment(name: str, **fields: object) -> DeploymentSpec:
    given = {"type": name, "served_model_name": "m", "hf_model_handle": "org/m", "image": "img:1"}
    if name == "generic":
        given["command"] = "serve"
    return DeploymentSpec(**(given | fields))  # type: ignore[arg-type]


def test_a_generic_server_is_its_command_on_the_port_that_it_is_given() -> None:
    server = server_for(generic(command="serve --port {port} --again {port}"))
    assert server.script == "serve --port $PORT --again $PORT"
    assert (server.recipe, server.model_id, server.image) == ("generic", "m", None)
    assert (server.health_path, server.paths) == ("/health", OPENAI_PATHS)


@pytest.mark.parametrize(("given", "port"), [(None, 8000), (0, 0), (9000, 9000)])
def test_a_generic_server_listens_where_it_is_told_and_any_free_port_can_be_asked_for(
    given: int | None, port: int
) -> None:
    assert server_for(generic(port=given)).port == port


def test_paths_of_the_deployment_replace_the_usual_ones() -> None:
    server = server_for(generic(endpoints=ServerPaths(chat="/chat", health="/ready")))
    assert server.health_path == "/ready"
    assert server.paths == {**OPENAI_PATHS, "chat": "/chat"}


def test_a_servers_own_pre_cmd_runs_before_it_in_the_same_shell() -> None:
    assert server_for(generic(pre_cmd="export A=1", command="serve")).script == "export A=1\nserve"


def test_several_servers_behind_one_address_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"deployment\.multiple_instances: type generic has one server for all"):
        server_for(generic(multiple_instances=True))


def test_variables_are_parted_by_where_their_values_come_from() -> None:
    env = {
        "LEVEL": EnvValue(source=ValueSource.LITERAL, text="debug"),
        "HF_TOKEN": EnvValue(source=ValueSource.HOST, text="MY_TOKEN", where="run.yaml:3"),
        "CACHE": EnvValue(source=ValueSource.RUNTIME, text="SCRATCH"),
    }
    server = server_for(generic(env=env))
    assert server.literals == {"LEVEL": "debug"}
    assert server.secrets == (SecretRef(name="HF_TOKEN", variable="MY_TOKEN", where="run.yaml:3"),)
    assert server.runtime == {"CACHE": "SCRATCH"}


def test_everything_that_a_generic_server_lacks_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        server_for(DeploymentSpec(type="generic"))
    assert caught.value.problems == (
        "deployment.command: must be set for type generic",
        "deployment.served_model_name: must be set for type generic",
    )


def test_an_unknown_recipe_is_refused_with_those_that_there_are() -> None:
    there = "none, demo, generic, nim, sglang, trtllm, vllm"
    with pytest.raises(ConfigError, match=f"'vllm_ray' is not in this version; there are: {there}$"):
        server_for(DeploymentSpec(type="vllm_ray"))


def test_the_demo_travels_with_the_run_and_takes_any_free_port() -> None:
    server = server_for(DeploymentSpec(type="demo"))
    assert (server.model_id, server.port) == ("demo", 0)
    assert "deployment/demo/__main__.py" in [file.path for file in server.files]
    assert "-m demo" in server.script
    renamed = server_for(DeploymentSpec(type="demo", served_model_name="tiny", command="my-demo {port}", port=7))
    assert (renamed.model_id, renamed.port, renamed.script) == ("tiny", 7, "my-demo $PORT")


def test_servers_of_models_want_gpus_and_the_demo_does_not() -> None:
    wanting = {name: server_for(deployment(name)).gpus for name in ("vllm", "sglang", "trtllm", "nim", "generic")}
    assert wanting == dict.fromkeys(wanting, True)
    assert not server_for(DeploymentSpec(type="demo")).gpus


def test_only_the_image_that_a_type_brings_is_nobodys_choice() -> None:
    assert server_for(deployment("vllm", image="vllm/vllm-openai:latest")).image_by_default
    assert not server_for(deployment("vllm", image="vllm/vllm-openai:v0.9")).image_by_default
    assert not server_for(deployment("vllm", image=None)).image_by_default
    assert not server_for(deployment("nim")).image_by_default
    assert not server_for(generic(image="vllm/vllm-openai:latest")).image_by_default


@pytest.mark.parametrize("name", ["generic", "vllm", "sglang", "trtllm", "nim"])
def test_a_server_finds_its_folders_by_variables_wherever_it_runs(name: str) -> None:
    server = server_for(deployment(name, hf_model_handle=None, checkpoint_path="/models/m", cache_path="/scratch"))
    assert server.mounts == (
        Mount(source="/models/m", target="/checkpoint", read_only=True, variable="EVALYARD_CHECKPOINT"),
        Mount(source="/scratch", target="/cache", variable="EVALYARD_MODEL_CACHE"),
    )
    here = server_script(server, "run")
    assert "export EVALYARD_CHECKPOINT='/models/m'" in here
    assert "export EVALYARD_MODEL_CACHE='/scratch'" in here
    in_a_container = server_script(server, "run", start="docker run")
    assert "export EVALYARD_CHECKPOINT='/checkpoint'" in in_a_container
    assert "export EVALYARD_MODEL_CACHE='/cache'" in in_a_container


def test_each_type_is_asked_for_its_health_where_it_answers() -> None:
    health = {name: server_for(deployment(name)).health_path for name in ("vllm", "sglang", "trtllm", "nim")}
    assert health == {"vllm": "/health", "sglang": "/health", "trtllm": "/health", "nim": "/v1/health/ready"}
    assert server_for(deployment("nim", endpoints=ServerPaths(health="/up"))).health_path == "/up"


@pytest.mark.parametrize("name", ["vllm", "sglang", "trtllm"])
def test_a_command_of_the_users_own_replaces_the_whole_command(name: str) -> None:
    own = deployment(name, hf_model_handle=None, command="serve /checkpoint --port {port}", pre_cmd="export A=1")
    server = server_for(own)
    assert server.script == "export A=1\nserve /checkpoint --port $PORT"
    assert (server.model_id, server.program) == ("m", "")


def test_a_server_without_a_model_is_refused_where_it_was_asked_for() -> None:
    places = {"": "run.yaml:4:3"}
    with pytest.raises(ConfigError) as caught:
        server_for(deployment("vllm", hf_model_handle=None, served_model_name=None, places=places))
    said = "type vllm needs a model: give its folder here, or its name in hf_model_handle"
    assert caught.value.problems == (
        "run.yaml:4:3: deployment.served_model_name: must be set for type vllm",
        f"run.yaml:4:3: deployment.checkpoint_path: {said}",
    )


def test_a_server_with_two_models_is_refused() -> None:
    places = {"": "run.yaml:4:3", "hf_model_handle": "run.yaml:6:20"}
    with pytest.raises(ConfigError) as caught:
        server_for(deployment("sglang", checkpoint_path="/m", places=places))
    said = "names the model a second time: leave it or checkpoint_path out (or null)"
    assert caught.value.problems == (f"run.yaml:6:20: deployment.hf_model_handle: {said}",)


def test_folders_that_no_container_could_mount_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        server_for(deployment("trtllm", hf_model_handle=None, checkpoint_path="org/model", cache_path="~/cache"))
    hub = "a model's name on the Hugging Face hub goes to hf_model_handle"
    assert caught.value.problems == (
        f"deployment.checkpoint_path: 'org/model' is not an absolute path; {hub}",
        "deployment.cache_path: '~/cache' is not an absolute path",
    )


def test_a_nim_needs_its_image() -> None:
    with pytest.raises(ConfigError, match=r"^deployment\.image: must be set for type nim$"):
        server_for(deployment("nim", image=None))
