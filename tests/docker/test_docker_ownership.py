"""Whoever calls evalyard owns what its containers leave, and its secrets stay secret."""

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.yard import command
from tests.docker.dockyard import Dockyard, as_user, docker, strangers

pytestmark = pytest.mark.docker
CALLER = 4242
MAKE_FILES = [
    "id -u",
    "mkdir -p /results/deep/er; echo x > /results/deep/er/file; chmod 700 /results/deep/er",
    "ln -s /nowhere /results/dangling; ln -s /cache/theirs /results/link",
    "echo own > /results/'it is'; chmod 600 /results/it*",
]


@pytest.fixture
def caller(yard: Dockyard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dockyard]:
    """The yard of a user who is not root, with a home of its own; the present user's, unless that is root."""
    if os.getuid() != 0:
        yield yard
        return
    # Pytest's own folders are for root alone.
    with tempfile.TemporaryDirectory(prefix="evalyard-caller-") as place:
        home = Path(place) / "home"
        home.mkdir()
        yard.folder, yard.home, yard.caller = Path(place), home / "evalyard", as_user(CALLER)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("EVALYARD_HOME", str(yard.home))
        for path in (Path(place), home):
            shutil.chown(path, CALLER, CALLER)
        try:
            yield yard
        finally:
            yard.end_everything()
            yard.remove_everything()


@pytest.fixture(scope="session")
def somebodys_image(busybox_image: str) -> str:
    """The reference of an image that runs as user 1234."""
    tag = "evalyard-test/busybox-1234:1"
    if not docker("images", "--quiet", tag):
        made = docker("create", busybox_image).strip()
        docker("commit", "--change", "USER 1234", made, tag)
        docker("rm", made)
    return tag


@pytest.fixture(params=["root", "1234"])
def image(request: pytest.FixtureRequest, busybox_image: str, somebodys_image: str) -> str:
    return busybox_image if request.param == "root" else somebodys_image


def owner_of(yard: Dockyard) -> int:
    return yard.folder.stat().st_uid


def test_files_of_a_container_belong_to_the_caller_however_it_ended(caller: Dockyard, image: str) -> None:
    cache = caller.folder / "cache"
    cache.mkdir()
    (cache / "theirs").write_text("not the caller's")
    whose = (cache / "theirs").stat().st_uid
    caller.image = image
    caller.config(
        caller.task("good", *MAKE_FILES, "cat /evalyard/job/.secrets.env >/dev/null && echo readable: $KEY"),
        caller.task("bad", *MAKE_FILES, "exit 3"),
        caller.gated("killed", *MAKE_FILES),
        env_vars={"KEY": "host:KEY"},
        execution={"mounts": {"evaluation": {str(cache): "/cache"}}, "max_parallel": 3},
    )
    invocation = caller.run("run.yaml", env={"KEY": "public"})
    caller.await_log(invocation, "killed")
    docker("kill", caller.container(invocation, "label=evalyard.task=killed")["Id"])
    caller.await_states(invocation, "SUCCEEDED", "FAILED", "FAILED")
    assert "readable: public" in caller.log(invocation, "good")
    assert strangers(caller.run_dir(invocation), owner_of(caller)) == []
    for name in ("good", "bad", "killed"):
        artifacts = caller.task_folder(invocation, name) / "artifacts"
        assert (artifacts / "deep" / "er" / "file").read_text() == "x\n"
        assert "chown" not in caller.log(invocation, name)
    assert (cache / "theirs").stat().st_uid == whose, "what a link points at is not the caller's"


def test_files_of_a_container_that_was_run_by_hand_belong_to_the_caller(caller: Dockyard, image: str) -> None:
    caller.image = image
    caller.config(caller.task("one", *MAKE_FILES))
    invocation = caller.run("run.yaml", "--wait")
    caller.program("sh", "run.sh", folder=caller.task_folder(invocation, "one"))
    (row,) = caller.jobs(invocation)
    assert (row["state"], row["by_hand"]) == ("SUCCEEDED", True)
    assert strangers(caller.run_dir(invocation), owner_of(caller)) == []
    caller.await_no_container(invocation)


def test_a_secret_is_in_its_own_file_and_in_the_harness_and_nowhere_else(caller: Dockyard) -> None:
    canary = f"canary-{secrets.token_hex(16)}"
    awkward = f"""{canary} it's "quoted" $HOME `id`\nsecond {canary}"""
    show = 'printf "%s" "$MY_KEY" | md5sum > /results/seen; printf "%s" "$MY_KEY" > /results/.exact'
    caller.config(
        caller.gated("one", show, "env | grep -c canary"),
        env_vars={"MY_KEY": "host:GIVEN"},
        execution={"keep": "all"},
    )
    invocation = caller.run("run.yaml", env={"GIVEN": awkward})
    caller.await_log(invocation, "one")
    container = caller.container(invocation)["Id"]
    spoken = [docker("inspect", container), docker("top", container, "-eo", "pid,args"), docker("logs", container)]
    spoken += [" ".join(command(process)) for process in caller.processes()]
    caller.open(invocation, "one")
    caller.await_states(invocation, "SUCCEEDED")
    artifacts = caller.task_folder(invocation, "one") / "artifacts"
    assert (artifacts / ".exact").read_text() == awkward
    (artifacts / ".exact").unlink()
    spoken.append(docker("inspect", container))
    spoken.append(caller.call("info", invocation).text)
    assert [text for text in spoken if canary in text] == []
    found = [path for path, text in caller.texts(caller.folder) if canary in text]
    assert found == [caller.task_folder(invocation, "one") / ".secrets.env"]
    assert stat.S_IMODE(found[0].stat().st_mode) == 0o600
