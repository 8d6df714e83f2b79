"""What a container says is in the log: at once, whole, and as it was."""

import pytest

from tests.cli.yard import until
from tests.docker.dockyard import Dockyard

pytestmark = pytest.mark.docker
LINES = 20_000


def test_a_followed_log_shows_lines_while_the_container_runs_and_ends_with_it(yard: Dockyard) -> None:
    yard.config(yard.gated("one", "echo to stdout", "echo to stderr >&2"))
    invocation = yard.run("run.yaml")
    with (yard.folder / "followed").open("w") as stream:
        following = yard.start("evalyard", "logs", "-f", f"{invocation}.1", stdout=stream)
        followed = yard.folder / "followed"
        until(lambda: "started" in followed.read_text(), "the first lines", process=following)
        assert yard.states(invocation) == ["RUNNING"]
        yard.open(invocation, "one")
        following.communicate()
    assert following.returncode == 0
    assert "to stdout\nto stderr\nstarted\n" in followed.read_text()
    assert "ended with exit code 0" in followed.read_text()


def test_a_long_log_is_whole(yard: Dockyard) -> None:
    line = "seq -f '%06.0f' 1 20000 2>/dev/null || seq 1 20000"
    yard.config(yard.task("one", f"({line}) | sed 's/$/ {'x' * 93}/'", "printf 'no end of line'"))
    invocation = yard.run("run.yaml", "--wait")
    for text in (yard.log(invocation, "one"), yard.call("logs", f"{invocation}.1").out):
        body = [words for words in text.splitlines() if words.endswith("x" * 93)]
        assert [int(words.split()[0]) for words in body] == list(range(1, LINES + 1))
        assert "no end of line\n" in text


def test_bytes_that_are_no_utf8_do_not_stop_the_log(yard: Dockyard) -> None:
    yard.config(yard.task("one", r"printf 'a\377\376b\n'; echo gr\303\274n; printf 'gr\303\274n\n'; echo after"))
    invocation = yard.run("run.yaml", "--wait")
    shown = yard.call("logs", f"{invocation}.1").out
    assert "a\ufffd\ufffdb\n" in shown
    assert "grün\nafter\n" in shown


def test_the_log_of_the_server_is_asked_for_by_its_role(yard: Dockyard) -> None:
    serve = 'mkdir /www; echo > /www/health; echo serving; exec httpd -f -v -p "$PORT" -h /www'
    deployment = {"type": "generic", "image": yard.image, "command": serve, "served_model_name": "m"}
    yard.config(yard.task("one", "echo asking"), deployment={**deployment, "endpoints": {"health": "/health"}})
    invocation = yard.run("run.yaml", "--wait")
    served = yard.call("logs", "--role", "server", f"{invocation}.1").out
    assert "serving\n" in served
    assert "asking" not in served
    yard.await_no_container(invocation)
