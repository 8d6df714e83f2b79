"""evalyard.testing.pytest_plugin."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

HONEST = """\
from evalyard.testing import Conformance
from evalyard.testing.fake import Fake


class TestFake(Conformance):
    executor_class = Fake
    not_offered = frozenset({"deployments", "discovery"})
"""


def test_it_is_found_by_pytest_and_loads_nothing_of_the_kit() -> None:
    (entry,) = [entry for entry in entry_points(group="pytest11") if entry.value.startswith("evalyard.")]
    program = f"import sys, {entry.value}; print(*(name for name in sys.modules if name.startswith('evalyard.')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["evalyard.testing", "evalyard.testing.pytest_plugin"]


def test_what_is_not_offered_is_named_at_the_end(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_mine=HONEST)
    done = pytester.runpytest_subprocess("-k", "found_by_entry_point or cancelling_the_only or planning_twice")
    done.assert_outcomes(passed=1, skipped=2)
    done.stdout.re_match_lines(
        [".*evalyard: not offered.*", r"test_mine.py::TestFake: deployments \(1\), discovery \(1\)"]
    )


def test_a_run_without_claims_says_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n\n\ndef test_other():\n    pytest.skip('for another reason')\n")
    done = pytester.runpytest_subprocess()
    done.assert_outcomes(skipped=1)
    done.stdout.no_fnmatch_line("*evalyard*not offered*")


def test_records_of_this_version_are_kept_where_they_are_wanted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_mine=HONEST)
    done = pytester.runpytest_subprocess("-k", "older_versions", "--evalyard-record", "kept")
    done.assert_outcomes(skipped=1)
    assert [file.name for file in (pytester.path / "kept").iterdir()] == ["fake-0.1.0.json"]
