"""Who may import whom: the contracts of import-linter, and what a graph of our own modules cannot show."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "src" / "evalyard"
PLUGINS = sorted((ROOT / "plugins").glob("*/src/*/"))
RUNS_ALONE = [CORE / "harness" / "smoke", CORE / "serving" / "demo"]
"""Folders of programs that are started without evalyard installed."""

PUBLIC = {"evalyard", "evalyard.testing"}


def imported_names(source: str, package: str) -> set[str]:
    """Dotted names that `source`, a module of `package`, imports; `from a import b` gives both `a` and `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: -node.level + 1 or None] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def modules_of_core() -> set[str]:
    """Dotted names of every module below `evalyard`, packages included."""
    files = [*CORE.rglob("*.py"), *(path.parent for path in CORE.rglob("__init__.py") if path.parent != CORE)]
    return {"evalyard." + ".".join(path.relative_to(CORE).with_suffix("").parts) for path in files}


def reaches_past_public_names(imported: set[str]) -> list[str]:
    """Those of `imported` that are modules or private names of evalyard."""
    ours = {name for name in imported if name.startswith("evalyard.")} - PUBLIC
    internal = modules_of_core()
    return sorted(name for name in ours if name in internal or any(map(is_private, name.split("."))))


def is_private(part: str) -> bool:
    """Whether a part of a dotted name is private; names such as `__version__` are not."""
    return part.startswith("_") and not part.endswith("__")


def files_with_package(folder: Path) -> list[tuple[Path, str]]:
    """Each Python file below the package folder `folder`, with the dotted package it lies in."""
    return [
        (path, ".".join((folder.name, *path.parent.relative_to(folder).parts))) for path in sorted(folder.rglob("*.py"))
    ]


def test_contracts_of_import_linter_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda folder: folder.name)
def test_plugin_imports_only_public_names_of_core(plugin: Path) -> None:
    offences = {
        str(path.relative_to(ROOT)): names
        for path, package in files_with_package(plugin)
        if (names := reaches_past_public_names(imported_names(path.read_text(encoding="utf-8"), package)))
    }
    assert offences == {}


def test_core_imports_no_plugin() -> None:
    plugins = {folder.name for folder in PLUGINS}
    assert "evalyard_local" in plugins
    offences = {
        str(path.relative_to(ROOT)): sorted(names)
        for path, package in files_with_package(CORE)
        if (names := {n for n in imported_names(path.read_text("utf-8"), package) if n.partition(".")[0] in plugins})
    }
    assert offences == {}


@pytest.mark.parametrize("folder", RUNS_ALONE, ids=lambda folder: folder.name)
def test_program_that_runs_alone_imports_only_the_standard_library(folder: Path) -> None:
    files = sorted(folder.rglob("*.py"))
    assert files
    siblings = {path.stem for path in files} | {folder.name}
    foreign = {
        str(path.relative_to(ROOT)): sorted(names)
        for path in files
        if (
            names := {
                top
                for name in imported_names(path.read_text(encoding="utf-8"), folder.name)
                if (top := name.partition(".")[0]) not in sys.stdlib_module_names | siblings
            }
        )
    }
    assert foreign == {}


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ("from evalyard import Plan, hookimpl", []),
        ("import evalyard", []),
        ("from evalyard.testing import Conformance", []),
        ("from evalyard.errors import Transient", ["evalyard.errors"]),
        ("from evalyard import errors", ["evalyard.errors"]),
        ("import evalyard.errors", ["evalyard.errors"]),
        ("from evalyard import _seam", ["evalyard._seam"]),
        ("from evalyard import __version__", []),
        ("from evalyard.testing import _fake", ["evalyard.testing._fake"]),
        ("def f():\n    from evalyard.errors import Transient", ["evalyard.errors"]),
    ],
)
def test_rule_for_plugins_tells_public_from_internal(source: str, caught: list[str]) -> None:
    assert reaches_past_public_names(imported_names(source, "evalyard_local")) == caught


def test_relative_imports_are_resolved() -> None:
    source = "from . import a\nfrom .b import c\nfrom ..d import e"
    assert imported_names(source, "top.sub") == {"top.sub", "top.sub.a", "top.sub.b", "top.sub.b.c", "top.d", "top.d.e"}
