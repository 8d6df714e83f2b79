"""Which file `run --config` means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evalyard.config.node import did_you_mean
from evalyard.errors import UsageError

EXAMPLES = Path(__file__).parents[1] / "examples"
"""Configurations that come with evalyard."""

_SUFFIXES = ("", ".yaml", ".yml")


def find_config(name_or_path: str | None, config_dir: str | None, config_name: str | None) -> Path:
    """Return the configuration file that a command line names.

    Args:
        name_or_path: of `--config`: a path, or a name looked for here and among the packaged examples.
        config_dir: of `--config-dir`: the folder of `config_name`, by default the current one.
        config_name: of `--config-name`: a file there, with or without its suffix.

    Raises:
        UsageError: when there is no such file, or not exactly one way was used to name one.
    """
    if name_or_path is not None and (config_dir is not None or config_name is not None):
        raise UsageError("--config and --config-dir/--config-name both name a configuration; give one")
    if name_or_path is not None:
        return _find(name_or_path, [Path(), EXAMPLES])
    folder = Path(config_dir) if config_dir is not None else Path()
    if config_name is not None:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
        return _find(config_name, [folder])
    if config_dir is not None:
        raise UsageError(f"--config-dir {config_dir} needs a --config-name", hint=_listing([folder]))
    raise UsageError("no configuration given", hint="evalyard run --config FILE")


def _find(name: str, folders: list[Path]) -> Path:
    for folder in folders:
        for suffix in _SUFFIXES:
            path = folder / f"{name}{suffix}"
            if path.is_file():
                return path
    if Path(name).is_dir():
        raise UsageError(f"{name} is a folder, not a configuration", hint=_listing([Path(name)]))
    raise UsageError(f"no configuration {name!r}{did_you_mean(name, _names(folders))}", hint=_listing(folders))


def _listing(folders: list[Path]) -> str | None:
    names = sorted(set(_names(folders)))[:20]
    return f"there are: {', '.join(names)}" if names else None


def _names(folders: list[Path]) -> Iterator[str]:
    for folder in folders:
        if folder.is_dir():
            yield from (path.name for path in folder.iterdir() if path.suffix in _SUFFIXES[1:])
