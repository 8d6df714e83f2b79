"""`auxiliary_deployments:` to further model servers, and the texts that name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalyard.config.auxiliary import RESERVED_PREFIXES
from evalyard.config.deployment_types import SglangOptions, VllmOptions
from evalyard.errors import ConfigError
from evalyard.serving.auxiliary import auxiliary_servers, endpoint_with_servers, with_servers
from evalyard.specs import AuxiliarySpec, RunSpec, ServerPaths, ValueSource

from .conftest import Load

JUDGE = "auxiliary_deployments:\n  judge: {type: demo}\n"
SETTINGS = "evaluation: {{tasks: [smoke], nemo_evaluator_config: {{config: {{params: {{extra: {{j: {text}}}}}}}}}}}\n"


def judge_of(spec: RunSpec) -> AuxiliarySpec:
    (judge,) = spec.auxiliary_deployments
    return judge


def naming(base: str, text: str) -> str:
    """Return a configuration with a judge, one parameter of which is this text."""
    return base.replace("evaluation: {tasks: [smoke]}\n", SETTINGS.format(text=text)) + JUDGE


def named(spec: RunSpec) -> object:
    return spec.tasks[0].params["extra"]["j"]


def test_it_has_the_keys_of_a_deployment_and_a_prefix_for_its_variables(load: Load, base: str) -> None:
    text = """
        env_vars: {A: lit:top, B: lit:top}
        auxiliary_deployments:
          user-sim:
            type: generic
            image: img:1
            command: serve {port}
            port: 8001
            served_model_name: u
            endpoints: {chat: /c, health: /h}
            env_vars: {B: lit:own, HF_TOKEN: host:MINE}
            pre_cmd: export A=1
            num_nodes: 1
            num_instances: 1
            n_tasks: 1
        """
    found = judge_of(load(base + "\n".join(line[8:] for line in text.splitlines())))
    assert (found.name, found.env_prefix) == ("user-sim", "USER_SIM")
    server = found.server
    assert (server.type, server.image, server.command, server.port) == ("generic", "img:1", "serve {port}", 8001)
    assert (server.served_model_name, server.pre_cmd) == ("u", "export A=1")
    assert server.endpoints == ServerPaths(chat="/c", health="/h")
    assert {name: value.text for name, value in server.env.items()} == {"A": "top", "B": "own", "HF_TOKEN": "MINE"}
    assert (server.path, server.places["port"]) == ("auxiliary_deployments.user-sim", "f:12:5")


def test_it_starts_from_what_its_type_starts_from(load: Load, base: str) -> None:
    judge = judge_of(load(base, "auxiliary_deployments.judge={type: vllm, served_model_name: j}")).server
    assert (judge.image, judge.port, judge.endpoints.health) == ("vllm/vllm-openai:latest", 8000, "/health")
    assert judge.options == VllmOptions()


@pytest.mark.parametrize(
    "entry", ["deployment/vllm@auxiliary_deployments.judge", "deployment@auxiliary_deployments.judge: vllm"]
)
def test_a_group_of_defaults_can_go_to_its_section(load: Load, base: str, entry: str) -> None:
    text = f"defaults:\n  - execution: local\n  - deployment: none\n  - {entry}\n  - _self_\n{base}"
    text += "auxiliary_deployments: {judge: {served_model_name: j, tensor_parallel_size: 2}}\n"
    judge = judge_of(load(text)).server
    assert (judge.type, judge.options) == ("vllm", VllmOptions(tensor_parallel_size=2))
    spec = load(text, "~target", "deployment=demo")
    assert spec.deployment is not None
    assert spec.deployment.type == "demo"
    assert judge_of(spec).server.type == "vllm"


def test_a_group_of_defaults_may_have_a_file_of_its_own(load: Load, base: str, tmp_path: Path) -> None:
    (tmp_path / "deployment").mkdir()
    (tmp_path / "deployment" / "small.yaml").write_text("type: sglang\nserved_model_name: s\n")
    judge = judge_of(load(f"defaults: [deployment/small@auxiliary_deployments.judge]\n{base}")).server
    assert (judge.served_model_name, judge.options) == ("s", SglangOptions())


@pytest.mark.parametrize("entry", ["deployment/vllm@target", "x@auxiliary_deployments.judge", "deployment@a: vllm"])
def test_groups_of_defaults_go_nowhere_else(load: Load, base: str, entry: str) -> None:
    with pytest.raises(ConfigError, match=r"^f:2:5: defaults\[0\]: '.*@.*'"):
        load(f"defaults:\n  - {entry}{base}")


def test_one_of_type_none_is_as_good_as_not_there(load: Load, base: str) -> None:
    assert load(base + JUDGE, "auxiliary_deployments.judge.type=none").auxiliary_deployments == ()


def test_a_template_of_a_command_is_written_out(load: Load, base: str) -> None:
    text = (
        f"{base}auxiliary_deployments:\n  judge:\n    type: vllm\n    served_model_name: j\n    hf_model_handle: a/b\n"
    )
    text += (
        "    command_template: serve {hf_model_handle_or_checkpoint} -n {served_model_name} -p {port} {extra_args}\n"
    )
    assert judge_of(load(text)).server.command == "serve a/b -n j -p {port} "
    other = load(text, "auxiliary_deployments.judge.command=mine", "+auxiliary_deployments.judge.checkpoint_path=/m")
    assert judge_of(other).server.command == "mine"
    with pytest.raises(
        ConfigError, match=r"\{served_model\} is no key of this section; did you mean 'served_model_name'"
    ):
        load(text.replace("{served_model_name}", "{served_model}"))


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("judge=x", "auxiliary_deployments.judge: is 'x'; must be a mapping"),
        ("judge={type: vlm}", "auxiliary_deployments.judge.type: 'vlm' is none of"),
        ("judge={type: demo, prot: 1}", "auxiliary_deployments.judge.prot: unknown key; did you mean 'port'?"),
        ("judge={type: demo, port: 70000}", "auxiliary_deployments.judge.port: must be between"),
        ("judge={type: demo, extra_args: -x}", "auxiliary_deployments.judge.extra_args: not for type demo"),
        ("judge={type: demo, env_vars: {A: x y}}", "auxiliary_deployments.judge.env_vars.A: is neither"),
        ("judge={type: demo, env_prefix: judge}", "'judge' cannot begin a variable's name"),
        ("judge={type: demo, num_instances: 2}", "auxiliary_deployments.judge.num_instances: an auxiliary deployment"),
        ("judge={type: demo, num_nodes: many}", "auxiliary_deployments.judge.num_nodes: 'many' is not an integer"),
        ("a_judge_with_a_long_name={type: demo}", "a name here has letters"),
        ("other={type: demo, env_prefix: JUDGE}", "auxiliary_deployments.other.env_prefix: JUDGE is that of judge too"),
        ("Judge={type: demo, env_prefix: B}", "auxiliary_deployments.Judge: differs from judge only in"),
        *((f"judge={{type: demo, env_prefix: {name}}}", f"{name} is taken") for name in RESERVED_PREFIXES),
    ],
)
def test_what_is_wrong_is_told_with_its_place(load: Load, base: str, override: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(base + JUDGE, f"auxiliary_deployments.{override}")
    (problem,) = caught.value.problems
    assert problem.startswith("-o auxiliary_deployments.")
    assert complaint in problem


# --- texts that name it ----------------------------------------------------------------------------------------------

PLAIN = "auxiliary_deployments.judge.chat_url"


@pytest.mark.parametrize("text", [PLAIN, f"'${{{PLAIN}}}'", f"'${{ {PLAIN} }}'"])
def test_its_address_stays_a_name_until_the_job_runs(load: Load, base: str, text: str) -> None:
    spec = load(naming(base, text))
    assert named(spec) == PLAIN
    assert named(load(spec.resolved)) == PLAIN, "what is stored can be run again"


def test_other_expressions_beside_it_are_evaluated_as_ever(load: Load, base: str) -> None:
    text = f"'${{{PLAIN}}} ${{auxiliary_deployments.judge.type}}'"
    assert named(load(naming(base, text))) == f"{PLAIN} demo"
    assert named(load(naming(base, "'\\${auxiliary_deployments.judge.model_id}'"))) == (
        "${auxiliary_deployments.judge.model_id}"
    )


@pytest.mark.parametrize("text", [PLAIN, f"${{{PLAIN}}}", f"lit:{PLAIN}"])
def test_a_variable_can_have_it_as_its_value(load: Load, base: str, text: str) -> None:
    value = load(base + JUDGE, f"+evaluation.env_vars.J={text}").tasks[0].env["J"]
    assert (value.source, value.text) == (ValueSource.LITERAL, PLAIN)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("auxiliary_deployments.jugde.chat_url", "is called 'jugde'; did you mean 'judge'?"),
        ("auxiliary_deployments.judge.caht_url", "nothing is called 'caht_url' of it; did you mean 'chat_url'?"),
        ("ask auxiliary_deployments.judge.url now", "nothing is called 'url' of it"),
        ("'${auxiliary_deployments.jugde.chat_url}'", "is called 'jugde'; did you mean 'judge'?"),
    ],
)
def test_a_text_that_names_what_is_not_there_is_an_error(load: Load, base: str, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(naming(base, text))
    assert str(caught.value).startswith("f:4:")
    assert "evaluation.nemo_evaluator_config.config.params.extra.j" in str(caught.value)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "target.api_endpoint.model_id",
        "target.api_endpoint.url",
        "evaluation.tasks[0].name",
        "evaluation.tasks[0].container",
        "evaluation.tasks[0].dataset_dir",
        "evaluation.tasks[0].harness.results.file",
    ],
)
def test_where_nobody_fills_it_in_it_is_an_error(load: Load, base: str, key: str) -> None:
    text = base.replace("[smoke]", "[{name: smoke, harness: {command: x, results: {file: r.yml}}}]") + JUDGE
    with pytest.raises(ConfigError) as caught:
        load(text, f"++{key}={PLAIN}")
    said = f"++{key}={PLAIN}: {key}: {PLAIN} is known only while the run goes on; only evaluation can name it: "
    assert f"-o {said}" in str(caught.value)


def test_wherever_it_is_allowed_it_is_filled_in(load: Load, base: str) -> None:
    text = base.replace("[smoke]", "[{name: smoke, harness: {command: x}}]") + JUDGE
    everywhere = [
        *(f"{level}.{key}" for level in ("evaluation", "evaluation.tasks[0]") for key in ("pre_cmd", "env_vars.A")),
        *(f"evaluation.tasks[0].{key}" for key in ("post_cmd", "harness.command", "nemo_evaluator_config.command")),
        "evaluation.nemo_evaluator_config.config.params.extra.j",
        "evaluation.nemo_evaluator_config.target.api_endpoint.url",
        "target.api_endpoint.adapter_config.j",
    ]
    for key in everywhere:
        spec = load(text, f"++{key}={PLAIN}")
        servers = auxiliary_servers(spec.auxiliary_deployments)
        found = (with_servers(spec.tasks[0], servers), endpoint_with_servers(spec.endpoint, servers))
        assert "JUDGE_CHAT_URL" in repr(found), key
        assert PLAIN not in repr(found), key


def test_only_a_server_that_ranks_has_a_url_for_it(load: Load, base: str) -> None:
    url = "auxiliary_deployments.judge.ranking_url"
    with pytest.raises(ConfigError, match=r"^f:4:.*extra.j: 'judge' has no ranking_url unless .*endpoints.ranking"):
        load(naming(base, url))
    assert named(load(naming(base, url), "+auxiliary_deployments.judge.endpoints.ranking=/v1/ranking")) == url


def test_only_the_evaluation_can_name_it(load: Load, base: str) -> None:
    with pytest.raises(ConfigError, match=r"export.local.output_filename: .* only evaluation can name it"):
        load(base + JUDGE, f"+export.local.output_filename={PLAIN}")
    with pytest.raises(ConfigError, match=r"no auxiliary deployment .* is called 'judge'"):
        load(naming(base, PLAIN), "auxiliary_deployments.judge.type=none")
