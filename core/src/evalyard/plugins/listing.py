"""What `ls executors` tells of each installed executor, whatever is wrong with it."""

from __future__ import annotations

from attrs import frozen

from evalyard.errors import PluginError
from evalyard.plugins import hookspecs
from evalyard.plugins.discovery import EXECUTORS, Installed, implements, installed, load_executor
from evalyard.plugins.session import made_plugin

CAPABILITIES = tuple(
    name
    for name, hook in vars(hookspecs).items()
    if hasattr(hook, "evalyard_spec") and name not in hookspecs.REQUIRED | hookspecs.OBSERVED
)
"""The steps that an executor may leave out, in the order of a job's life."""


@frozen(kw_only=True)
class Listed:
    """One executor: what it offers, or why it cannot be used."""

    plugin: Installed
    api: int | None = None
    """The version of the hooks that it is written for; None = it cannot be used."""
    capabilities: tuple[str, ...] = ()
    """The optional hooks that it implements."""
    problem: str = ""
    """Why it cannot be used, in one line; empty = it can."""


def list_executors() -> tuple[Listed, ...]:
    """Import every installed executor, each for itself: one that is broken disturbs no other."""
    return tuple(_list(plugin) for plugin in installed(EXECUTORS))


def _list(plugin: Installed) -> Listed:
    try:
        executor = load_executor(plugin.name)
        made_plugin(f"executor '{plugin.name}'", executor)
    except PluginError as error:
        return Listed(plugin=plugin, problem=" ".join(error.message.split()))
    offered = tuple(hook for hook in CAPABILITIES if implements(executor, hook))
    return Listed(plugin=plugin, api=executor.api, capabilities=offered)
