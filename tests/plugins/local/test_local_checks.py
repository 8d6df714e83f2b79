"""evalyard_local.checks: what is found on this machine before anything starts."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from evalyard import Finding, Need, NeedKind, Plan, Severity
from evalyard_local.checks import FREE_ERROR_BYTES, FREE_WARNING_BYTES, findings

GIB = 1024**3


def plan_in(output_dir: Path, *, port: int | None = None, number: int = 1) -> Plan:
    needs = [Need(key="files", kind=NeedKind.FILES)]
    if port is not None:
        needs.append(Need(key="server", kind=NeedKind.SERVER, payload={"port": port, "grace_s": 1.0}))
    return Plan(
        job=f"a1b2c3d4.{number}",
        task="smoke",
        attempt=1,
        name=f"ey-a1b2c3d4-{number}-1",
        mark="0" * 32,
        directory=str(output_dir / "run" / f"task{number}"),
        needs=tuple(needs),
    )


def found(subject: str, plans: Sequence[Plan]) -> list[Finding]:
    return [finding for finding in findings(plans, which=lambda _: "/bin/sh") if finding.subject == subject]


def only(subject: str, plans: Sequence[Plan]) -> Finding:
    (finding,) = found(subject, plans)
    return finding


@pytest.fixture
def roomy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100 * GIB))


@pytest.mark.usefixtures("roomy_disk")
def test_all_is_well_on_a_healthy_machine(tmp_path: Path) -> None:
    assert findings([plan_in(tmp_path)], which=lambda _: "/bin/sh") == (
        Finding(severity=Severity.OK, subject="shell", message="/bin/sh"),
        Finding(severity=Severity.OK, subject="disk space", message=f"100.0 GiB free in {tmp_path}"),
    )


def test_the_shell_is_looked_for_on_path_even_without_plans() -> None:
    (finding,) = findings([])
    assert (finding.severity, finding.message) == (Severity.OK, shutil.which("sh"))


def test_no_shell_is_an_error() -> None:
    asked: list[str] = []

    def nowhere(name: str) -> None:
        asked.append(name)

    assert findings([], which=nowhere) == (
        Finding(
            severity=Severity.ERROR,
            subject="shell",
            message="there is no sh on PATH",
            remedy="add the folder of sh (usually /bin) to PATH",
        ),
    )
    assert asked == ["sh"]


def test_a_file_in_the_way_of_the_output_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    assert only("output folder", [plan_in(tmp_path / "out" / "deeper")]) == Finding(
        severity=Severity.ERROR,
        subject="output folder",
        message=f"{tmp_path / 'out'} is a file",
        remedy="set execution.output_dir to a folder",
    )


def refused(path: Path) -> Finding:
    return Finding(
        severity=Severity.ERROR,
        subject="output folder",
        message=f"{path} is not writable",
        remedy=f"chmod u+w {path}, or another output_dir",
    )


def test_an_output_folder_that_may_not_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # By hand, for root may write anywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: not (path == tmp_path and mode & os.W_OK))
    assert only("output folder", [plan_in(tmp_path / "not" / "yet")]) == refused(tmp_path)


def test_an_output_folder_below_one_that_may_not_be_entered_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    really_stat = os.stat

    def stat_as_a_stranger(path: str | Path, **more: bool) -> os.stat_result:
        if str(path).startswith(f"{locked}/"):
            raise PermissionError(13, "Permission denied", str(path))
        return really_stat(path, **more)

    monkeypatch.setattr(os, "stat", stat_as_a_stranger)
    monkeypatch.setattr(os, "access", lambda path, mode: not (path == locked and mode & os.X_OK))
    assert only("output folder", [plan_in(locked / "deeper" / "out")]) == refused(locked)


@pytest.mark.parametrize(
    ("free", "severity"),
    [
        (0, Severity.ERROR),
        (FREE_ERROR_BYTES - 1, Severity.ERROR),
        (FREE_ERROR_BYTES, Severity.WARNING),
        (FREE_WARNING_BYTES - 1, Severity.WARNING),
        (FREE_WARNING_BYTES, Severity.OK),
    ],
)
def test_little_room_is_a_warning_and_none_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, severity: Severity
) -> None:
    asked: list[Path] = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    finding = only("disk space", [plan_in(tmp_path / "not" / "yet")])
    assert finding.severity is severity
    assert finding.message == f"{free / GIB:.1f} GiB free in {tmp_path}"
    remedy = f"make room in {tmp_path}, or set execution.output_dir to another disk"
    assert finding.remedy == ("" if severity is Severity.OK else remedy)
    assert asked == [tmp_path]


@pytest.mark.usefixtures("roomy_disk")
def test_tasks_of_one_output_folder_are_one_finding(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    plans = [plan_in(tmp_path), plan_in(tmp_path, number=2), plan_in(tmp_path / "other", number=3)]
    assert [finding.message for finding in found("disk space", plans)] == [
        f"100.0 GiB free in {tmp_path}",
        f"100.0 GiB free in {tmp_path / 'other'}",
    ]


def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        finding = only("server port", [plan_in(tmp_path, port=port), plan_in(tmp_path, port=port, number=2)])
    assert finding == Finding(
        severity=Severity.ERROR,
        subject="server port",
        message=f"127.0.0.1:{port} is in use",
        remedy="set deployment.port to another one, or 0 for any",
    )
    assert only("server port", [plan_in(tmp_path, port=port)]) == Finding(
        severity=Severity.OK, subject="server port", message=f"127.0.0.1:{port} is free"
    )


@pytest.mark.parametrize("port", [None, 0])
def test_without_a_fixed_port_there_is_none_to_look_at(tmp_path: Path, port: int | None) -> None:
    assert found("server port", [plan_in(tmp_path, port=port)]) == []


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    findings([plan_in(tmp_path / "out", port=0)])
    assert list(tmp_path.iterdir()) == []
