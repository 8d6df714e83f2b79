"""A configuration together with the environment that its secrets come from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve, frozen

from evalyard import config as configuration
from evalyard.specs import RunSpec


@frozen(kw_only=True)
class Loaded:
    """A configuration as it was asked for, and the environment that its secrets come from."""

    spec: RunSpec
    environ: dict[str, str]
    names_from_file: tuple[str, ...]
    """Variables that the env file added."""
    path: Path
    overrides: tuple[str, ...]
    only_tasks: tuple[str, ...] = ()

    def with_override(self, override: str) -> Loaded:
        """Return the same with one more `-o`."""
        overrides = (*self.overrides, override)
        spec = configuration.load_run(self.path, overrides, only_tasks=self.only_tasks, environ=self.environ)
        return evolve(self, spec=spec, overrides=overrides)


def load(
    config: str | None,
    config_dir: str | None = None,
    config_name: str | None = None,
    *,
    overrides: Sequence[str] = (),
    no_docker: bool = False,
    env_file: Path | None = None,
    tasks: Sequence[str] = (),
) -> Loaded:
    """Find and read a configuration, with everything that the command line adds to it.

    Raises:
        UsageError: there is no such file.
        ConfigError: it is wrong.
    """
    path = configuration.find_config(config, config_dir, config_name)
    given = (*overrides, "execution.use_docker=false") if no_docker else tuple(overrides)
    environ, added = environment(env_file)
    spec = configuration.load_run(path, given, only_tasks=tasks, environ=environ)
    return Loaded(
        spec=spec, environ=environ, names_from_file=added, path=path, overrides=given, only_tasks=tuple(tasks)
    )


def environment(env_file: Path | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the environment with what an env file adds to it, and the names that it added."""
    path = env_file or Path(".env")
    values = configuration.read_env_file(path) if env_file or path.is_file() else {}
    added = {name: value for name, value in values.items() if name not in os.environ}
    return {**added, **os.environ}, tuple(sorted(added))
