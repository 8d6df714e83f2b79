"""evalyard.serving.auxiliary: further model servers, and what a task says of them."""

from __future__ import annotations

from typing import Any

import pytest

from evalyard.errors import ConfigError
from evalyard.serving.auxiliary import addresses, auxiliary_servers, endpoint_with_servers, with_servers
from evalyard.specs import (
    AuxiliarySpec,
    CommandSpec,
    DeploymentSpec,
    EndpointSpec,
    EnvValue,
    ServerPaths,
    TaskSpec,
    ValueSource,
)

URL, MODEL = "auxiliary_deployments.judge.chat_url", "auxiliary_deployments.judge.model_id"


def judge(name: str = "judge", **fields: Any) -> AuxiliarySpec:
    given = {"type": "generic", "command": "serve", "served_model_name": "j", "path": f"auxiliary_deployments.{name}"}
    return AuxiliarySpec(name=name, env_prefix=name.upper(), server=DeploymentSpec(**(given | fields)))


def test_a_further_server_has_a_need_a_folder_and_variables_of_its_own() -> None:
    (server,) = auxiliary_servers([judge("user_sim", endpoints=ServerPaths(chat="/c", ranking="/r"))])
    assert (server.key, server.folder, server.title) == (
        "aux-user-sim",
        "deployment-user-sim",
        "the model server 'user_sim'",
    )
    assert server.variable("BASE_URL") == "EVALYARD_USER_SIM_BASE_URL"
    assert server.url_variables == {
        "USER_SIM_CHAT_URL": "/c",
        "USER_SIM_COMPLETIONS_URL": "/v1/completions",
        "USER_SIM_EMBEDDING_URL": "/v1/embeddings",
        "USER_SIM_RANKING_URL": "/r",
    }
    assert set(addresses([server])) == set(server.url_variables)


def test_files_that_a_recipe_brings_lie_in_its_own_folder() -> None:
    (server,) = auxiliary_servers([judge(type="demo", command=None)])
    assert server.files
    assert all(file.path.startswith("deployment-judge/demo/") for file in server.files)


def test_everything_that_is_wrong_with_any_of_them_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        auxiliary_servers([judge(command=None), judge("user", served_model_name=None)])
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [
        "auxiliary_deployments.judge.command",
        "auxiliary_deployments.user.served_model_name",
    ]


def test_a_task_gets_the_model_itself_and_a_variable_for_what_is_known_later() -> None:
    literal = EnvValue(source=ValueSource.LITERAL, text=f"{MODEL} at {URL}")
    host = EnvValue(source=ValueSource.HOST, text="TOKEN")
    asked = TaskSpec(
        name="t",
        params={"extra": {"judge": {"url": URL, "model_id": MODEL, "retries": 3}, "all": [URL, None]}},
        harness_config={"command": f"run --judge {URL}"},
        env={"A": literal, "B": host},
        harness=CommandSpec(command=f'ask "{URL}" {MODEL}'),
        pre_cmd=f"echo {MODEL}",
        post_cmd=f"echo {URL}",
    )
    found = with_servers(asked, auxiliary_servers([judge()]))
    later = "${JUDGE_CHAT_URL}"
    assert found.params == {"extra": {"judge": {"url": later, "model_id": "j", "retries": 3}, "all": [later, None]}}
    assert found.harness_config == {"command": f"run --judge {later}"}
    assert (found.env["A"].text, found.env["B"]) == (f"j at {later}", host)
    assert found.harness == CommandSpec(command=f'ask "{later}" ${{JUDGE_MODEL_ID}}')
    assert (found.pre_cmd, found.post_cmd) == ("echo ${JUDGE_MODEL_ID}", f"echo {later}")
    assert with_servers(asked, ()) is asked


def test_an_adapter_gets_the_same() -> None:
    endpoint = EndpointSpec(adapter_config={"interceptors": [{"name": "x", "config": {"url": URL}}]})
    found = endpoint_with_servers(endpoint, auxiliary_servers([judge()]))
    assert found.adapter_config["interceptors"] == [{"name": "x", "config": {"url": "${JUDGE_CHAT_URL}"}}]
