"""Which file `run --config` means, and the examples that come with evalyard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from evalyard.config.node import did_you_mean
from evalyard.errors import UsageError

EXAMPLES = Path(__file__).parents[1] / "examples"
"""Configurations that come with evalyard."""

_SUFFIXES = ("", ".yaml", ".yml")


def find_config(name_or_path: str | None, config_dir: str | None, config_name: str | None) -> Path:
    """Return the configuration file that a command line names.

    Args:
        name_or_path: of `--config`: a path, or a name looked for here and among the packaged examples.
        config_dir: of `--config-dir`: the folder of `config_name`. A folder `examples` that is not here is that of the
            packaged examples. By default as with `name_or_path`.
        config_name: of `--config-name`: a file there, with or without its suffix.

    Raises:
        UsageError: when there is no such file, or not exactly one way was used to name one.
    """
    if name_or_path is not None and (config_dir is not None or config_name is not None):
        raise UsageError("--config and --config-dir/--config-name both name a configuration; give one")
    if name_or_path is not None:
        return _find(name_or_path, [Path(), EXAMPLES])
    if config_dir is None:
        if config_name is None:
            raise UsageError("no configuration given", hint="evalyard run --config FILE")
        return _find(config_name, [Path(), EXAMPLES])
    folder = Path(config_dir)
    if folder.name == EXAMPLES.name and not folder.is_dir():
        folder = EXAMPLES
    if config_name is None:
        raise UsageError(f"--config-dir {config_dir} needs a --config-name", hint=_listing([folder]))
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder", hint=_shipped(config_name))
    return _find(config_name, [folder])


@frozen(kw_only=True)
class Example:
    """A configuration that comes with evalyard."""

    name: str
    description: str
    """One line: the file's first comment."""
    path: Path


def examples() -> list[Example]:
    """Return the packaged examples by name."""
    found = []
    for path in sorted(EXAMPLES.glob("*.yaml")):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        found.append(Example(name=path.stem, description=first.removeprefix("#").strip(), path=path))
    return found


def find_example(name: str) -> Example:
    """Return the example of this name, with or without `.yaml`. Raises UsageError when there is none."""
    known = {example.name: example for example in examples()}
    wanted = name.removesuffix(".yaml")
    if wanted not in known:
        raise UsageError(f"no example {name!r}{did_you_mean(wanted, known)}", hint="evalyard ls examples")
    return known[wanted]


def _find(name: str, folders: list[Path]) -> Path:
    for folder in folders:
        for suffix in _SUFFIXES:
            path = folder / f"{name}{suffix}"
            if path.is_file():
                return path
    if Path(name).is_dir():
        raise UsageError(f"{name} is a folder, not a configuration", hint=_listing([Path(name)]))
    shipped = _shipped(name)
    meant = "" if shipped else did_you_mean(name, _names(folders))
    raise UsageError(f"no configuration {name!r}{meant}", hint=shipped or _listing(folders))


def _shipped(name: str) -> str | None:
    """Return the command that works, when an example has the base name of what is not there."""
    stem = Path(name).stem if Path(name).suffix in _SUFFIXES[1:] else Path(name).name
    if (EXAMPLES / f"{stem}.yaml").is_file():
        return f"it comes with evalyard: evalyard run --config {stem}"
    return None


def _listing(folders: list[Path]) -> str | None:
    names = sorted(set(_names(folders)))[:20]
    return f"there are: {', '.join(names)}" if names else None


def _names(folders: list[Path]) -> Iterator[str]:
    for folder in folders:
        if folder.is_dir():
            yield from (path.name for path in folder.iterdir() if path.suffix in _SUFFIXES[1:])
