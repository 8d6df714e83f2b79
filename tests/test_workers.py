"""tests.workers: what several workers share out."""

from tests.workers import rank, scope


def test_a_file_s_tests_stay_together() -> None:
    assert scope("tests/cli/test_cli_run.py::test_a[x::y]") == scope("tests/cli/test_cli_run.py::TestB::test_b")
    assert scope("tests/cli/test_cli_run.py::test_a") != scope("tests/cli/test_cli_logs.py::test_a")


def test_all_tests_that_need_a_cluster_stay_together() -> None:
    assert scope("tests/slurm/test_bed.py::test_a") == scope("tests/slurm/test_slurm_states.py::test_b")
    assert scope("tests/plugins/slurm/test_slurm_states.py::test_c") != scope("tests/slurm/test_bed.py::test_a")


def test_what_takes_minutes_begins_first() -> None:
    files = [
        "tests/core/test_ids.py::a",
        "tests/docs/test_docs.py::b",
        "tests/slurm/test_bed.py::c",
        "tests/cli/d.py::d",
    ]
    assert [file[-1] for file in sorted(files, key=rank)] == ["c", "b", "a", "d"]
