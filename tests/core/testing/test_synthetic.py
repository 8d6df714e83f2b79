"""evalyard.testing.synthetic."""

from pathlib import Path

from evalyard.states import JobState
from evalyard.store.runs import Store
from evalyard.testing.synthetic import fill_store


def test_every_run_is_readable_and_every_job_has_ended(tmp_path: Path) -> None:
    fill_store(tmp_path, invocations=12, jobs=3)
    histories, damage = Store(tmp_path).read_all()
    assert damage == []
    assert [len(history.jobs) for history in histories] == [3] * 12
    assert all(history.ended for history in histories)


def test_ends_are_mixed(tmp_path: Path) -> None:
    fill_store(tmp_path, invocations=20, jobs=5)
    histories, _ = Store(tmp_path).read_all()
    states = {job.latest.state for history in histories for job in history.jobs}
    assert {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.LOST} <= states


def test_equal_arguments_write_equal_stores(tmp_path: Path) -> None:
    for name in ("one", "other"):
        fill_store(tmp_path / name, invocations=2, jobs=2)
    one, other = (sorted(Store(tmp_path / name).invocations()) for name in ("one", "other"))
    assert one == other
    for invocation in one:
        first, second = (Store(tmp_path / name).read(invocation).jobs for name in ("one", "other"))
        assert [job.latest.state for job in first] == [job.latest.state for job in second]
