"""Which tests stay together when several workers share them (`pytest -n 2 --dist loadfile`): a plugin for conftest."""

from typing import Any

import pytest

TOGETHER = ("tests/slurm/",)
"""Folders whose tests one worker runs: two clusters with memory limits would end each other's jobs."""
LONG = (
    "tests/slurm/",
    "tests/gridengine/",
    "tests/contract/",
    "tests/docs/",
    "tests/docker/",
    "tests/sweep/",
    "tests/outside/",
)
"""Folders with files that take minutes: they come first, so that no worker is left alone with one at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let long files begin first, where several workers share the tests."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.nodeid))


def rank(nodeid: str) -> int:
    """Return how early a test begins: the lower, the earlier."""
    return next((number for number, folder in enumerate(LONG) if nodeid.startswith(folder)), len(LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file together, as they share fixtures, and those of some folders."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    return Scheduling(config, log)


def scope(nodeid: str) -> str:
    """Return what a test has in common with those that the same worker runs."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)
