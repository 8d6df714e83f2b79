"""The sweep is worth something: executors that trust their own notes are wedged, and one that does not is not."""

from pathlib import Path

import pytest

from evalyard.orchestrator import stop
from evalyard.testing import Sweep
from evalyard.testing.killpoints import KillPoint
from evalyard.testing.rig import Rig, rigged
from tests.contract.installed import metadata
from tests.contract.mutants.processes import Processes
from tests.contract.mutants.swept import WEDGED, Wedged

SOURCE = "tests.contract.mutants.processes"


class Swept(Sweep):
    """Around an executor that the tests install."""

    executor = "processes"
    watched = (SOURCE,)


class TestProcesses(Swept):
    sample = 4

    @pytest.fixture(autouse=True)
    def _installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(metadata(tmp_path, "evalyard-processes", "processes", Processes))


@pytest.mark.parametrize("mutant", WEDGED, ids=[mutant.executor.__name__ for mutant in WEDGED])
def test_an_executor_that_trusts_its_notes_is_wedged(
    mutant: Wedged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(metadata(tmp_path, "evalyard-processes", "processes", mutant.executor))
    monkeypatch.setattr(stop, "AFTER_CANCEL_S", 2.0)
    source = Path(__file__).with_name("mutants").joinpath("processes.py").read_text(encoding="utf-8")
    (number,) = [count for count, text in enumerate(source.splitlines(), start=1) if text.strip() == mutant.line]
    fatal = KillPoint(line=f"{SOURCE.replace('.', '/')}.py:{number}", occurrence=1)

    class Pointed(Swept):
        def _points(self, rig: Rig, make: object, what: str) -> list[KillPoint]:
            return [fatal]

    with (
        rigged(mutant.executor, "processes", {}, tmp_path, patience_s=mutant.patience_s) as rig,
        pytest.raises(AssertionError, match=mutant.reason) as caught,
    ):
        mutant.fails(Pointed(), rig)
    assert str(fatal) in str(caught.value), "it does not say where"


@pytest.mark.parametrize("claim", [name for name in dir(Sweep) if name.startswith("test_")])
def test_every_claim_of_the_sweep_is_failed_by_a_mutant(claim: str) -> None:
    assert claim in {mutant.fails.__name__ for mutant in WEDGED}
