"""Nodes to specs: the part of the configuration whose shape core declares. Every complaint carries place and path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from attrs import frozen

from evalyard.config.environment import host_variable, overlay, read_env_vars
from evalyard.config.fields import Fields
from evalyard.config.node import Node, Plain, Problems, join_path, kind, plain, show, walk
from evalyard.config.overrides import task_name
from evalyard.errors import UsageError
from evalyard.specs import (
    CommandSpec,
    DeploymentSpec,
    EndpointSpec,
    EnvVars,
    ResultFile,
    ResultFormat,
    RunSpec,
    Section,
    ServerPaths,
    TaskSpec,
)

_TOP = ("env_vars", "target", "execution", "deployment", "evaluation", "export", "extensions", "user_config_path")
_DEPLOYMENT = ("type", "command", "image", "port", "served_model_name", "endpoints", "env_vars")
_DEPLOYMENT_LATER = (
    *("pre_cmd", "checkpoint_path", "cache_path", "hf_model_handle", "multiple_instances", "lepton_config"),
    *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "distributed_executor_backend"),
    *("gpu_memory_utilization", "extra_args", "base_command"),
)
_TASK = ("name", "endpoint_type", "harness", "env_vars", "nemo_evaluator_config", "overrides", "pre_cmd", "post_cmd")
_TASK_LATER = ("container", "dataset_dir", "dataset_mount_path")
_OLD_PARAMS = "config.params."
_NOT_URL = re.compile(r"(?!https?://[^/\s])")
_MAX_PORT = 65535


@frozen(kw_only=True)
class _Shared:
    """What every task has from the levels above it."""

    params: Mapping[str, Plain]
    top_env: EnvVars
    evaluation_env: EnvVars
    key_env: EnvVars
    pre_cmd: str | None
    post_cmd: str | None


def to_spec(root: Node, source: str, resolved: str, problems: Problems) -> RunSpec:
    """Return the typed form of a resolved configuration. Raises ConfigError with everything in `problems`."""
    top = Fields(root, "", problems, known=_TOP, later=("auxiliary_deployments",))
    env = read_env_vars(top.node("env_vars"), "env_vars", problems)
    deployment = _deployment(top, env, problems)
    target = top.section("target", known=("api_endpoint",)).section(
        "api_endpoint", known=("url", "model_id", "api_key_name", "type", "adapter_config")
    )
    endpoint = _endpoint(target, served=_is_served(top))
    key_node = target.node("api_key_name")
    key_env: EnvVars = {}
    if endpoint.api_key_name is not None and key_node is not None:
        key_env = host_variable(endpoint.api_key_name, key_node, "target.api_endpoint.api_key_name", problems)
    tasks = _tasks(top, env, key_env, problems)
    execution = _execution(top, problems)
    exports = _sections(top, "export", problems, skip=("env_vars",))
    extensions = _sections(top, "extensions", problems)
    problems.raise_if_any()
    return RunSpec(
        source=source,
        tasks=tasks,
        endpoint=endpoint,
        deployment=deployment,
        execution=execution,
        exports=exports,
        extensions=extensions,
        resolved=resolved,
    )


def _is_served(top: Fields) -> bool:
    """Return whether the configuration asks for a deployment, even one with mistakes in it."""
    node = top.node("deployment")
    if node is None or node.value is None:
        return False
    written = node.value.get("type") if isinstance(node.value, dict) else None
    return written is None or written.value != "none"


def _endpoint(target: Fields, *, served: bool) -> EndpointSpec:
    endpoint = EndpointSpec(
        url=target.text("url"),
        model_id=target.text("model_id"),
        api_key_name=target.text("api_key_name"),
        type=target.text("type"),
        adapter_config=target.free("adapter_config"),
    )
    if served:
        for key, value in (("url", endpoint.url), ("model_id", endpoint.model_id)):
            if value is not None:
                target.complain(
                    key, "stands beside a deployment, which brings its own; remove one (-o deployment=none)"
                )
    elif endpoint.url is None:
        say = "needed where nothing is deployed: set it (-o target.api_endpoint.url=...), or add a `deployment:`"
        target.complain("url", say)
    elif _NOT_URL.match(endpoint.url):
        target.complain("url", "must begin with http:// or https:// and a host")
    return endpoint


def _deployment(top: Fields, env: EnvVars, problems: Problems) -> DeploymentSpec | None:
    fields = top.section("deployment", known=_DEPLOYMENT, later=_DEPLOYMENT_LATER)
    if fields.broken or not _is_served(top):
        return None
    paths = fields.section("endpoints", known=("chat", "completions", "health"), later=("embedding", "ranking"))
    port = fields.integer("port")
    if port is not None and not 0 <= port <= _MAX_PORT:
        fields.complain("port", f"must be between 0 (any free port) and {_MAX_PORT}")
    return DeploymentSpec(
        type=fields.required_text("type"),
        command=fields.text("command"),
        image=fields.text("image"),
        port=port,
        served_model_name=fields.text("served_model_name"),
        endpoints=ServerPaths(
            chat=paths.text("chat"), completions=paths.text("completions"), health=paths.text("health")
        ),
        env=overlay(env, read_env_vars(fields.node("env_vars"), "deployment.env_vars", problems)),
    )


def _tasks(top: Fields, env: EnvVars, key_env: EnvVars, problems: Problems) -> tuple[TaskSpec, ...]:
    if top.node("evaluation") is None:
        problems.add("", "evaluation.tasks", "missing; say what to run, as in `evaluation: {tasks: [smoke]}`")
        return ()
    evaluation = top.section(
        "evaluation",
        known=("tasks", "env_vars", "nemo_evaluator_config", "overrides", "pre_cmd", "post_cmd"),
    )
    shared = _Shared(
        params=_params(evaluation, problems),
        top_env=env,
        evaluation_env=read_env_vars(evaluation.node("env_vars"), "evaluation.env_vars", problems),
        key_env=key_env,
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
    env = overlay(shared.key_env, shared.top_env, shared.evaluation_env)
    if isinstance(node.value, str):
        return TaskSpec(
            name=node.value,
            params=shared.params,
            env=env,
            pre_cmd=shared.pre_cmd,
            post_cmd=shared.post_cmd,
            where=f"{node.place}: {path}",
        )
    if not isinstance(node.value, dict):
        problems.add(node.place, path, f"is {kind(node)}; a task is a name or a mapping with a `name`")
        return None
    fields = Fields(node, path, problems, known=_TASK, later=_TASK_LATER)
    harness = None
    if fields.node("harness") is not None:
        command = fields.section("harness", known=("command", "results"))
        harness = CommandSpec(command=command.required_text("command"), results=_result_file(command))
    own_env = read_env_vars(fields.node("env_vars"), f"{path}.env_vars", problems)
    return TaskSpec(
        name=fields.required_text("name"),
        endpoint_type=fields.text("endpoint_type"),
        harness=harness,
        params=_merge(shared.params, _params(fields, problems)),
        env=overlay(env, own_env),
        pre_cmd=fields.text("pre_cmd") or shared.pre_cmd,
        post_cmd=fields.text("post_cmd") or shared.post_cmd,
        where=f"{node.place}: {path}",
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


def _params(fields: Fields, problems: Problems) -> Mapping[str, Plain]:
    """Return the parameters of one level: `nemo_evaluator_config.config.params`, or the older `overrides`."""
    old: dict[str, Plain] = {}
    overrides = fields.mapping("overrides")
    for key, node in overrides.items():
        if not key.startswith(_OLD_PARAMS):
            problems.add(node.place, f"{fields.path}.overrides.{key}", "not supported by this version")
            continue
        nested: Plain = plain(node)
        for part in reversed(key.removeprefix(_OLD_PARAMS).split(".")):
            nested = {part: nested}
        old = _merge(old, nested) if isinstance(nested, dict) else old
    config = fields.section("nemo_evaluator_config", known=("config",), later=("target",)).section(
        "config", known=("params",), later=("type", "output_dir", "supported_endpoint_types")
    )
    return _merge(old, config.free("params"))


def _merge(base: Mapping[str, Plain], over: Mapping[str, Plain]) -> dict[str, Plain]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _execution(top: Fields, problems: Problems) -> Section:
    node = top.node("execution")
    if node is None or node.value is None:
        place = node.place if node is not None else ""
        problems.add(
            place, "execution", "missing; say where to run, as in `execution: {type: local}` or -o execution=local"
        )
        return Section(name="", path="execution", data={})
    if not isinstance(node.value, dict):
        problems.add(node.place, "execution", f"is {kind(node)}; must be a mapping such as {{type: local}}")
        return Section(name="", path="execution", data={})
    # Only the executor knows what else belongs here.
    fields = Fields(node, "execution", problems, known=tuple(node.value))
    section = to_section(node, name=fields.required_text("type"), path="execution")
    return Section(
        name=section.name,
        path=section.path,
        data={key: value for key, value in section.data.items() if key != "type"},
        places=section.places,
    )


def _sections(top: Fields, key: str, problems: Problems, skip: Sequence[str] = ()) -> tuple[Section, ...]:
    found = []
    for name, node in top.mapping(key).items():
        path = join_path(key, name)
        if name in skip:
            read_env_vars(node, path, problems)
        elif node.value is None or isinstance(node.value, dict):
            found.append(to_section(node, name=name, path=path))
        else:
            problems.add(node.place, path, f"is {kind(node)}; must be a mapping")
    return tuple(found)


def to_section(node: Node, *, name: str, path: str) -> Section:
    """Return a mapping as a Section with the place of every key in it."""
    data = plain(node)
    places = {join_path(path, show(keys)) if keys else path: child.place for keys, child in walk(node)}
    return Section(name=name, path=path, data=data if isinstance(data, dict) else {}, places=places)


def select_tasks(root: Node, wanted: Sequence[str]) -> Node:
    """Return the configuration with only the tasks that `-t` names: NAME, or NAME.0 for the first one of that name.

    Raises UsageError for a name that is not there.
    """
    evaluation = root.value.get("evaluation") if isinstance(root.value, dict) else None
    tasks = evaluation.value.get("tasks") if evaluation is not None and isinstance(evaluation.value, dict) else None
    if not wanted or evaluation is None or tasks is None or not isinstance(tasks.value, list):
        return root
    labels: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    for task in tasks.value:
        name = task_name(task) or ""
        labels.append((name, f"{name}.{seen.get(name, 0)}"))
        seen[name] = seen.get(name, 0) + 1
    names = {name for name, _ in labels}
    unknown = [text for text in wanted if text not in names and text not in {label for _, label in labels}]
    if unknown:
        known = [label if seen[name] > 1 else name for name, label in labels if name]
        listed = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
        raise UsageError(
            f"no task is called {', '.join(repr(text) for text in unknown)}", hint=f"the tasks are: {listed}"
        )
    kept = [
        task
        for task, (name, label) in zip(tasks.value, labels, strict=True)
        if name in wanted or (label in wanted and label not in names)
    ]
    kept_tasks = Node({**_entries(evaluation), "tasks": Node(list(kept), tasks.place)}, evaluation.place)
    return Node({**_entries(root), "evaluation": kept_tasks}, root.place)


def _entries(node: Node) -> dict[str, Node]:
    return node.value if isinstance(node.value, dict) else {}
