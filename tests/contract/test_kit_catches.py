"""The kit is worth something: every claim is failed by an executor with a bug of a real launcher."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalyard.testing import Conformance
from evalyard.testing.fake import Fake
from evalyard.testing.rig import rigged
from tests.contract.fake_conformance import FakeConformance
from tests.contract.installed import metadata
from tests.contract.mutants.every import MUTANTS
from tests.contract.mutants.kinds import Claim, Mutant

KIT = Path(inspect.getfile(Conformance)).parent
CLAIMS = [name for name in dir(Conformance) if name.startswith("test_")]
CAUGHT = [(mutant, claim) for mutant in MUTANTS for claim in mutant.fails]
_kits: dict[str, FakeConformance] = {}


def kit_of(mutant: Mutant) -> FakeConformance:
    """Return the kit around a mutant: one for all of its claims, which may share what they find out."""
    name = mutant.executor.__name__
    if name not in _kits:
        shared = {"executor_class": mutant.executor, **mutant.kit}
        shared["settings"] = {"backend": name, **mutant.kit.get("settings", {})}
        _kits[name] = type(f"Test{name}", (FakeConformance,), shared)()
    return _kits[name]


@pytest.fixture
def closing() -> Iterator[list[FakeConformance]]:
    kits: list[FakeConformance] = []
    yield kits
    for kit in kits:
        kit.backend.close()


@pytest.mark.parametrize(
    ("mutant", "claim"), CAUGHT, ids=[f"{mutant.executor.__name__}-{claim.__name__}" for mutant, claim in CAUGHT]
)
def test_an_executor_with_a_bug_fails_the_claim_about_it(
    mutant: Mutant,
    claim: Claim,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    closing: list[FakeConformance],
) -> None:
    kit = kit_of(mutant)
    closing.append(kit)
    for package in mutant.claimed_by:
        monkeypatch.syspath_prepend(metadata(tmp_path, package, kit.executor, mutant.executor))
    with rigged(mutant.executor, "fake", kit.settings, tmp_path, patience_s=kit.patience_s) as rig:
        given = {"rig": rig, "tmp_path": tmp_path, "monkeypatch": monkeypatch}
        wanted = inspect.signature(claim).parameters
        try:
            with pytest.raises(AssertionError) as caught:
                claim(kit, **{name: value for name, value in given.items() if name in wanted})
        except pytest.skip.Exception as skipped:
            raise AssertionError(f"not tried: {skipped}") from skipped
    assert Path(caught.traceback[-1].path).parent == KIT, "it crashed, and no claim has noticed"


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_is_failed_by_a_mutant(claim: str) -> None:
    assert claim in {failed.__name__ for mutant in MUTANTS for failed in mutant.fails}


def test_every_mutant_is_another_bug_and_tells_which() -> None:
    bugs = [mutant.bug for mutant in MUTANTS]
    assert len(set(bugs)) == len(bugs)
    assert all(mutant.executor.__doc__ and mutant.bug.endswith(".") for mutant in MUTANTS)


def test_a_capability_that_is_just_absent_fails_and_one_that_is_listed_is_skipped(tmp_path: Path) -> None:
    class Silent(Conformance):
        executor_class = Fake

    class Honest(Silent):
        not_offered = frozenset({"deployments"})

    with rigged(Fake, "fake", {}, tmp_path) as rig:
        with pytest.raises(AssertionError, match="'deployments' is not offered"):
            Silent().test_cancelling_the_only_job_releases_its_server(rig)
        with pytest.raises(pytest.skip.Exception, match="not offered: deployments"):
            Honest().test_cancelling_the_only_job_releases_its_server(rig)


def test_a_fault_that_disturbs_nothing_was_not_tried(tmp_path: Path) -> None:
    class Undisturbed(Conformance):
        executor_class = Fake
        crowd = 3
        hang_s = 0.5

    class Honest(Undisturbed):
        not_offered = frozenset({"outage"})

    with rigged(Fake, "fake", {}, tmp_path) as rig:
        with pytest.raises(AssertionError, match="nothing was tried: replace `weather`"):
            Undisturbed().test_an_outage_of_hours_ends_nothing_and_loses_nothing(rig)
        with pytest.raises(pytest.skip.Exception, match="not offered: outage"):
            Honest().test_an_outage_of_hours_ends_nothing_and_loses_nothing(rig)
        with pytest.raises(pytest.skip.Exception, match="not offered: outage"):
            Honest().test_during_an_outage_nothing_is_said_to_be_absent(rig)
