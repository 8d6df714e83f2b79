"""evalyard.store.layout: where a job's files are on this machine."""

from __future__ import annotations

from pathlib import Path

from evalyard.store.layout import artifacts_folder, fetched_folder, job_folder
from evalyard.store.runs import Store

from .records import ID, invocation


def test_a_run_directory_on_this_disk_comes_before_what_was_fetched(tmp_path: Path) -> None:
    store, header = Store(tmp_path / "home"), invocation(run_dir=str(tmp_path / "run"))
    fetched = fetched_folder(store, ID, header.job(1))
    assert fetched == store.folder(ID) / "fetched" / "task1"
    assert job_folder(store, header, header.job(1)) == fetched
    (tmp_path / "run" / "task1").mkdir(parents=True)
    assert job_folder(store, header, header.job(1)) == tmp_path / "run" / "task1"


def test_artifacts_of_a_past_attempt_are_in_its_own_folder(tmp_path: Path) -> None:
    store, header = Store(tmp_path / "home"), invocation(run_dir=str(tmp_path))
    past = tmp_path / "task1" / "attempts" / "1"
    (past / "logs").mkdir(parents=True)
    (tmp_path / "task1" / "attempts" / "2").mkdir()
    assert artifacts_folder(store, header, header.job(1), 1) == past / "artifacts"
    assert artifacts_folder(store, header, header.job(1), 2) == tmp_path / "task1" / "artifacts"
