"""A package for an executor, written out to begin with: `template/` is that package, under a name to be replaced.

The template is real code: it is linted, type-checked and formatted where it lies, and what is written from it is
installed and keeps the contract at once. Everything to be replaced says REPLACE.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from attrs import frozen

from evalyard import __version__
from evalyard.errors import UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 30
"""So that no line of the template becomes longer than its own linter allows."""
_PREFIX = "evalyard-"
_DOTTED = {"gitignore": ".gitignore", "github": ".github"}
"""Names in the template -> names in a package: here they would mean something to git and to build tools."""


@frozen(kw_only=True)
class PackageName:
    """What the parts of a package are called."""

    executor: str
    """What `execution.type` says: `my-cluster`."""

    @property
    def distribution(self) -> str:
        """What pip installs: `evalyard-my-cluster`."""
        return f"{_PREFIX}{self.executor}"

    @property
    def module(self) -> str:
        """What is imported: `evalyard_my_cluster`."""
        return self.distribution.replace("-", "_")


TEMPLATE = PackageName(executor="example")


def package_name(text: str) -> PackageName:
    """Return the names that follow from what somebody calls an executor, with or without `evalyard-`.

    Raises:
        UsageError: a distribution, a module and a key of a configuration cannot all be called so.
    """
    executor = text.removeprefix(_PREFIX)
    if _NAME.fullmatch(executor) and len(executor) <= LONGEST_NAME:
        return PackageName(executor=executor)
    words = re.sub(r"[^a-z0-9]+", "-", text.lower().removeprefix(_PREFIX))
    meant = words.lstrip("-0123456789")[:LONGEST_NAME].rstrip("-")
    raise UsageError(
        f"'{text}' cannot name an executor: lower-case letters, digits and single hyphens, a letter first, "
        f"at most {LONGEST_NAME} characters",
        hint=f"evalyard plugin new {meant}" if meant else None,
    )


def write_package(name: PackageName, into: Path) -> Path:
    """Write a package for an executor below a folder, whole or not at all; return its folder.

    Raises:
        UsageError: something is there already, or the folder cannot be written.
    """
    target = into / name.distribution
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target} is there already; nothing was written", hint="--into FOLDER puts it elsewhere")
    draft = None
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{name.distribution}.", dir=into))
        with as_file(files(__name__) / "template") as template:
            _copy(template, draft, name)
        draft.chmod(0o755)
        draft.rename(target)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}") from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
    return target


def _copy(source: Path, target: Path, name: PackageName) -> None:
    for entry in source.iterdir():
        if entry.name.startswith((".", "__pycache__")):
            continue  # caches of tools that looked at the template
        there = target / _renamed(_DOTTED.get(entry.name, entry.name), name)
        if entry.is_dir():
            there.mkdir()
            _copy(entry, there, name)
        else:
            there.write_text(_renamed(entry.read_text(encoding="utf-8"), name), encoding="utf-8")


def _renamed(text: str, name: PackageName) -> str:
    text = text.replace(TEMPLATE.module, name.module).replace(TEMPLATE.distribution, name.distribution)
    text = re.sub(rf"\b{TEMPLATE.executor}\b", name.executor, text)
    return re.sub(r"(?<=evalyard>=)[\d.]+|(?<=evalyard\[testing\]>=)[\d.]+", __version__, text)
