"""tests.backends: a test that needs a backend skips without it, unless the machine promised that backend."""

import pytest

from tests import backends

NEEDS_SLURM = """
import pytest
from tests.backends import require_backend

def test_by_call():
    require_backend("slurm")

@pytest.mark.slurm
def test_by_marker():
    pass
"""


@pytest.fixture
def run_both(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Two tests that need Slurm, in a session of their own."""
    monkeypatch.setattr(backends, "_answers", {})
    monkeypatch.delenv("EVALYARD_REQUIRE", raising=False)
    pytester.makeini("[pytest]\nmarkers = slurm\n")
    pytester.makepyfile(NEEDS_SLURM)
    return pytester


def _slurm_is(monkeypatch: pytest.MonkeyPatch, reason: str | None) -> None:
    monkeypatch.setitem(backends.WHY_ABSENT, "slurm", lambda: reason)


def test_absent_backend_skips_and_says_why(run_both: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    _slurm_is(monkeypatch, "the moon is full")
    result = run_both.runpytest_inprocess("-rs", plugins=[backends])
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*needs backend slurm: the moon is full*"])


def test_absent_backend_that_was_promised_fails(run_both: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    _slurm_is(monkeypatch, "the moon is full")
    monkeypatch.setenv("EVALYARD_REQUIRE", "local, slurm")
    result = run_both.runpytest_inprocess(plugins=[backends])
    # The marker is honoured during setup, where pytest counts a failure as an error.
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*EVALYARD_REQUIRE promises backend slurm, but the moon is full*"])


def test_other_promises_do_not_make_an_absent_backend_fail(
    run_both: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    _slurm_is(monkeypatch, "the moon is full")
    monkeypatch.setenv("EVALYARD_REQUIRE", "docker,local")
    run_both.runpytest_inprocess(plugins=[backends]).assert_outcomes(skipped=2)


def test_present_backend_runs_the_test(run_both: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    _slurm_is(monkeypatch, None)
    monkeypatch.setenv("EVALYARD_REQUIRE", "slurm")
    run_both.runpytest_inprocess(plugins=[backends]).assert_outcomes(passed=2)


def test_misspelt_backend_is_an_error_and_not_a_skip() -> None:
    with pytest.raises(LookupError, match="docker, gridengine, lepton, local, podman, registry, slurm"):
        backends.require_backend("slrum")


def test_local_executor_is_here_when_promised() -> None:
    backends.require_backend("local")
