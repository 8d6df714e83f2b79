"""Serving recipes: from `deployment.type` to what is started, where it listens and how it is asked for its health.

Pure. A recipe knows nothing of backends: an executor runs its script as a process, in a container, or in a job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import evolve

from evalyard.errors import ConfigError
from evalyard.harness.script import SERVER_FOLDER
from evalyard.harness.travelling import FIND_PYTHON, package_files
from evalyard.records import SecretRef, Server
from evalyard.specs import DeploymentSpec, EnvVars, ValueSource

OPENAI_PATHS: Mapping[str, str] = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embedding": "/v1/embeddings",
}
"""Where an OpenAI-compatible server answers, unless the deployment says otherwise."""


def server_for(deployment: DeploymentSpec) -> Server:
    """Return what to start for a deployment.

    Raises:
        ConfigError: no such recipe, or something that the recipe needs is missing.
    """
    recipe = _RECIPES.get(deployment.type)
    if recipe is None:
        there = ", ".join(sorted(_RECIPES))
        raise ConfigError([f"deployment.type: '{deployment.type}' is not in this version; there are: none, {there}"])
    if deployment.multiple_instances:
        raise ConfigError([f"deployment.multiple_instances: type {deployment.type} has one server for all"])
    return recipe(deployment)


def _generic(deployment: DeploymentSpec) -> Server:
    missing = [key for key in ("command", "served_model_name") if not getattr(deployment, key)]
    if missing:
        raise ConfigError([f"deployment.{key}: must be set for type generic" for key in missing])
    port = 8000 if deployment.port is None else deployment.port
    return _server(deployment, script=deployment.command or "", model=deployment.served_model_name or "", port=port)


def _demo(deployment: DeploymentSpec) -> Server:
    model = deployment.served_model_name or "demo"
    script = deployment.command or (
        f'{FIND_PYTHON}\nPYTHONPATH=. "$python" -m demo --host "$HOST" --port "$PORT" --model "$EVALYARD_MODEL_ID"'
    )
    server = _server(deployment, script=script, model=model, port=deployment.port or 0)
    return evolve(server, files=package_files("evalyard.serving", "demo", f"{SERVER_FOLDER}/demo"))


def _server(deployment: DeploymentSpec, *, script: str, model: str, port: int) -> Server:
    wanted = deployment.endpoints
    given = {kind: path for kind in ("chat", "completions", "embedding", "ranking") if (path := getattr(wanted, kind))}
    return Server(
        recipe=deployment.type,
        model_id=model,
        script="\n".join(part for part in (deployment.pre_cmd, script.replace("{port}", "$PORT")) if part),
        image=deployment.image,
        port=port,
        health_path=wanted.health or "/health",
        paths={**OPENAI_PATHS, **given},
        literals=_texts(deployment.env, ValueSource.LITERAL),
        secrets=secret_refs(deployment.env),
        runtime=_texts(deployment.env, ValueSource.RUNTIME),
    )


def secret_refs(env: EnvVars) -> tuple[SecretRef, ...]:
    """Return the variables whose values come from where `run` is called."""
    return tuple(
        SecretRef(name=name, variable=value.text, where=value.where)
        for name, value in env.items()
        if value.source is ValueSource.HOST
    )


def _texts(env: EnvVars, source: ValueSource) -> dict[str, str]:
    return {name: value.text for name, value in env.items() if value.source is source}


_RECIPES: Mapping[str, Callable[[DeploymentSpec], Server]] = {"generic": _generic, "demo": _demo}
