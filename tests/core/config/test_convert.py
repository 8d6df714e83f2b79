"""From resolved data to specs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from evalyard.config import load_text
from evalyard.errors import ConfigError
from evalyard.specs import CommandSpec, EnvValue, ResultFile, RunSpec, Section

from .conftest import Load

FULL = """
user_config_path: /gone.yaml
env_vars: {TOKEN: host:MY_TOKEN, LEVEL: 007}
execution: {type: local, output_dir: results, mode: sequential}
target:
  api_endpoint:
    url: https://host/v1/chat/completions
    model_id: "${oc.env:MODEL}"
    api_key_name: API_KEY
    type: chat
    adapter_config: {use_caching: true, interceptors: [{name: logging}]}
evaluation:
  nemo_evaluator_config: {config: {params: {limit_samples: 10, extra: {a: 1, b: 2}}}}
  tasks:
    - smoke
    - name: own
      endpoint_type: completions
      harness:
        command: |
          echo "${target.api_endpoint.model_id}" \\${HOME}
          exit 0
        results: out.yml
      env_vars: {X: runtime:X}
      nemo_evaluator_config: {config: {params: {limit_samples: 1, extra: {b: 3}}}}
    - smoke
export: {env_vars: {T: host:T}, local: {format: json}, mlflow: }
extensions: {notify: {url: "http://x"}}
"""


def without_places(spec: RunSpec) -> Any:
    def keep(attribute: attrs.Attribute[Any], _: Any) -> bool:
        return attribute.name not in {"where", "places", "source"}

    return attrs.asdict(spec, filter=keep)


def test_everything_lands_where_it_belongs(load: Load) -> None:
    spec = load(FULL, environ={"MODEL": "m"})
    smoke, own, again = spec.tasks
    assert (smoke.name, again.name, own.endpoint_type) == ("smoke", "smoke", "completions")
    assert own.harness == CommandSpec(command='echo "m" ${HOME}\nexit 0\n', results=ResultFile(file="out.yml"))
    assert smoke.params == {"limit_samples": 10, "extra": {"a": 1, "b": 2}}
    assert own.params == {"limit_samples": 1, "extra": {"a": 1, "b": 3}}
    assert set(smoke.env) == {"TOKEN", "LEVEL", "API_KEY"}
    assert set(own.env) == {"TOKEN", "LEVEL", "API_KEY", "X"}
    assert (spec.endpoint.model_id, spec.endpoint.type, spec.endpoint.api_key_name) == ("m", "chat", "API_KEY")
    assert spec.endpoint.adapter_config == {"use_caching": True, "interceptors": [{"name": "logging"}]}
    assert spec.execution.name == "local"
    assert dict(spec.execution.data) == {"output_dir": str(Path.cwd() / "results"), "mode": "sequential"}
    assert [(s.name, s.path, dict(s.data)) for s in (*spec.exports, *spec.extensions)] == [
        ("local", "export.local", {"format": "json"}),
        ("mlflow", "export.mlflow", {}),
        ("notify", "extensions.notify", {"url": "http://x"}),
    ]


def test_running_the_resolved_text_again_gives_the_same(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load(FULL, "config.params.limit_samples=2", environ={"MODEL": "m"})
    monkeypatch.chdir(tmp_path)
    again = load_text(spec.resolved, "r", environ={})
    assert without_places(again) == without_places(spec)
    assert again.resolved == spec.resolved
    assert "user_config_path" not in spec.resolved


def test_the_resolved_text_holds_names_of_secrets_only(load: Load, base: str) -> None:
    resolved = load(base, "env_vars.A=${oc.env:S}", environ={"S": "sesame"}).resolved
    assert "host:S" in resolved
    assert "sesame" not in resolved


def test_a_home_folder_is_the_callers(load: Load, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert load(base, "execution.output_dir=~/out").execution.data["output_dir"] == "/home/me/out"


BOTH = "execution: {type: local}\ndeployment: {type: generic}\nevaluation: {tasks: [t]}\n"
BAD = {
    "typo at the top": ("{base}evaluatoin: {{}}\n", "f:5:1: evaluatoin: unknown key; did you mean 'evaluation'?"),
    "typo in a task": (
        "evaluation: {{tasks: [{{nmae: a, name: b}}]}}",
        "f:2:23: evaluation.tasks[0].nmae: unknown key; did you mean 'name'?",
    ),
    "params beside the name": (
        "evaluation: {{tasks: [{{name: b, params: {{}}}}]}}",
        "f:2:32: evaluation.tasks[0].params: unknown key",
    ),
    "nameless task": (
        "evaluation: {{tasks: [{{endpoint_type: chat}}]}}",
        "f:2:22: evaluation.tasks[0].name: missing; set it in the file, or with -o evaluation.tasks[0].name=...",
    ),
    "task that is a number": (
        "evaluation: {{tasks: [3]}}",
        "f:2:22: evaluation.tasks[0]: is 3; a task is a name or a mapping with a `name`",
    ),
    "no tasks": ("evaluation: {{tasks: []}}", "f:2:14: evaluation.tasks: no tasks; name at least one"),
    "tasks as a mapping": ("evaluation: {{tasks: {{a: b}}}}", "f:2:14: evaluation.tasks: must be a list of tasks"),
    "evaluation as a list": (
        "evaluation: [a]",
        "f:2:1: evaluation: is a list; must be a mapping of tasks, env_vars, nemo_evaluator_config ...",
    ),
    "harness without a command": (
        "evaluation: {{tasks: [{{name: a, harness: {{results: x}}}}]}}",
        (
            "f:2:32: evaluation.tasks[0].harness.command: missing; set it in the file, "
            "or with -o evaluation.tasks[0].harness.command=..."
        ),
    ),
    "url without a scheme": (
        "target: {{api_endpoint: {{url: localhost:8000}}}}",
        "f:2:25: target.api_endpoint.url: must begin with http:// or https:// and a host",
    ),
    "nothing to evaluate": (
        "target: {{}}",
        (
            "target.api_endpoint.url: needed where nothing is deployed: set it (-o target.api_endpoint.url=...), "
            "or add a `deployment:`"
        ),
    ),
    "missing value": (
        "target: {{api_endpoint: {{url: '???'}}}}",
        "f:2:25: target.api_endpoint.url: must be set; in the file, or with -o target.api_endpoint.url=...",
    ),
    "execution as a text": (
        "execution: local",
        "f:2:1: execution: is 'local'; must be a mapping such as {{type: local}}",
    ),
    "execution without type": (
        "execution: {{mode: x}}",
        "f:2:1: execution.type: missing; set it in the file, or with -o execution.type=...",
    ),
    "wrong parameters": (
        "evaluation: {{tasks: [a], nemo_evaluator_config: {{config: {{params: [1]}}}}}}",
        "f:2:59: evaluation.nemo_evaluator_config.config.params: is a list; must be a mapping",
    ),
    "true for a text": (
        "evaluation: {{tasks: [{{name: true}}]}}",
        "f:2:23: evaluation.tasks[0].name: true is not a text; put it in quotes",
    ),
    "harness configuration with a typo": (
        "evaluation: {{tasks: [a], nemo_evaluator_config: {{confg: {{}}}}}}",
        "f:2:50: evaluation.nemo_evaluator_config.confg: unknown key; did you mean 'config'?",
    ),
    "older overrides without dots that mean anything": (
        "evaluation: {{tasks: [a], overrides: {{config..x: 1}}}}",
        "f:2:26: evaluation.overrides: must be dotted keys below config or target, as in `config.params.limit_samples`",
    ),
    "older override of something else": (
        "evaluation: {{tasks: [a], overrides: {{confg.params.x: 1}}}}",
        "f:2:38: evaluation.nemo_evaluator_config.confg: unknown key; did you mean 'config'?",
    ),
    "destinations that are no list": (
        "execution: {{type: local, auto_export: {{destinations: local}}}}",
        "f:2:40: execution.auto_export.destinations: must be a list of names, such as [local]",
    ),
    "auxiliary deployment as a text": (
        "{base}auxiliary_deployments: {{judge: x}}\n",
        "f:5:25: auxiliary_deployments.judge: is 'x'; must be a mapping",
    ),
    "export as a list": ("export: [local]", "f:2:1: export: is a list; must be a mapping"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_fault_is_one_line_with_place_and_key(load: Load, base: str, name: str) -> None:
    text, complaint = BAD[name]
    lines = dict(line.split(":", 1) for line in base.strip().splitlines())
    if "{base}" in text:
        text = text.format(base=base)
    else:
        key, _, rest = text.format().partition(":")
        lines.pop(key, None)
        text = f"\n{key}:{rest}\n" + "".join(f"{other}:{value}\n" for other, value in lines.items())
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.problems == (complaint.replace("{{", "{").replace("}}", "}"),)


@pytest.mark.parametrize("key", ["url", "model_id"])
def test_an_endpoint_beside_a_deployment_is_refused(load: Load, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(BOTH, f"target.api_endpoint.{key}=http://h/v1")
    complaint = "stands beside a deployment, which brings its own; remove one (-o deployment=none)"
    assert caught.value.problems == (
        f"-o target.api_endpoint.{key}=http://h/v1: target.api_endpoint.{key}: {complaint}",
    )


def test_all_faults_of_a_file_come_at_once_but_never_a_screenful(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load("a: 1\nb: ${oc.env:NOPE}\ntarget: {api_endpoint: {url: '???'}}\nevaluation: {tasks: []}\n")
    assert [line.split(": ")[1] for line in caught.value.problems] == [
        "target.api_endpoint.url",
        "b",
        "a",
        "evaluation.tasks",
        "missing; say where to run, as in `execution",
    ]
    with pytest.raises(ConfigError) as caught:
        load("\n".join(f"unknown{i}: 1" for i in range(100)))
    assert len(caught.value.problems) == 20
    assert caught.value.problems[-1].startswith("... and 8")


def test_sections_know_the_place_of_each_key() -> None:
    spec = load_text(FULL, "f", environ={"MODEL": "m"})
    assert isinstance(spec.execution, Section)
    assert spec.execution.place("mode") == "f:4:47"
    assert spec.execution.place("nothing.such") == "f:4:1"
    assert spec.tasks[0].env["LEVEL"] == EnvValue(source=spec.tasks[0].env["LEVEL"].source, text="007", where="f:3")


def test_every_key_of_a_task_is_read(load: Load, base: str) -> None:
    text = base.replace(
        "evaluation: {tasks: [smoke]}",
        """
evaluation:
  nemo_evaluator_config:
    config: {type: chat, params: {a: 1}}
    target: {api_endpoint: {adapter_config: {use_caching: true, use_reasoning: true}}}
  tasks:
    - name: bench
      container: registry/image:1
      dataset_dir: /data
      dataset_mount_path: /d
      nemo_evaluator_config:
        config: {params: {b: 2}}
        target: {api_endpoint: {adapter_config: {use_caching: false}}}
""",
    )
    task = load(text).tasks[0]
    assert (task.container, task.dataset_dir, task.dataset_mount_path) == ("registry/image:1", "/data", "/d")
    assert task.params == {"a": 1, "b": 2}
    adapter = {"use_caching": False, "use_reasoning": True}
    assert task.harness_config == {"config": {"type": "chat"}, "target": {"api_endpoint": {"adapter_config": adapter}}}


def test_a_number_given_for_a_text_is_the_text_that_was_written(load: Load, base: str) -> None:
    spec = load(base, "target.api_endpoint.model_id=70", "evaluation.tasks=[{name: 007}]", "execution.output_dir=2026")
    assert spec.endpoint.model_id == "70"
    assert spec.execution.data["output_dir"] == str(Path.cwd() / "2026")
    assert load(base.replace("[smoke]", "[{name: 007}]")).tasks[0].name == "007"


def test_auto_export_is_cores_and_the_rest_of_it_the_executors(load: Load, base: str) -> None:
    spec = load(base, "execution.auto_export={destinations: [local, mlflow], export_mounts: true}")
    assert spec.auto_export == ("local", "mlflow")
    assert spec.execution.data["auto_export"] == {"export_mounts": True}
    assert "auto_export" not in load(base, "execution.auto_export.destinations=[local]").execution.data


def test_a_complaint_about_a_task_points_at_the_override_that_named_it(base: str) -> None:
    spec = load_text(base, "f.yaml", ["evaluation.tasks=[{name: a}]", "evaluation.tasks[0].name=b"])
    assert spec.tasks[0].where == "-o evaluation.tasks[0].name=b: evaluation.tasks[0]"
