"""evalyard.orchestrator.keeper: the process that stands by while its run is launched."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from evalyard.errors import EvalyardError
from evalyard.orchestrator.keeper import keeper_on_standby, start_keeper
from evalyard.store.runs import Store
from tests.core.store.records import ID, invocation, plans

PATIENCE_S = 60
LAUNCHER = """\
import signal, sys
from pathlib import Path
from evalyard.orchestrator.keeper import keeper_on_standby
from evalyard.store.runs import Store
with keeper_on_standby(Store(Path(sys.argv[1])), sys.argv[2]) as standby:
    print(standby.process.pid, flush=True)
    signal.pause()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    header, store = invocation(), Store(tmp_path)
    store.create(header, "", plans(header), [])
    return store


def untouched(store: Store) -> bool:
    """Whether no keeper has begun."""
    folder = store.folder(ID)
    return not (folder / "keeper.lock").exists() and (folder / "keeper.log").read_text() == ""


def test_a_keeper_that_nobody_wants_ends_and_has_kept_nothing(store: Store) -> None:
    with keeper_on_standby(store, ID) as standby:
        pass
    assert standby.process.returncode == -signal.SIGKILL
    assert untouched(store)


def test_a_keeper_whose_launcher_dies_ends_and_has_kept_nothing(store: Store) -> None:
    launcher = [sys.executable, "-c", LAUNCHER, str(store.home), ID]
    with subprocess.Popen(launcher, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        keeper = psutil.Process(int(process.stdout.readline()))
        process.kill()
    keeper.wait(PATIENCE_S)
    assert untouched(store)


def test_a_keeper_that_is_dead_when_it_is_wanted_is_an_error_that_names_its_log(store: Store) -> None:
    with keeper_on_standby(store, ID) as standby:
        standby.process.kill()
        standby.process.wait()
        with pytest.raises(EvalyardError, match=r"did not start; its log is .*/keeper\.log"):
            start_keeper(store, ID, standby)


def test_a_keeper_that_is_wanted_lives_on(store: Store) -> None:
    with store.keeping(ID), keeper_on_standby(store, ID) as standby:
        # Somebody else keeps, so that it has nothing to do but to find that out.
        start_keeper(store, ID, standby)
        assert psutil.Process(standby.process.pid).wait(PATIENCE_S) == 0
