"""The sweep is worth something: executors that trust their own notes are wedged, and one that does not is not."""

from pathlib import Path
from typing import ClassVar

import pytest

from evalyard.testing import Sweep
from evalyard.testing.killpoints import KillPoint
from evalyard.testing.rig import Rig, rigged
from tests.contract.installed import metadata
from tests.contract.mutants.processes import MakesItsFolderOnce, Processes, TrustsItsNotes

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


WEDGED = [
    (TrustsItsNotes, "handle = self.launch_one(ctx, plan)", "the run has not ended"),
    (MakesItsFolderOnce, "return super().provision(ctx, need)", "exists"),
]


@pytest.mark.parametrize(("mutant", "line", "reason"), WEDGED, ids=[mutant.__name__ for mutant, _, _ in WEDGED])
def test_an_executor_that_trusts_its_notes_is_wedged(
    mutant: type[Processes], line: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(metadata(tmp_path, "evalyard-processes", "processes", mutant))
    source = Path(__file__).with_name("mutants").joinpath("processes.py").read_text(encoding="utf-8")
    (number,) = [count for count, text in enumerate(source.splitlines(), start=1) if text.strip() == line]

    class Pointed(Swept):
        fatal: ClassVar = KillPoint(line=f"{SOURCE.replace('.', '/')}.py:{number}", occurrence=1)

        def _points(self, rig: Rig, make: object, what: str) -> list[KillPoint]:
            return [self.fatal]

    # It would never end.
    with rigged(mutant, "processes", {}, tmp_path, patience_s=5.0) as rig, pytest.raises(AssertionError, match=reason):
        Pointed().test_a_run_that_is_killed_at_any_line_goes_on_and_runs_each_job_once(rig)
