"""What every test of this repository gets."""

import copy
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalyard import redact

pytest_plugins = ["pytester", "tests.backends", "tests.docker_images", "tests.slurm.clusters", "tests.workers"]

KEPT_VARIABLES = {
    "DOCKER_HOST",  # names the engine that tests marked docker use
    "EVALYARD_REQUIRE",
    "EVALYARD_SWEEP",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "PATH",
    "PYENV_ROOT",  # its shims look below HOME without it
    "TMPDIR",
    "TZ",
}


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A home, an evalyard state home and an environment of the test's own: no proxies, keys or settings of the user."""
    for name in os.environ:
        if name not in KEPT_VARIABLES and not name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("EVALYARD_HOME", str(home / "evalyard"))
    # Programs started by tests find this environment's python and evalyard first.
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


@pytest.fixture(autouse=True)
def no_secret_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process's redactor learns in a test, such as the secret "mine", it forgets after it."""
    for name, value in vars(redact).items():
        monkeypatch.setattr(redact, name, copy.copy(value))


@pytest.fixture(autouse=True)
def no_listener_stays() -> Iterator[None]:
    """Commands that tests call within this process show what plugins say: not to the streams of an ended test."""
    yield
    for name in ("evalyard.notices", "evalyard.progress"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.setLevel(logging.NOTSET)
