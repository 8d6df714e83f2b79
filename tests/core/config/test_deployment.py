"""`deployment:` to a model server."""

from __future__ import annotations

import attrs
import pytest

from evalyard.config.deployment_types import DEPLOYMENT_TYPES, SglangOptions, VllmOptions
from evalyard.errors import ConfigError
from evalyard.specs import DeploymentSpec, RunSpec, ServerPaths

from .conftest import Load

BOTH = "execution: {type: local}\ndeployment: {type: generic}\nevaluation: {tasks: [t]}\n"


def deployed(spec: RunSpec) -> DeploymentSpec:
    assert spec.deployment is not None
    return spec.deployment


def test_every_common_key_is_read(load: Load) -> None:
    found = deployed(
        load(
            """
            execution: {type: local}
            deployment:
              type: generic
              command: serve --port {port}
              image: img:1
              port: 0
              served_model_name: 70
              endpoints: {chat: /c, health: /h, embedding: /e, ranking: /r}
              pre_cmd: export A=1
              checkpoint_path: /models/m
              cache_path: /cache
              hf_model_handle: org/m
              multiple_instances: true
              extra_args: --fast
              lepton_config: {resource_shape: gpu}
            evaluation: {tasks: [smoke]}
            """
        )
    )
    assert (found.type, found.command, found.image, found.port) == ("generic", "serve --port {port}", "img:1", 0)
    assert found.endpoints == ServerPaths(chat="/c", health="/h", embedding="/e", ranking="/r")
    assert (found.served_model_name, found.pre_cmd, found.multiple_instances) == ("70", "export A=1", True)
    assert (found.checkpoint_path, found.cache_path, found.hf_model_handle) == ("/models/m", "/cache", "org/m")
    assert found.executor_config is not None
    assert found.executor_config.place("resource_shape") == "f:16:19"


def test_the_model_can_be_named_by_the_first_key_that_has_a_value(load: Load) -> None:
    command = "command: 'serve ${select_not_null:deployment.hf_model_handle,/checkpoint}'"
    text = f"execution: {{type: local}}\ndeployment:\n  type: vllm\n  served_model_name: m\n  {command}\n"
    text += "  hf_model_handle: null\nevaluation: {tasks: [t]}\n"
    assert deployed(load(text)).command == "serve /checkpoint"
    assert deployed(load(text, "deployment.hf_model_handle=org/m")).command == "serve org/m"


def test_every_key_remembers_where_it_was_written(load: Load) -> None:
    text = "execution: {type: local}\ndeployment:\n  type: vllm\n  served_model_name: m\nevaluation: {tasks: [t]}\n"
    places = deployed(load(text, "deployment.hf_model_handle=org/m")).places
    assert (places["type"], places["served_model_name"]) == ("f:3:3", "f:4:3")
    assert places["hf_model_handle"] == "-o deployment.hf_model_handle=org/m"
    assert places[""] == "f:2:1"


@pytest.mark.parametrize("how", ["type: vllm", "group"])
def test_a_type_brings_its_defaults_however_it_was_chosen(load: Load, how: str) -> None:
    start = "defaults: [deployment: vllm]\n" if how == "group" else "deployment: {type: vllm}\n"
    text = f"{start}execution: {{type: local}}\nevaluation: {{tasks: [t]}}\n"
    found = deployed(load(text, "deployment.served_model_name=m", "deployment.tensor_parallel_size=2"))
    assert (found.image, found.port, found.endpoints.health) == ("vllm/vllm-openai:latest", 8000, "/health")
    assert found.options == VllmOptions(tensor_parallel_size=2)


def test_defaults_can_be_named_in_expressions(load: Load) -> None:
    text = "execution: {type: local}\ndeployment: {type: sglang, served_model_name: m}\nevaluation: {tasks: [t]}\n"
    found = deployed(load(text, "deployment.command=serve --tp ${deployment.tensor_parallel_size} {port}"))
    assert found.command == "serve --tp 8 {port}"
    assert found.options == SglangOptions()


@pytest.mark.parametrize("name", sorted(DEPLOYMENT_TYPES))
def test_what_a_type_starts_from_is_accepted(load: Load, name: str) -> None:
    text = f"execution: {{type: local}}\ndeployment: {{type: {name}}}\nevaluation: {{tasks: [t]}}\n"
    given = ["target.api_endpoint.url=http://h"] if name == "none" else ["deployment.served_model_name=m"]
    spec = load(text, *given, *(["deployment.image=i"] if name == "nim" else []))
    assert spec.deployment is None or isinstance(spec.deployment.options, DEPLOYMENT_TYPES[name].options)


def test_every_option_has_a_default() -> None:
    options = [option for known in DEPLOYMENT_TYPES.values() for option in attrs.fields(known.options)]
    assert options
    assert all(option.default is not attrs.NOTHING for option in options)


def test_what_must_be_set_for_a_type_is_asked_for(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(BOTH, "deployment=nim")
    asked = ["deployment.image", "deployment.served_model_name"]
    assert [line.split(": ")[1] for line in caught.value.problems] == asked


def test_leftovers_beside_none_are_harmless(load: Load) -> None:
    text = "execution: {type: local}\ndeployment: {type: none, tensor_parallel_size: 8}\nevaluation: {tasks: [t]}\n"
    assert load(text, "target.api_endpoint.url=http://h").deployment is None


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("deployment.port=true", "true is not an integer"),
        ("deployment.port='80'", "'80' is not an integer"),
        ("deployment.port=70000", "must be between 0 (any free port) and 65535"),
        ("deployment.comand=x", "unknown key; did you mean 'command'?"),
        ("deployment.multiple_instances=2", "2 is not true or false"),
        ("deployment.lepton_config=x", "is 'x'; must be a mapping"),
        ("deployment.gpu_memory_utilization=1", "not for type generic; it belongs to vllm, vllm_ray"),
        (
            "deployment.type=vlm",
            "'vlm' is none of none, demo, generic, vllm, vllm_ray, sglang, trtllm, nim; did you mean 'vllm'?",
        ),
    ],
)
def test_faults_point_at_the_override(load: Load, override: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(BOTH, override)
    said = caught.value.problems[0]
    assert said == f"-o {override}: {override.partition('=')[0]}: {complaint}"


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("deployment.tensor_parallel_size=two", "'two' is not an integer"),
        ("deployment.tensor_parallel_size=0", "'tensor_parallel_size' must be >= 1: 0"),
        ("deployment.gpu_memory_utilization=1.5", "'gpu_memory_utilization' must be <= 1: 1.5"),
        (
            "deployment.base_command='vllm serve /m --port 8000'",
            "'base_command' stands for `vllm serve` alone; a whole command goes to deployment.command",
        ),
        ("deployment.tensor_paralel_size=2", "unknown key; did you mean 'tensor_parallel_size'?"),
    ],
)
def test_options_of_a_type_are_typed(load: Load, override: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(BOTH.replace("generic", "vllm, served_model_name: m"), override)
    assert caught.value.problems == (f"-o {override}: {override.partition('=')[0]}: {complaint}",)
