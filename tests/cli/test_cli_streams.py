"""Whatever a shell makes of our stdout and stderr: closed, full, a pipe nobody reads, a locale of long ago."""

from pathlib import Path

import pytest

from tests.cli.yard import Yard


def shell(yard: Yard, text: str, *, code: int = 0, env: dict[str, str] | None = None) -> tuple[str, str]:
    """Run shell text; returns its stdout and stderr."""
    done = yard.program("sh", "-c", text, code=code, env=env)
    assert "Traceback" not in done.text
    assert "bug in evalyard" not in done.text
    return done.out, done.err


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_a_closed_stream_stops_nothing(yard: Yard, closed: str) -> None:
    yard.config(yard.gated("one"), yard.task("two"), execution={"mode": "sequential"})
    shell(yard, f"evalyard run -c run.yaml {closed}")
    yard.open_gates("one")
    yard.await_states("latest", "SUCCEEDED", "SUCCEEDED")
    for command in ("status", "logs", "ls runs", "--help"):
        shell(yard, f"evalyard {command} {closed}")
    shell(yard, f"evalyard status ffffffff {closed}", code=2)


@pytest.mark.parametrize("reader", ["2>&1 | head -n 1", "2>&1 | true", "| true"])
@pytest.mark.parametrize("wait", ["", "--wait"])
def test_a_run_whose_reader_left_goes_on_all_the_same(yard: Yard, reader: str, wait: str) -> None:
    yard.config(yard.task("one"))
    shell(yard, f"evalyard run -c run.yaml {wait} {reader}")
    yard.await_states("latest", "SUCCEEDED")


def test_a_listing_whose_reader_left_says_nothing_about_it(yard: Yard) -> None:
    yard.config(yard.task("one", "seq 1 200000"))
    invocation = yard.run("run.yaml", "--wait")
    for command in (f"logs {invocation}", "status --watch", "ls tasks", "info", "run -c run.yaml --dry-run"):
        assert shell(yard, f"evalyard {command} | head -n 1")[1] == "", command


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which only some systems have")
def test_output_that_cannot_be_written_is_one_message(yard: Yard) -> None:
    yard.config(yard.task("one"))
    yard.run("run.yaml", "--wait")
    for command in ("status", "status --json", "logs", "ls runs", "run -c run.yaml --dry-run"):
        _, err = shell(yard, f"evalyard {command} > /dev/full", code=1)
        assert err == "error: cannot write what there is to say: No space left on device\n", command


def test_any_text_can_be_shown_in_any_locale(yard: Yard) -> None:
    yard.config(yard.task("grün", "printf '\\360\\237\\224\\221 \\377\\n'"))
    invocation = yard.run("run.yaml", "--wait")
    old = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert "\\U0001f511" in shell(yard, f"evalyard logs {invocation}", env=old)[0]
    assert "gr\\xfcn" in shell(yard, f"evalyard status {invocation}", env=old)[0]
    assert "\U0001f511" in shell(yard, f"evalyard logs {invocation}", env={"LC_ALL": "C.UTF-8"})[0]
