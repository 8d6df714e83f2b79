"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Overrides = Annotated[
    tuple[str, ...],
    Parameter(
        name=["--override", "-o"],
        consume_multiple=False,
        negative=(),
        show_default=False,
        help="Set a key: -o execution.mode=sequential.",
    ),
]
ConfigFile = Annotated[
    str | None, Parameter(name=["--config", "-c"], help="The configuration: a file, or the name of one.")
]
ConfigDir = Annotated[str | None, Parameter(name="--config-dir", help="The folder of --config-name.")]
ConfigName = Annotated[str | None, Parameter(name="--config-name", help="The configuration's name without .yaml.")]
NoDocker = Annotated[
    bool,
    Parameter(
        name="--no-docker", negative=(), show_default=False, help="Host processes only: -o execution.use_docker=false."
    ),
]
EnvFile = Annotated[
    Path | None,
    Parameter(name="--env-file", help="Read variables from a file (default ./.env); the environment wins."),
]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), show_default=False, help="Print JSON on stdout.")]
JobDirs = Annotated[
    tuple[Path, ...],
    Parameter(
        name="--job-dirs",
        consume_multiple=False,
        negative=(),
        show_default=False,
        help="Of this run directory or task's folder, without records.",
    ),
]
