"""Clean rooms: virtual environments with evalyard's wheel, what that requires, and wheels of strangers; nothing else.

Wheels are built by their own backend without a network. What evalyard requires is linked from the environment of the
tests, distribution by distribution, so that a room holds what an index would have brought, and no more.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import frozen
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PATIENCE_S = 120.0


def build_wheel(project: Path, into: Path) -> Path:
    """Build the wheel of a project that uses hatchling into an empty folder, and return it."""
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    done = subprocess.run(argv, cwd=project, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = into.glob("*.whl")
    return wheel


@frozen(kw_only=True)
class CleanRoom:
    """A virtual environment in a folder of its own."""

    folder: Path

    def __attrs_post_init__(self) -> None:
        venv.create(self.folder, symlinks=True)

    @property
    def site(self) -> Path:
        """Where its packages are."""
        (found,) = (self.folder / "lib").glob("python3*/site-packages")
        return found

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def install(self, *wheels: Path) -> None:
        """Unpack wheels, as an installer does, and link what they require."""
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(self.site)
                (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            info = importlib.metadata.PathDistribution(self.site / Path(metadata).parent)
            for name in _required(info):
                self.link(name)

    def call(
        self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, code: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run `evalyard ...` in it.

        Args:
            code: the exit code that is expected; None = any.
        """
        return self.run(str(self.python), "-P", "-m", "evalyard", *arguments, env=env, cwd=cwd, code=code)

    def run(
        self, *argv: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, code: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with the room's programs first on PATH and nothing of ours in the environment."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        home = {"EVALYARD_HOME": str(self.folder.parent / "home")}
        done = subprocess.run(
            argv,
            env={**kept, **home, "PATH": path, **(env or {})},
            cwd=cwd or self.folder.parent,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert code is None or done.returncode == code, (
            f"{' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    def link(self, name: str) -> None:
        """Link a distribution of the tests' environment, and what it requires."""
        for distribution in _closure(name):
            for top in _tops(distribution):
                place = self.site / top.name
                if not place.exists():
                    place.symlink_to(top)


def _closure(name: str) -> Iterator[importlib.metadata.Distribution]:
    """Yield a distribution and all that it requires."""
    waiting, seen = [name], set[str]()
    while waiting:
        current = canonicalize_name(waiting.pop())
        if current in seen:
            continue
        seen.add(current)
        distribution = importlib.metadata.distribution(current)
        yield distribution
        waiting += _required(distribution)


def _required(distribution: importlib.metadata.Distribution) -> Iterable[str]:
    """Return what a distribution requires here, of third parties, without extras."""
    wanted = [Requirement(text) for text in distribution.requires or ()]
    names = [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [name for name in names if not name.startswith("evalyard")]


def _tops(distribution: importlib.metadata.Distribution) -> set[Path]:
    """Return the files and folders of a distribution that lie in site-packages itself."""
    files = [file for file in distribution.files or () if not file.parts[0].startswith("..")]
    return {Path(str(distribution.locate_file(file.parts[0]))) for file in files if file.parts[0] != "__pycache__"}
