"""From a task's name and endpoint to the benchmark that is meant and the kind of endpoint that it will use."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from evalyard.catalogue.tasks import Catalogue, ListedTask
from evalyard.errors import ConfigError
from evalyard.specs import EndpointSpec, TaskSpec

URL_ENDINGS: Mapping[str, str] = {
    "/chat/completions": "chat",
    "/completions": "completions",
    "/embeddings": "embedding",
}
"""How the path of an OpenAI-compatible endpoint tells its kind; the longest that fits counts."""

_SAME_PATH: Mapping[str, str] = {"vlm": "chat", "completions_logprob": "completions"}
"""Kinds of endpoint that are asked on the path of another kind."""

_CORRECTED_ENDINGS: Mapping[str, str] = {kind: ending for ending, kind in URL_ENDINGS.items()}


@frozen(kw_only=True)
class Benchmark:
    """What a task means."""

    listed: ListedTask | None
    """None = the task brings its own harness, or an image that no catalogue lists."""
    endpoint_type: str


def resolve(task: TaskSpec, endpoint: EndpointSpec, known: Catalogue) -> Benchmark:
    """Return what a task means beside this endpoint.

    Raises:
        ConfigError: no benchmark has the name and the task brings neither command nor container, or the benchmark, the
            task and the endpoint's URL do not agree on the kind of endpoint.
    """
    wished = task.endpoint_type or endpoint.type
    path_kind = url_kind(endpoint.url)
    listed = None
    if task.harness is None:
        listed = known.find(task.name, endpoint_type=wished or path_kind, container=task.container)
        if listed is None and task.container is None:
            raise ConfigError([f"{task.where}: {_unknown(task.name, known)}"])
    if listed is None:
        return Benchmark(listed=None, endpoint_type=wished or path_kind or "chat")
    kind = wished or _first_fitting(listed.endpoint_types, path_kind)
    if kind not in listed.endpoint_types:
        takes = " or ".join(listed.endpoint_types)
        raise ConfigError([f"{task.where}: {listed.full_name} uses an endpoint of type {takes}, not {kind}"])
    if path_kind and _SAME_PATH.get(kind, kind) != path_kind:
        right = corrected(endpoint.url or "", kind)
        disagree = f"uses an endpoint of type {kind}, and the URL is one for {path_kind}"
        mend = f"-o target.api_endpoint.url={right}"
        raise ConfigError([f"{task.where}: {listed.full_name} {disagree}: {mend}"])
    return Benchmark(listed=listed, endpoint_type=kind)


def url_kind(url: str | None) -> str | None:
    """Return the kind of endpoint that a URL's path tells, or None when it tells none."""
    path = (url or "").partition("?")[0].rstrip("/")
    return next((kind for ending, kind in URL_ENDINGS.items() if path.endswith(ending)), None)


def corrected(url: str, kind: str) -> str:
    """Return a URL with the path for another kind of endpoint."""
    ending = _CORRECTED_ENDINGS.get(_SAME_PATH.get(kind, kind), "")
    path = url.partition("?")[0].rstrip("/")
    wrong = next((known for known in URL_ENDINGS if path.endswith(known)), "")
    return path.removesuffix(wrong) + ending


def _first_fitting(kinds: tuple[str, ...], path_kind: str | None) -> str:
    return next((kind for kind in kinds if _SAME_PATH.get(kind, kind) == path_kind), kinds[0])


def _unknown(name: str, known: Catalogue) -> str:
    own = "a harness of your own: give the task `harness: {command: ...}`"
    return f"no task is called '{name}'{known.closest(name)} ({own}; what there is: evalyard ls tasks)"
