"""Finding plugins: by entry point, from metadata, without importing any until it is used.

What goes wrong is data first (`Installed.problem`, `LoadFailure`) so that listing never fails because of one broken
package, and an error with the package's name and the remedy once somebody asks for that plugin.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from attrs import frozen

from evalyard.errors import PluginError
from evalyard.plugins import hookspecs
from evalyard.plugins.markers import API, PROJECT

EXECUTORS = "evalyard.executors"
EXPORTERS = "evalyard.exporters"
EXTENSIONS = "evalyard.extensions"

KNOWN_PACKAGES = {"local": "evalyard-local", "slurm": "evalyard-slurm", "lepton": "evalyard-lepton"}
"""Executors that are published with evalyard: what to install when one is asked for and absent."""

KNOWN_EXPORTERS = {"local": "evalyard", "mlflow": "evalyard-mlflow", "wandb": "evalyard-wandb"}
"""Exporters that are published with evalyard."""


@frozen(kw_only=True)
class Installed:
    """One plugin as its package's metadata tells it; nothing of it has been imported."""

    group: str
    name: str
    package: str
    version: str
    target: str
    """`module:attribute`."""


@frozen(kw_only=True)
class LoadFailure:
    """Why an installed plugin cannot be used."""

    plugin: Installed
    reason: str
    remedy: str = ""
    """What to do about it; empty = nothing better is known than a newer release."""


def installed(group: str) -> tuple[Installed, ...]:
    """List the plugins of an entry-point group, sorted by name, from metadata alone."""
    found = [
        Installed(
            group=group,
            name=entry.name,
            package=entry.dist.name if entry.dist else "?",
            version=entry.dist.version if entry.dist else "?",
            target=entry.value,
        )
        for entry in importlib.metadata.entry_points(group=group)
    ]
    unique = {(plugin.name, plugin.package.lower(), plugin.target): plugin for plugin in found}
    return tuple(unique[key] for key in sorted(unique))


def load_executor(name: str) -> type[Any]:
    """Import the executor class that `execution.type: <name>` means.

    Raises:
        PluginError: not installed (naming the package to install), claimed by two packages, broken, or made for
            another API.
    """
    executor = _load(EXECUTORS, name, what=f"execution.type '{name}'", absent=_absent_executor)
    missing = sorted(hook for hook in hookspecs.REQUIRED if not implements(executor, hook))
    if missing:
        unmarked = [hook for hook in missing if hasattr(executor, hook)]
        raise PluginError(
            f"executor '{name}' does not implement {', '.join(missing)}; its package is incomplete",
            hint=f"mark with @hookimpl what is there already: {', '.join(unmarked)}" if unmarked else None,
        )
    settings = getattr(executor, "Settings", None)
    if not (isinstance(settings, type) and attrs.has(settings)) or not hasattr(settings, "connection"):
        raise PluginError(f"executor '{name}' has no attrs class `Settings` with a method `connection()`")
    if "output_dir" not in attrs.fields_dict(settings):
        raise PluginError(f"executor '{name}': its `Settings` has no field `output_dir`, below which runs lie")
    return executor


def load_exporter(name: str) -> type[Any]:
    """Import the exporter class that `export.<name>` means.

    Raises:
        PluginError: not installed (naming the package to install), claimed by two packages, broken, or made for
            another API.
    """
    exporter = _load(EXPORTERS, name, what=f"exporter '{name}'", absent=_absent_exporter)
    settings = getattr(exporter, "Settings", None)
    if not (isinstance(settings, type) and attrs.has(settings)) or not callable(getattr(exporter, "export", None)):
        raise PluginError(
            f"exporter '{name}' has no attrs class `Settings` or no method `export(ctx, settings, results)`"
        )
    return exporter


def load_extension(name: str) -> type[Any]:
    """Import the extension class that `extensions.<name>` means.

    Raises:
        PluginError: not installed, claimed by two packages, broken, made for another API, or implementing a hook
            plainly where only wrappers may.
    """
    extension = _load(EXTENSIONS, name, what=f"extensions.{name}", absent=_absent_extension)
    for method in dir(extension):
        options = getattr(getattr(extension, method, None), f"{PROJECT}_impl", None)
        hook = (options.get("specname") if options else None) or method
        if options and hook not in hookspecs.OBSERVED and not (options.get("wrapper") or options.get("hookwrapper")):
            raise PluginError(
                f"extension '{name}' ({extension.__module__}) implements the hook '{hook}' plainly: its answer would "
                "replace the executor's. Extensions may only wrap such a step: @hookimpl(wrapper=True)"
            )
    return extension


def check_executors() -> tuple[Installed | LoadFailure, ...]:
    """Import every installed executor and say which can be used; for `doctor`, never for listing."""
    results: list[Installed | LoadFailure] = []
    for plugin in installed(EXECUTORS):
        try:
            load_executor(plugin.name)
        except PluginError as error:
            results.append(LoadFailure(plugin=plugin, reason=error.message, remedy=error.hint or ""))
        else:
            results.append(plugin)
    return tuple(results)


def implements(executor: type[Any], hook: str) -> bool:
    """Whether an executor's own class answers a hook: a capability is a hook that it implements."""
    return hasattr(getattr(executor, hook, None), f"{PROJECT}_impl")


def _load(group: str, name: str, *, what: str, absent: Callable[[str], PluginError]) -> type[Any]:
    plugins = [plugin for plugin in installed(group) if plugin.name == name]
    if not plugins:
        raise absent(name)
    if len(plugins) > 1:
        packages = ", ".join(f"{plugin.package} {plugin.version} ({plugin.target})" for plugin in plugins)
        raise PluginError(f"{what} is claimed by more than one package: {packages}", hint="uninstall all but one")
    plugin = plugins[0]
    entry = importlib.metadata.EntryPoint(name=plugin.name, value=plugin.target, group=group)
    try:
        loaded = entry.load()
    except (Exception, SystemExit) as error:  # a stranger's import may raise anything, or want to exit
        raise PluginError(
            f"{what}: package {plugin.package} {plugin.version} cannot be loaded: {type(error).__name__}: {error}",
            hint=f"pip install --upgrade {plugin.package}",
        ) from error
    if not isinstance(loaded, type):
        raise PluginError(f"{what}: {plugin.target} of package {plugin.package} is not a class")
    api, who = getattr(loaded, "api", None), f"package {plugin.package} {plugin.version}"
    if api != API:
        raise PluginError(
            f"{what}: {who} is written for API {api!r}; this evalyard has API {API}",
            hint=f"pip install --upgrade {PROJECT} {plugin.package}",
        )
    if group != EXPORTERS and (misfit := _misfit(loaded)):
        raise PluginError(f"{what}: {who}: a hook does not fit its specification: {misfit}")
    return loaded


def _misfit(plugin: type[Any]) -> str:
    """Return what is wrong with a class's hooks; empty = they fit."""
    known = {name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, f"{PROJECT}_spec")}
    for name in dir(plugin):
        method: Any = getattr(plugin, name, None)
        if options := getattr(method, f"{PROJECT}_impl", None):
            hook = options.get("specname") or name
            if hook not in known:
                close = difflib.get_close_matches(hook, known, n=1)
                return f"unknown hook '{hook}'" + (f"; did you mean '{close[0]}'?" if close else "")
            given = inspect.signature(known[hook]).parameters
            wanted = list(inspect.signature(method).parameters.values())
            if inspect.isfunction(inspect.getattr_static(plugin, name)):
                del wanted[:1]  # self
            wanted = [one for one in wanted if one.kind is one.POSITIONAL_OR_KEYWORD and one.default is one.empty]
            strange = [one.name for one in wanted if one.name not in given]
            if strange:
                return f"'{hook}' wants {', '.join(strange)}; it is handed {', '.join(given)}"
    return ""


def _absent_executor(name: str) -> PluginError:
    return _absent(f"execution.type '{name}'", name, EXECUTORS, KNOWN_PACKAGES)


def _absent_exporter(name: str) -> PluginError:
    return _absent(f"exporter '{name}'", name, EXPORTERS, KNOWN_EXPORTERS)


def _absent(what: str, name: str, group: str, known: Mapping[str, str]) -> PluginError:
    names = list(dict.fromkeys(plugin.name for plugin in installed(group)))
    if name in known:
        return PluginError(f"{what} is not installed", hint=f"pip install {known[name]}")
    close = difflib.get_close_matches(name, {*names, *known}, n=1)
    meant = f"; did you mean '{close[0]}'?" if close else ""
    return PluginError(
        f"{what} is not installed{meant}",
        hint=f"installed: {', '.join(names) or 'none'}; the package is often called evalyard-{name}",
    )


def _absent_extension(name: str) -> PluginError:
    names = ", ".join(plugin.name for plugin in installed(EXTENSIONS)) or "none"
    return PluginError(f"extensions.{name} is not installed", hint=f"installed: {names}")
