"""evalyard.report.write: a report replaces a report, and nothing else unasked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evalyard.errors import UsageError
from evalyard.report.render import GENERATOR
from evalyard.report.write import check_target, write_report

REPORT = f"<!DOCTYPE html>{GENERATOR}"


def test_a_new_file_is_written_with_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    path, other = tmp_path / "report.html", tmp_path / "other"
    other.touch()
    check_target(path)
    write_report(path, REPORT)
    assert path.read_text() == REPORT
    assert path.stat().st_mode == other.stat().st_mode


def test_an_earlier_report_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(REPORT + "old")
    check_target(path)
    write_report(path, REPORT)
    assert path.read_text() == REPORT


def test_any_other_file_is_replaced_by_force_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("my notes")
    with pytest.raises(UsageError, match=r"is no report of ours; nothing was written\n  --force"):
        check_target(path)
    check_target(path, force=True)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("none/report.html", "there is no folder"), (".", "is a folder"), ("pipe", "is no regular file")],
)
def test_what_cannot_be_a_report_is_refused_even_by_force(name: str, complaint: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=complaint):
        check_target(tmp_path / name, force=True)


def test_a_link_stays_one_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "real.html", tmp_path / "report.html"
    real.write_text(REPORT + "old")
    link.symlink_to(real)
    write_report(link, REPORT)
    assert link.is_symlink()
    assert real.read_text() == REPORT


def test_a_failed_write_leaves_the_old_report_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text(REPORT + "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match="No space left on device"):
        write_report(path, REPORT)
    assert path.read_text() == REPORT + "old"
    assert list(tmp_path.iterdir()) == [path]
