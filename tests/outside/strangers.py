"""Small distributions with one plugin each, written on the spot; most of them are broken on purpose."""

from __future__ import annotations

import textwrap
from pathlib import Path

from attrs import frozen

from tests.outside.cleanroom import build_wheel

EXECUTOR = """
from attrs import frozen

from evalyard import Connection, hookimpl


@frozen(kw_only=True)
class Settings:
    output_dir: str = "runs"

    def connection(self):
        return Connection(executor="{name}")


class Plugin:
    api = 1
    Settings = Settings

    @hookimpl
    def plan(self, settings, job): raise NotImplementedError
    @hookimpl
    def launch(self, ctx, plans): raise NotImplementedError
    @hookimpl
    def find(self, ctx, names): return {{}}
    @hookimpl
    def status(self, ctx, handles): return {{}}
    @hookimpl
    def logs(self, ctx, handle, role, cursor, limit): raise NotImplementedError
    @hookimpl
    def cancel(self, ctx, handles): return ()
    @hookimpl
    def teardown(self, ctx, handles): return ()
"""
"""An executor that can be loaded, and does nothing."""

PLAIN = """
from evalyard import hookimpl


class Plugin:
    api = 1

    @hookimpl
    def launch(self, ctx, plans):
        return {}
"""
"""An extension that would answer in the executor's place."""


@frozen(kw_only=True)
class Stranger:
    """A distribution with one module and one entry point.

    Attributes:
        plugin: the entry point's name.
        source: the module's text, with a class `Plugin`.
    """

    package: str
    plugin: str
    source: str
    group: str = "evalyard.executors"

    def wheel(self, folder: Path) -> Path:
        """Write it into an empty folder and return its wheel."""
        module = self.package.replace("-", "_")
        project = folder / self.package
        (project / module).mkdir(parents=True)
        (project / module / "__init__.py").write_text(self.source, encoding="utf-8")
        (project / "pyproject.toml").write_text(
            textwrap.dedent(f"""\
                [build-system]
                requires = ["hatchling"]
                build-backend = "hatchling.build"

                [project]
                name = "{self.package}"
                version = "1.0"
                dependencies = ["evalyard"]

                [project.entry-points."{self.group}"]
                {self.plugin} = "{module}:Plugin"
                """),
            encoding="utf-8",
        )
        return build_wheel(project, project / "dist")


def executor(name: str) -> str:
    """Return the text of an executor that can be loaded."""
    return EXECUTOR.format(name=name)


BROKEN = (
    Stranger(package="evalyard-raises", plugin="raises", source="raise RuntimeError('half an upgrade')"),
    Stranger(package="evalyard-future", plugin="future", source=executor("future").replace("api = 1", "api = 99")),
    Stranger(package="evalyard-mine", plugin="mine", source=executor("mine")),
    Stranger(package="evalyard-mine-too", plugin="mine", source=executor("mine")),
    Stranger(
        package="evalyard-misspelt",
        plugin="misspelt",
        source=executor("misspelt") + "\n    @hookimpl\n    def provison(self, ctx, need): raise NotImplementedError\n",
    ),
    Stranger(package="evalyard-plain", plugin="plain", source=PLAIN, group="evalyard.extensions"),
)
