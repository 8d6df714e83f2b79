"""The configuration: files and `-o` in, `RunSpec` and plugins' settings out.

Importing this package is cheap; the modules that read YAML are loaded by the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalyard.config.environment import read_env_file
    from evalyard.config.find import examples, find_config, find_example
    from evalyard.config.load import read_text
    from evalyard.config.migration import migrate
    from evalyard.config.run import load_exports, load_run, load_text
    from evalyard.config.typed import structure

_HOMES = {
    "examples": "find",
    "find_config": "find",
    "find_example": "find",
    "load_exports": "run",
    "load_run": "run",
    "load_text": "run",
    "migrate": "migration",
    "read_env_file": "environment",
    "read_text": "load",
    "structure": "typed",
}

__all__ = [
    "examples",
    "find_config",
    "find_example",
    "load_exports",
    "load_run",
    "load_text",
    "migrate",
    "read_env_file",
    "read_text",
    "structure",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
