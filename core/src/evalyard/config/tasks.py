"""`evaluation:` to the tasks to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from evalyard.config.environment import overlay, read_env_vars
from evalyard.config.fields import Fields
from evalyard.config.node import Node, Plain, Problems, kind
from evalyard.specs import CommandSpec, EnvVars, ResultFile, ResultFormat, TaskSpec

_EVALUATION = ("tasks", "env_vars", "nemo_evaluator_config", "overrides", "pre_cmd", "post_cmd")
_TASK = (
    *("name", "endpoint_type", "harness", "container", "dataset_dir", "dataset_mount_path", "env_vars"),
    *("nemo_evaluator_config", "overrides", "pre_cmd", "post_cmd"),
)
_HARNESS_CONFIG = ("config", "target", "command", "framework_name", "pkg_name")
_HARNESS_CONFIG_CONFIG = ("params", "type", "output_dir", "supported_endpoint_types")


@frozen(kw_only=True)
class _Shared:
    """What every task has from the levels above it."""

    params: Mapping[str, Plain]
    harness_config: Mapping[str, Plain]
    env: EnvVars
    pre_cmd: str | None
    post_cmd: str | None


def read_tasks(top: Fields, env: EnvVars, problems: Problems) -> tuple[TaskSpec, ...]:
    """Return the tasks, each with what it inherits. `env` are the variables of the levels above `evaluation`."""
    if top.node("evaluation") is None:
        problems.add("", "evaluation.tasks", "missing; say what to run, as in `evaluation: {tasks: [smoke]}`")
        return ()
    evaluation = top.section("evaluation", known=_EVALUATION)
    params, harness_config = _harness_settings(evaluation)
    shared = _Shared(
        params=params,
        harness_config=harness_config,
        env=overlay(env, read_env_vars(evaluation.node("env_vars"), "evaluation.env_vars", problems)),
        pre_cmd=evaluation.text("pre_cmd") or None,
        post_cmd=evaluation.text("post_cmd") or None,
    )
    node = evaluation.node("tasks")
    if node is None or not node.value or not isinstance(node.value, list):
        if not evaluation.broken:
            wrong = node is not None and node.value and not isinstance(node.value, list)
            evaluation.complain("tasks", "must be a list of tasks" if wrong else "no tasks; name at least one")
        return ()
    read = (_task(item, f"evaluation.tasks[{index}]", shared, problems) for index, item in enumerate(node.value))
    return tuple(task for task in read if task is not None)


def _task(node: Node, path: str, shared: _Shared, problems: Problems) -> TaskSpec | None:
    bare = TaskSpec(
        name=node.value if isinstance(node.value, str) else "",
        params=shared.params,
        harness_config=shared.harness_config,
        env=shared.env,
        pre_cmd=shared.pre_cmd,
        post_cmd=shared.post_cmd,
        where=f"{node.place}: {path}",
    )
    if isinstance(node.value, str):
        return bare
    if not isinstance(node.value, dict):
        problems.add(node.place, path, f"is {kind(node)}; a task is a name or a mapping with a `name`")
        return None
    fields = Fields(node, path, problems, known=_TASK)
    harness = None
    if fields.node("harness") is not None:
        command = fields.section("harness", known=("command", "results"))
        harness = CommandSpec(command=command.required_text("command"), results=_result_file(command))
    params, harness_config = _harness_settings(fields)
    return evolve(
        bare,
        name=fields.required_text("name"),
        endpoint_type=fields.text("endpoint_type"),
        harness=harness,
        container=fields.text("container") or None,
        dataset_dir=fields.text("dataset_dir") or None,
        dataset_mount_path=fields.text("dataset_mount_path") or bare.dataset_mount_path,
        params=_merged(shared.params, params),
        harness_config=_merged(shared.harness_config, harness_config),
        env=overlay(shared.env, read_env_vars(fields.node("env_vars"), f"{path}.env_vars", problems)),
        pre_cmd=fields.text("pre_cmd") or shared.pre_cmd,
        post_cmd=fields.text("post_cmd") or shared.post_cmd,
        where=f"{(fields.node('name') or node).place}: {path}",
    )


def _result_file(command: Fields) -> ResultFile | None:
    """Return `harness.results`: a file name, a mapping, or null for none."""
    node = command.node("results")
    if node is None:
        return ResultFile()
    if not isinstance(node.value, dict):
        return None if node.value is None else ResultFile(file=command.text("results") or "results.yml")
    fields = command.section("results", known=("file", "format", "scores"))
    scores = {name: child.value for name, child in fields.mapping("scores").items() if isinstance(child.value, str)}
    written = fields.text("format") or ("yaml" if scores else "nemo")
    formats = {member.value: member for member in ResultFormat}
    if written not in formats:
        fields.complain("format", f"'{written}' is not one of {', '.join(formats)}")
    found = formats.get(written, ResultFormat.NEMO)
    if found in (ResultFormat.YAML, ResultFormat.JSON) and not scores:
        fields.complain("scores", "missing; name the scores and their paths, as in `scores: {accuracy: summary.acc}`")
    if len(scores) != len(fields.mapping("scores")):
        fields.complain("scores", "each must be a dotted path in the file, as in `accuracy: summary.acc`")
    return ResultFile(file=fields.text("file") or "results.yml", format=found, scores=scores)


def _harness_settings(fields: Fields) -> tuple[dict[str, Plain], dict[str, Plain]]:
    """Return the parameters of one level, and the rest of its `nemo_evaluator_config`."""
    if fields.mapping("overrides"):
        # What could be understood stands in nemo_evaluator_config by now.
        fields.complain("overrides", "must be dotted keys below config or target, as in `config.params.limit_samples`")
    whole = fields.section("nemo_evaluator_config", known=_HARNESS_CONFIG)
    config = whole.section("config", known=_HARNESS_CONFIG_CONFIG)
    rest = whole.data()
    inner = rest.get("config")
    if isinstance(inner, dict):
        rest["config"] = {key: value for key, value in inner.items() if key != "params"}
        if not rest["config"]:
            del rest["config"]
    return config.free("params"), {key: value for key, value in rest.items() if value is not None}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Mapping[str, Any]:
    if not over:
        return base
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
