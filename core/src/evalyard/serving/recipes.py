"""Serving recipes: from `deployment.type` to what is started, where it listens and how it is asked for its health.

Pure. A recipe knows nothing of backends: an executor runs its script as a process, in a container, or in a job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import evolve

from evalyard.config.deployment_types import DEPLOYMENT_TYPES
from evalyard.errors import ConfigError
from evalyard.harness.travelling import FIND_PYTHON, package_files
from evalyard.ids import SERVER_FOLDER
from evalyard.records.files import SecretRef
from evalyard.records.programs import Mount, Server
from evalyard.serving.commands import MODEL_SERVERS, cache_exports
from evalyard.specs import DeploymentSpec, EnvVars, ValueSource

OPENAI_PATHS: Mapping[str, str] = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embedding": "/v1/embeddings",
}
"""Where an OpenAI-compatible server answers, unless the deployment says otherwise."""

DEFAULT_PORT = 8000


def server_for(deployment: DeploymentSpec) -> Server:
    """Return what to start for a deployment.

    Raises:
        ConfigError: no such recipe, or something that the recipe needs is missing; all that is wrong at once.
    """
    recipe = _RECIPES.get(deployment.type)
    if recipe is None:
        there = ", ".join(sorted(_RECIPES))
        said = f"'{deployment.type}' is not in this version; there are: none, {there}"
        raise ConfigError([_problem(deployment, "type", said)])
    if deployment.multiple_instances:
        said = f"type {deployment.type} has one server for all"
        raise ConfigError([_problem(deployment, "multiple_instances", said)])
    return recipe(deployment)


def _generic(deployment: DeploymentSpec) -> Server:
    _check(deployment, required=("command", "served_model_name"))
    return _server(deployment, script=_own_command(deployment), gpus=True)


def _demo(deployment: DeploymentSpec) -> Server:
    _check(deployment)
    script = _own_command(deployment) or (
        f'{FIND_PYTHON}\nPYTHONPATH="$EVALYARD_JOB_DIR" "$python" -m demo \\\n'
        '  --host "$HOST" --port "$PORT" --model "$EVALYARD_MODEL_ID"'
    )
    server = _server(deployment, script=script, model="demo", port=0)
    return evolve(server, files=package_files("evalyard.serving", "demo", f"{SERVER_FOLDER}/demo"))


def _nim(deployment: DeploymentSpec) -> Server:
    _check(deployment, required=("image", "served_model_name"))
    # What the image starts with by itself. Which of the two port variables it reads depends on its age.
    script = _own_command(deployment) or (
        'export NIM_SERVER_PORT="$PORT" NIM_HTTP_API_PORT="$PORT"\n'
        "exec /opt/nvidia/nvidia_entrypoint.sh /opt/nim/start_server.sh"
    )
    return _server(deployment, script=script, health="/v1/health/ready", gpus=True)


def _model_server(deployment: DeploymentSpec) -> Server:
    """A program that is given a model: vllm, sglang, trtllm."""
    own = _own_command(deployment)
    _check(deployment, required=("served_model_name",), model=not own)
    if own:
        return _server(deployment, script=own, gpus=True)
    options = deployment.options or DEPLOYMENT_TYPES[deployment.type].options()
    command = MODEL_SERVERS[deployment.type](deployment, options)
    return evolve(_server(deployment, script=command.script, gpus=True), program=command.program)


def _own_command(deployment: DeploymentSpec) -> str:
    return (deployment.command or "").replace("{port}", "$PORT")


def _check(deployment: DeploymentSpec, *, required: tuple[str, ...] = (), model: bool = False) -> None:
    """Complain about everything that is missing or cannot be.

    Args:
        deployment: what was asked for.
        required: keys that must have a value.
        model: whether it must say which model to serve.
    """
    found = [(key, f"must be set for type {deployment.type}") for key in required if not getattr(deployment, key)]
    if model and not (deployment.checkpoint_path or deployment.hf_model_handle):
        said = f"type {deployment.type} needs a model: give its folder here, or its name in hf_model_handle"
        found.append(("checkpoint_path", said))
    if model and deployment.checkpoint_path and deployment.hf_model_handle:
        found.append(("hf_model_handle", "names the model a second time: leave it or checkpoint_path out (or null)"))
    for key in ("checkpoint_path", "cache_path"):
        folder = getattr(deployment, key)
        if folder and not folder.startswith("/"):
            hub = "; a model's name on the Hugging Face hub goes to hf_model_handle" if key == "checkpoint_path" else ""
            found.append((key, f"'{folder}' is not an absolute path{hub}"))
    if found:
        raise ConfigError([_problem(deployment, key, text) for key, text in found])


def _problem(deployment: DeploymentSpec, key: str, text: str) -> str:
    place = deployment.places.get(key) or deployment.places.get("", "")
    return f"{place}: {deployment.path}.{key}: {text}" if place else f"{deployment.path}.{key}: {text}"


def _server(
    deployment: DeploymentSpec,
    *,
    script: str,
    model: str = "",
    port: int = DEFAULT_PORT,
    health: str = "/health",
    gpus: bool = False,
) -> Server:
    """Put together what all recipes share. `model`, `port` and `health` hold where the deployment does not say."""
    wanted = deployment.endpoints
    given = {kind: path for kind in ("chat", "completions", "embedding", "ranking") if (path := getattr(wanted, kind))}
    parts = (cache_exports(deployment), deployment.pre_cmd, script)
    return Server(
        recipe=deployment.type,
        model_id=deployment.served_model_name or model,
        script="\n".join(part for part in parts if part),
        image=deployment.image,
        image_by_default=_has_default_image(deployment),
        mounts=_mounts(deployment),
        gpus=gpus,
        port=port if deployment.port is None else deployment.port,
        health_path=wanted.health or health,
        paths={**OPENAI_PATHS, **given},
        literals=_texts(deployment.env, ValueSource.LITERAL),
        secrets=secret_refs(deployment.env),
        runtime=_texts(deployment.env, ValueSource.RUNTIME),
        told=deployment.executor_config,
    )


def _has_default_image(deployment: DeploymentSpec) -> bool:
    known = DEPLOYMENT_TYPES.get(deployment.type)
    return known is not None and bool(deployment.image) and known.defaults.get("image") == deployment.image


def _mounts(deployment: DeploymentSpec) -> tuple[Mount, ...]:
    mounts = []
    if source := deployment.checkpoint_path:
        mounts.append(Mount(source=source, target="/checkpoint", read_only=True, variable="EVALYARD_CHECKPOINT"))
    if source := deployment.cache_path:
        mounts.append(Mount(source=source, target="/cache", variable="EVALYARD_MODEL_CACHE"))
    return tuple(mounts)


def secret_refs(env: EnvVars) -> tuple[SecretRef, ...]:
    """Return the variables whose values come from where `run` is called."""
    return tuple(
        SecretRef(name=name, variable=value.text, where=value.where)
        for name, value in env.items()
        if value.source is ValueSource.HOST
    )


def _texts(env: EnvVars, source: ValueSource) -> dict[str, str]:
    return {name: value.text for name, value in env.items() if value.source is source}


_RECIPES: Mapping[str, Callable[[DeploymentSpec], Server]] = {
    "generic": _generic,
    "demo": _demo,
    "nim": _nim,
    **dict.fromkeys(MODEL_SERVERS, _model_server),
}
