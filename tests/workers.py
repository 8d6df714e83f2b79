"""Which tests stay together when several workers share them (`pytest -n 2 --dist loadfile`): a plugin for conftest."""

from typing import Any

import pytest

TOGETHER = ("tests/slurm/",)
"""Folders whose tests one worker runs: two clusters with memory limits would end each other's jobs."""


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
