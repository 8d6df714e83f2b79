"""`evalyard report`: one HTML file, where it was asked for and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from evalyard.report.render import GENERATOR
from tests.cli.yard import Yard

MEASURED = """\
mkdir -p "$EVALYARD_OUTPUT_DIR"; cat > "$EVALYARD_OUTPUT_DIR/results.json" <<END
{"accuracy": %s}
END"""


def measuring(value: float) -> dict[str, Any]:
    """Return a task whose harness measures this."""
    results = {"file": "results.json", "format": "json", "scores": {"accuracy": "accuracy"}}
    return {"name": "quiz", "harness": {"command": MEASURED % value, "results": results}}


def failing() -> dict[str, Any]:
    return {"name": "broken", "harness": {"command": "echo 'the <last> words'; exit 3"}}


@pytest.fixture
def run(yard: Yard) -> str:
    """A run with a score and a failure."""
    yard.config(measuring(0.625), failing())
    return yard.call("run", "-c", "run.yaml", "--wait", code=1).out.strip()


def test_a_report_is_one_file_with_the_scores_and_the_failures(yard: Yard, run: str) -> None:
    done = yard.call("report", run, "--title", "For <Monday>")
    assert done.out == "report.html\n"
    assert "1 of 2 jobs without scores" in done.err
    html = (yard.folder / "report.html").read_text(encoding="utf-8")
    assert GENERATOR in html
    for told in ("For &lt;Monday&gt;", "0.6250", f"{run}.1", "exit code 3", "the &lt;last&gt; words", "execution:"):
        assert told in html, told


def test_the_first_of_several_runs_is_the_baseline(yard: Yard, run: str) -> None:
    yard.config(measuring(0.5))
    other = yard.run("run.yaml", "--wait")
    yard.call("report", other, run, "-o", "both.html")
    html = (yard.folder / "both.html").read_text(encoding="utf-8")
    assert f'With the baseline, run <span class="id">{other}</span>' in html
    assert "+0.1250" in html


def test_a_dash_is_stdout_and_leaves_no_file(yard: Yard, run: str) -> None:
    done = yard.call("report", run, "--output", "-", env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert done.out.startswith("<!DOCTYPE html>")
    assert "±" in done.out
    assert not list(yard.folder.glob("*.html"))


def test_a_run_directory_is_enough(yard: Yard, run: str) -> None:
    folder = yard.run_dir(run).rename(yard.folder / "moved")
    yard.call("report", "--job-dirs", str(folder), env={"EVALYARD_HOME": str(yard.folder / "elsewhere")})
    assert "0.6250" in (yard.folder / "report.html").read_text(encoding="utf-8")


def test_a_report_is_overwritten_and_nothing_else_is(yard: Yard, run: str) -> None:
    yard.call("report", run)
    yard.call("report", run)
    mine = yard.folder / "report.html"
    mine.write_text("my notes")
    done = yard.call("report", run, code=2)
    assert "is no report of ours; nothing was written" in done.err
    assert mine.read_text() == "my notes"
    yard.call("report", run, "--force")
    assert GENERATOR in mine.read_text(encoding="utf-8")


def test_a_missing_folder_is_named_before_anything_is_done(yard: Yard) -> None:
    done = yard.call("report", "-o", "no/such/report.html", code=2)
    assert done.err == "error: no/such/report.html: there is no folder no/such\n  mkdir -p no/such\n"


def test_an_option_is_not_taken_for_a_file(yard: Yard) -> None:
    assert "takes a file or -, not '--force'" in yard.call("report", "--output", "--force", code=2).err


def test_ids_and_folders_exclude_each_other(yard: Yard) -> None:
    assert "exclude each other" in yard.call("report", "abc", "--job-dirs", ".", code=2).err


def test_a_secret_in_a_log_is_not_in_the_report(yard: Yard) -> None:
    leaking = {"name": "leaking", "harness": {"command": 'echo "key: $API_KEY"; exit 3'}}
    yard.config(leaking, evaluation={"env_vars": {"API_KEY": "host:API_KEY"}})
    run = yard.call("run", "-c", "run.yaml", "--wait", code=1, env={"API_KEY": "canary-of-a-report"}).out.strip()
    yard.call("report", run)
    html = (yard.folder / "report.html").read_text(encoding="utf-8")
    assert "key: ***" in html
    assert "canary" not in html


def test_help_does_not_load_the_library_of_templates() -> None:
    code = """
import sys
from evalyard.cli.app import call
assert call(["report", "--help"]) == 0
assert call(["report", "--output", "no/such/report.html"]) == 2
assert not {"jinja2", "markupsafe", "evalyard_local"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
