"""evalyard.exports.sending: the exporter's own process, what it is told, and how it may end."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import psutil
import pytest

from evalyard.errors import BackendError, EvalyardError, PluginError, Transient, UsageError
from evalyard.exports.destination import destination
from evalyard.exports.records import Exported
from evalyard.exports.sending import Sending
from tests.cli.yard import until
from tests.plugins.left import RUN, job_left

SOURCE = """
    import os, subprocess, sys, time
    from pathlib import Path
    from evalyard import BackendError, ConfigError, Exported, ExportSettings, SecretError, Transient

    class Toy:
        api = 1
        Settings = ExportSettings

        def export(self, ctx, settings, results):
            BODY
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that starts an export with an exporter of this body."""
    site = tmp_path / "site"
    info = site / "toy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[evalyard.exporters]\ntoy = toy_exporter:Toy\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "toy_exporter", raising=False)

    def start(body: str, *, timeout_s: float = 60.0, **variables: str) -> Sending:
        (site / "toy_exporter.py").write_text(textwrap.dedent(SOURCE).replace("BODY", body))
        return Sending(
            destination("toy", ()),
            [job_left(tmp_path / "run")],
            environ=os.environ | {"PYTHONPATH": str(site)} | variables,
            folder=tmp_path / "folder",
            lock=tmp_path / "locks" / "toy.lock",
            timeout_s=timeout_s,
        )

    return start


def test_results_settings_and_variables_reach_the_exporter(toy: Any) -> None:
    body = (
        "print('an SDK that talks'); r = results[0]; "
        'return [Exported(job=r.card.job, where=f\'{r.scores[0].value} {r.state} {r.card.parameters["extra"]} '
        '{ctx.secret("TOKEN")} {ctx.folder.name} {ctx.folder.is_dir()} {ctx.remaining_s > 1}\')]'
    )
    (exported,) = toy(body, TOKEN="t").answer()
    assert exported == Exported(job=f"{RUN}.1", where="0.75 SUCCEEDED {'seed': 7} t folder True True")


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("raise Transient('later')", Transient, "later"),
        ("raise BackendError('no')", BackendError, "no"),
        ("raise ConfigError(['f:1: x'])", UsageError, "f:1: x"),
        ("ctx.secret('TOKEN')", UsageError, "the environment variable TOKEN is not set"),
        ("open('/nowhere/at/all')", Transient, "toy: .*No such file"),
        ("raise ZeroDivisionError('bug')", PluginError, "toy: the export failed inside the plugin: ZeroDivisionError"),
        ("sys.exit('gone')", PluginError, "toy: the exporter ended with code 1 and no answer: gone"),
        ("os.kill(os.getpid(), 9)", PluginError, "ended with code -9 and no answer"),
        ("return []", PluginError, "the exporter's answer is not about a1b2c3d4.1"),
        ("return None", PluginError, "the export failed inside the plugin: TypeError"),
    ],
)
def test_what_goes_wrong_there_is_an_error_here(toy: Any, body: str, kind: type[EvalyardError], message: str) -> None:
    with pytest.raises(EvalyardError, match=message) as caught:
        toy(body).answer()
    assert caught.value.transient is issubclass(kind, Transient)


def test_an_exporter_that_hangs_is_killed_with_all_it_started_and_may_be_tried_again(toy: Any, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    body = f"p = subprocess.Popen(['sleep', '600']); Path({str(pid)!r}).write_text(str(p.pid)); time.sleep(600)"
    sending = toy(body)
    until(lambda: pid.exists() and pid.read_text(), "the exporter's helper")
    sending._deadline = 0.0
    with pytest.raises(Transient, match="toy: no end within 60 s"):
        sending.answer()
    until(lambda: not _lives(int(pid.read_text())), "the helper's end")


def test_one_that_is_dropped_leaves_nothing(toy: Any, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    sending = toy(f"Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(600)")
    until(lambda: pid.exists() and pid.read_text(), "the exporter's start")
    assert not sending.ended()
    sending.drop()
    assert not _lives(int(pid.read_text()))
    assert sending.ended()


def test_two_exports_of_one_run_to_one_destination_come_one_after_the_other(toy: Any, tmp_path: Path) -> None:
    busy = tmp_path / "busy"
    body = (
        f"busy = Path({str(busy)!r}); busy.mkdir(); time.sleep(0.3); busy.rmdir(); "
        "return [Exported(job=r.card.job, where='w') for r in results]"
    )
    sendings = [toy(body) for _ in range(3)]
    assert [one.answer()[0].where for one in sendings] == ["w"] * 3


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
