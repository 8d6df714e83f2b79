"""The configuration: files and `-o` in, `RunSpec` and plugins' settings out.

Importing this package is cheap; the modules that read YAML are loaded by the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalyard.config.environment import read_env_file
    from evalyard.config.find import find_config
    from evalyard.config.run import load_run, load_text
    from evalyard.config.typed import structure

_HOMES = {
    "find_config": "find",
    "load_run": "run",
    "load_text": "run",
    "read_env_file": "environment",
    "structure": "typed",
}

__all__ = ["find_config", "load_run", "load_text", "read_env_file", "structure"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
