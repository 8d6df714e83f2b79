"""`evalyard plugin new`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from evalyard.cli.render import put, say
from evalyard.errors import UsageError
from evalyard.scaffold import package_name, write_package

Into = Annotated[Path, Parameter(name="--into", show_default=False, help="The folder to make it in (default .).")]


def new(name: str, /, *, into: Into = Path()) -> None:
    """Write a package for an executor of your own, to begin with: it works at once, on processes of this machine.

    Args:
        name: What `execution.type` shall say: `my-cluster` makes the package evalyard-my-cluster.
    """
    names = package_name(name)
    _refuse_taken(names.executor)
    folder = write_package(names, into)
    put(str(folder))
    say(f"next: cd {shlex.quote(str(folder))} && pip install -e '.[test]' && pytest")
    say("then: replace what says REPLACE, one piece at a time; README.md says in which order")
    say("      no license was chosen: add one before you publish")


def _refuse_taken(executor: str) -> None:
    """Refuse the name of another executor: where both are installed, neither can be used."""
    from evalyard.plugins.discovery import EXECUTORS, KNOWN_PACKAGES, installed

    taken = {plugin.name: plugin.package for plugin in installed(EXECUTORS)} | KNOWN_PACKAGES
    if executor in taken:
        raise UsageError(
            f"executor '{executor}' exists already, in package {taken[executor]}",
            hint="choose another name: of two packages that claim one, neither can be used",
        )
