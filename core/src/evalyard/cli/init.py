"""`evalyard init`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from evalyard import config as configuration
from evalyard.cli.render import put, say
from evalyard.errors import UsageError

Output = Annotated[
    Path | None, Parameter(name="--output", show_default=False, help="Where the copy goes (default ./NAME.yaml).")
]


def init(name: str, /, *, output: Output = None) -> None:
    """Copy an example, to start a configuration of your own from; overwrites nothing.

    Args:
        name: The example: see `evalyard ls examples`.
    """
    example = configuration.find_example(name)
    path = output or Path(f"{example.name}.yaml")
    text = example.path.read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already; nothing was written", hint="--output FILE names another") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    put(str(path))
    fill = "fill in what is ???, then " if "???" in text else ""
    say(f"next: {fill}evalyard run --config {shlex.quote(str(path))}")
