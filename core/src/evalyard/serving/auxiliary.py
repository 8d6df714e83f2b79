"""Model servers beside the one under test: how they start, and how what a task says of them is filled in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve

from evalyard.config.references import MODEL_ID, filled_in, reference
from evalyard.errors import ConfigError
from evalyard.ids import SERVER_FOLDER
from evalyard.records.programs import Server
from evalyard.serving.recipes import server_for
from evalyard.specs import AuxiliarySpec, EndpointSpec, TaskSpec, ValueSource


def auxiliary_servers(specs: Sequence[AuxiliarySpec]) -> tuple[Server, ...]:
    """Return what to start for further servers.

    Raises:
        ConfigError: something that a recipe needs is missing; all that is wrong at once.
    """
    found: list[Server] = []
    problems: list[str] = []
    for spec in specs:
        try:
            server = evolve(server_for(spec.server), name=spec.name, env_prefix=spec.env_prefix)
        except ConfigError as error:
            problems += error.problems
            continue
        here = f"{SERVER_FOLDER}/"
        files = (evolve(file, path=f"{server.folder}/{file.path.removeprefix(here)}") for file in server.files)
        found.append(evolve(server, files=tuple(files)))
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def with_servers(task: TaskSpec, servers: Sequence[Server]) -> TaskSpec:
    """Return a task with the models of further servers in it, and variables in place of their addresses."""
    if not servers:
        return task
    texts, in_shell = _texts(servers), _in_shell(servers)
    env = {
        name: evolve(value, text=filled_in(value.text, texts)) if value.source is ValueSource.LITERAL else value
        for name, value in task.env.items()
    }
    harness = task.harness and evolve(task.harness, command=filled_in(task.harness.command, in_shell))
    return evolve(
        task,
        params=filled_in(task.params, texts),
        harness_config=filled_in(task.harness_config, texts),
        env=env,
        harness=harness,
        pre_cmd=filled_in(task.pre_cmd, in_shell),
        post_cmd=filled_in(task.post_cmd, in_shell),
    )


def endpoint_with_servers(endpoint: EndpointSpec, servers: Sequence[Server]) -> EndpointSpec:
    """Return an endpoint with the same filled in, in its adapter's configuration."""
    return evolve(endpoint, adapter_config=filled_in(endpoint.adapter_config, _texts(servers)))


def addresses(servers: Sequence[Server]) -> tuple[str, ...]:
    """Return the variables that hold the URLs of further servers."""
    return tuple(name for server in servers for name in server.url_variables)


def _texts(servers: Sequence[Server]) -> Mapping[str, str]:
    """Return reference -> what stands for it in data."""
    return _in_shell(servers) | {reference(server.name, MODEL_ID): server.model_id for server in servers}


def _in_shell(servers: Sequence[Server]) -> dict[str, str]:
    """Return reference -> what stands for it in shell text."""
    found = {reference(server.name, MODEL_ID): f"${{{server.env_prefix}_MODEL_ID}}" for server in servers}
    for server in servers:
        urls = {reference(server.name, f"{kind}_url"): kind for kind in server.paths}
        found |= {text: f"${{{server.env_prefix}_{kind.upper()}_URL}}" for text, kind in urls.items()}
    return found
