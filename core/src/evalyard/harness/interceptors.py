"""nemo-evaluator's request adapter: from the `adapter_config` that people write to one that it accepts.

People list interceptors in any order and leave `endpoint` out; nemo-evaluator demands its stages. Folders that they
leave out would be shared by every run of the machine (`/tmp/...`), and relative ones would depend on where it starts.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from evalyard.errors import ConfigError
from evalyard.harness.places import BESIDE, INSIDE, Places

REQUEST, ANSWER, RESPONSE = range(3)
STAGES: Mapping[str, int] = {
    "system_message": REQUEST,
    "payload_modifier": REQUEST,
    "omni_info": REQUEST,
    "request_logging": REQUEST,
    "caching": ANSWER,
    "nvcf": ANSWER,
    "endpoint": ANSWER,
    "response_stats": RESPONSE,
    "response_logging": RESPONSE,
    "reasoning": RESPONSE,
    "progress_tracking": RESPONSE,
    "raise_client_errors": RESPONSE,
}
"""Interceptor -> when it acts: on the request, by answering it, or on the response."""

_SENDERS = ("endpoint", "nvcf")
_DEFAULT_FOLDERS: Mapping[str, Mapping[str, str]] = {
    "caching": {"cache_dir": "cache"},
    "response_stats": {"cache_dir": "response_stats_cache"},
    "reasoning": {"cache_dir": "reasoning_stats_cache"},
    "progress_tracking": {"output_dir": ""},
}
"""Interceptor -> key -> folder below the artifacts."""
_CACHES = frozenset({"cache_dir", "caching_dir"})
_OUTPUTS = frozenset({"output_dir"})
_FOR_LISTS = frozenset({"mode", "discovery", "interceptors", "post_eval_hooks", "endpoint_type", "log_failed_requests"})
"""What may stand beside `interceptors`; anything else is one of the older switches (`use_caching`, ...)."""


def adapter_config(given: Mapping[str, Any], where: str, places: Places = BESIDE) -> dict[str, Any]:
    """Return an adapter configuration as nemo-evaluator wants it.

    Interceptors are sorted into the stages that it demands (the order within a stage is kept, but caching comes before
    what sends), `endpoint` is added, and folders are settled: a relative cache lies below `execution.output_dir`, so
    that the next run finds it; what is left out lies among the artifacts. Older switches are passed on.

    Args:
        where: `file:line` of the task, for messages.
        places: what the folders are called where it runs.

    Raises:
        ConfigError: switches and interceptors are mixed, or an interceptor is unknown or of no form.
    """
    settled = _with_folders(given, places)
    if not given.get("interceptors"):
        return settled
    switches = sorted(set(given) - _FOR_LISTS)
    if switches:
        problem = f"{', '.join(switches)} cannot stand beside interceptors: make it one of the list"
        raise ConfigError([f"{where}: adapter_config: {problem}"])
    if not isinstance(given["interceptors"], Sequence) or isinstance(given["interceptors"], str):
        raise ConfigError([f"{where}: adapter_config.interceptors: must be a list"])
    entries = [_entry(item, where, places) for item in given["interceptors"]]
    settled["interceptors"] = _in_stages(entries, own=bool(given.get("discovery")), where=where)
    return settled


def _entry(item: Any, where: str, places: Places) -> dict[str, Any]:
    entry = {"name": item} if isinstance(item, str) else item
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise ConfigError([f"{where}: adapter_config.interceptors: {item!r} is neither a name nor has one"])
    name, config = entry["name"], entry.get("config") or {}
    if not isinstance(config, Mapping):
        raise ConfigError([f"{where}: adapter_config.interceptors: the config of {name} is not a mapping"])
    defaults = {key: _below(places.artifacts, path) for key, path in _DEFAULT_FOLDERS.get(name, {}).items()}
    config = {**defaults, **_with_folders(config, places)}
    if name == "progress_tracking":
        # Its default is port 8000 of this machine: as likely a model server as a listener. None makes it fail.
        config.setdefault("progress_tracking_url", "")
    return {**entry, **({"config": config} if config else {})}


def _in_stages(entries: list[dict[str, Any]], *, own: bool, where: str) -> list[dict[str, Any]]:
    stage = REQUEST
    placed: list[tuple[int, bool, dict[str, Any]]] = []
    for entry in entries:
        name = entry["name"]
        if name not in STAGES and not own:
            close = difflib.get_close_matches(name, STAGES, n=1)
            meant = f"; did you mean '{close[0]}'?" if close else f" (there are {', '.join(STAGES)})"
            problem = f"no interceptor is called '{name}'{meant}"
            hint = "one of your own needs adapter_config.discovery, which says where it is"
            raise ConfigError([f"{where}: adapter_config.interceptors: {problem}"], hint=hint)
        # Nothing tells the stage of a stranger's interceptor: it stays behind the one that it is listed after.
        stage = STAGES.get(name, stage)
        placed.append((stage, name in _SENDERS, entry))
    if not any(sends and entry.get("enabled", True) for _, sends, entry in placed):
        placed.append((ANSWER, True, {"name": "endpoint"}))
    return [entry for _, _, entry in sorted(placed, key=lambda item: item[:2])]


def lasting_folders(adapter: Mapping[str, Any], places: Places) -> tuple[str, ...]:
    """Return the folders below `execution.output_dir` that a settled adapter configuration names; "" = that itself."""
    configs = [adapter, *(entry.get("config", {}) for entry in adapter.get("interceptors", ()))]
    paths = {str(value) for config in configs for key, value in config.items() if key in _CACHES | _OUTPUTS}
    base = places.output_dir
    return tuple(sorted(path.removeprefix(base).strip("/") for path in paths if f"{path}/".startswith(f"{base}/")))


def _with_folders(config: Mapping[str, Any], places: Places) -> dict[str, Any]:
    settled = dict(config)
    for key, value in config.items():
        if isinstance(value, str) and key in _CACHES | _OUTPUTS:
            settled[key] = _folder(value, places.output_dir if key in _CACHES else places.artifacts, places)
    return settled


def _folder(path: str, base: str, places: Places) -> str:
    if path == INSIDE.artifacts or path.startswith(f"{INSIDE.artifacts}/"):
        # Configurations name it, and mean the artifacts wherever the task runs.
        return _below(places.artifacts, path.removeprefix(INSIDE.artifacts))
    return path if path.startswith("/") else _below(base, path)


def _below(base: str, path: str) -> str:
    relative = "/".join(part for part in path.split("/") if part not in ("", "."))
    return f"{base}/{relative}" if relative else base
