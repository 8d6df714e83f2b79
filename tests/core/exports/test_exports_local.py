"""evalyard.exports.local: files of results, and copies of what jobs left."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from evalyard import ExportContext, Exported, JobResults
from evalyard.exports.local import Local, LocalSettings
from evalyard.orchestrator.gather import gather_folders
from tests.plugins.left import RUN, job_left


def send(*results: JobResults, **settings: Any) -> list[Exported]:
    ctx = ExportContext(folder=Path("/nowhere"), deadline=time.monotonic() + 60)
    return list(Local().export(ctx, LocalSettings(**settings), results))


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_by_default_the_file_is_in_the_run_directory_and_nothing_is_copied(tmp_path: Path) -> None:
    runs = [tmp_path / "a", tmp_path / "b"]
    before = [job_left(run) for run in runs]
    known = names(tmp_path)
    assert [one.where for one in send(*before)] == [str(run / "results.json") for run in runs]
    assert {name for name in names(tmp_path) - known if "/." not in name} == {"a/results.json", "b/results.json"}


def test_log_metrics_chooses_scores(tmp_path: Path) -> None:
    (exported,) = send(job_left(tmp_path), log_metrics=("accuracy",))
    (job,) = json.loads(Path(exported.where).read_text())["jobs"]
    assert [score["metric"] for score in job["scores"]] == ["accuracy"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"copy_artifacts": True}, {"job.json", "run_config.yml", "config.yaml", "artifacts/results.yml"}),
        ({"copy_logs": True}, {"logs/stdout.log"}),
        (
            {"copy_artifacts": True, "only_required": False},
            {
                *("job.json", "run_config.yml", "config.yaml", "artifacts/results.yml"),
                "artifacts/cache/answers.bin",
            },
        ),
    ],
)
def test_files_are_copied_as_the_settings_say(tmp_path: Path, settings: dict[str, Any], expected: set[str]) -> None:
    out = tmp_path / "out"
    send(job_left(tmp_path / "run"), output_dir=str(out), **settings)
    assert names(out / "jobs" / f"{RUN}.1") == expected


def test_copies_of_a_second_export_replace_those_of_the_first(tmp_path: Path) -> None:
    out, result = tmp_path / "out", job_left(tmp_path / "run")
    send(result, output_dir=str(out), copy_artifacts=True, only_required=False)
    (Path(result.artifacts) / "cache" / "answers.bin").unlink()
    send(result, output_dir=str(out), copy_artifacts=True, only_required=False)
    assert "artifacts/cache/answers.bin" not in names(out / "jobs" / f"{RUN}.1")
    assert [path.name for path in out.rglob(".*")] == [".results.json.lock"]


def test_copies_in_a_run_directory_are_not_taken_for_jobs_of_it(tmp_path: Path) -> None:
    send(job_left(tmp_path), copy_artifacts=True)
    assert (tmp_path / "jobs" / f"{RUN}.1" / "job.json").exists()
    assert [job.card.job for job in gather_folders([tmp_path])] == [f"{RUN}.1"]


def test_links_that_lead_out_of_the_artifacts_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_text("secret")
    result = job_left(tmp_path / "run")
    artifacts = Path(result.artifacts)
    (artifacts / "stolen").symlink_to(tmp_path / "private" / "key")
    (artifacts / "folder").symlink_to(tmp_path / "private")
    (artifacts / "alias.yml").symlink_to("results.yml")
    (artifacts / "results.yml").rename(artifacts / "real.yml")
    (artifacts / "results.yml").symlink_to(tmp_path / "private" / "key")
    out = tmp_path / "out"
    for only_required in (True, False):
        send(result, output_dir=str(out), copy_artifacts=True, only_required=only_required)
        assert not [path for path in out.rglob("*") if path.is_file() and path.read_bytes() == b"secret"]
    assert "artifacts/real.yml" in names(out / "jobs" / f"{RUN}.1")


def test_exports_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    results = [job_left(tmp_path / "run", number, f"task{number}") for number in range(1, 9)]
    threads = [threading.Thread(target=send, args=(one,), kwargs={"output_dir": str(tmp_path)}) for one in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    jobs = json.loads((tmp_path / "results.json").read_text())["jobs"]
    assert {job["job"] for job in jobs} == {f"{RUN}.{number}" for number in range(1, 9)}


def test_a_file_keeps_its_permissions_and_a_new_one_has_the_usual(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        (exported,) = send(job_left(tmp_path / "run"), output_dir=str(tmp_path))
        assert Path(exported.where).stat().st_mode & 0o777 == 0o640
        Path(exported.where).chmod(0o600)
        send(job_left(tmp_path / "run"), output_dir=str(tmp_path))
        assert Path(exported.where).stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (exported,) = send(job_left(tmp_path / "run"), output_dir=str(tmp_path / "out"))
    before = Path(exported.where).read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        send(job_left(tmp_path / "run", 2, "two"), output_dir=str(tmp_path / "out"))
    assert Path(exported.where).read_text() == before
    assert names(tmp_path / "out") == {"results.json", ".results.json.lock"}


def test_a_file_name_is_no_path() -> None:
    with pytest.raises(ValueError, match="is a path"):
        LocalSettings(output_filename="a/b.json")
