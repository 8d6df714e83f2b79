"""evalyard.serving.recipes: what a deployment starts, where it listens, and what it is told."""

from __future__ import annotations

import pytest

from evalyard.errors import ConfigError
from evalyard.records import SecretRef
from evalyard.serving.recipes import OPENAI_PATHS, server_for
from evalyard.specs import DeploymentSpec, EnvValue, ServerPaths, ValueSource


def generic(**fields: object) -> DeploymentSpec:
    given = {"type": "generic", "command": "serve --port {port}", "served_model_name": "m"} | fields
    return DeploymentSpec(**given)  # type: ignore[arg-type]


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
    with pytest.raises(ConfigError, match="'vllm' is not in this version; there are: none, demo, generic"):
        server_for(DeploymentSpec(type="vllm"))


def test_the_demo_travels_with_the_run_and_takes_any_free_port() -> None:
    server = server_for(DeploymentSpec(type="demo"))
    assert (server.model_id, server.port) == ("demo", 0)
    assert "deployment/demo/__main__.py" in [file.path for file in server.files]
    assert "-m demo" in server.script
    renamed = server_for(DeploymentSpec(type="demo", served_model_name="tiny", command="my-demo {port}", port=7))
    assert (renamed.model_id, renamed.port, renamed.script) == ("tiny", 7, "my-demo $PORT")
