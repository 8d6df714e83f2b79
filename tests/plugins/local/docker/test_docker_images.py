"""evalyard_local.docker.images: images pulled by a real engine from real registries, and from ones that misbehave."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from evalyard import BackendError, Connection, Context, Handle, NeedKind, Transient
from evalyard_local.docker.images import image_need, provide
from tests.docker_images import BUSYBOX
from tests.plugins.local.docker.conftest import Pushed, docker
from tests.plugins.local.docker.registries import DEADLINE_S, PASSWORD, USER, Stubborn, misbehaving

MARK = "0" * 32


def context(timeout_s: float = DEADLINE_S, cancelled: Callable[[], bool] = lambda: False) -> Context:
    return Context(connection=Connection(executor="local"), deadline=time.monotonic() + timeout_s, cancelled=cancelled)


def provided(image: str, pull: str = "missing", ctx: Context | None = None) -> Handle:
    return provide(ctx or context(), evolve(image_need(image, pull), name="ey-test-image", mark=MARK))


def here(image: str) -> bool:
    done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was told of the pulls, line by line."""
    caplog.set_level(logging.INFO, logger="evalyard.notices")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "evalyard.notices"]


@pytest.fixture
def shown(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What a terminal would have shown, state by state."""
    caplog.set_level(logging.INFO, logger="evalyard.progress")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "evalyard.progress"]


# --- needs ----------------------------------------------------------------------------------------------------------


def test_an_image_is_one_need_however_many_tasks_use_it() -> None:
    need = image_need("nvcr.io/nvidia/eval:1", "missing")
    assert need == image_need("nvcr.io/nvidia/eval:1", "missing")
    assert need.kind is NeedKind.ENVIRONMENT
    assert need.payload == {"image": "nvcr.io/nvidia/eval:1", "pull": "missing"}
    others = {image_need("nvcr.io/nvidia/eval:2", "missing").key, image_need("nvcr.io/nvidia/eval:1", "always").key}
    assert len({need.key, *others}) == 3


def test_a_policy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="sometimes"):
        image_need("x", "sometimes")


# --- pulled ---------------------------------------------------------------------------------------------------------


@pytest.mark.registry
@pytest.mark.parametrize("form", ["{name}:{tag}", "{name}@{digest}", "{name}:{tag}@{digest}"])
def test_an_absent_image_is_pulled_once_and_can_be_run(
    pushed: Pushed, said: Callable[[], list[str]], form: str
) -> None:
    image = form.format(name=pushed.name, tag=pushed.tag, digest=pushed.digest)
    handle = provided(image)
    assert (handle.name, handle.mark, handle.kind, handle.id) == ("ey-test-image", MARK, "environment", pushed.id)
    assert handle.outputs["image"] == image
    assert handle.outputs["digest"] == pushed.digest
    assert handle.outputs["id"] == pushed.id
    pulling, pulled = said()
    assert pulling == f"pulling {image}"
    assert pulled.startswith(f"pulled {image} ({pushed.digest}, ")
    assert pulled.endswith(" s)")
    assert provided(image) == handle
    assert len(said()) == 2, "what is there is not pulled again, and nothing is said"
    assert docker("run", "--rm", "--network=none", image, "echo", "ran") == "ran"


@pytest.mark.registry
def test_always_asks_the_registry_though_the_image_is_here(pushed: Pushed, said: Callable[[], list[str]]) -> None:
    image = f"{pushed.name}:{pushed.tag}"
    assert provided(image, "always") == provided(image, "always")
    assert [line.split()[0] for line in said()] == ["pulling", "pulled", "pulling", "pulled"]


@pytest.mark.registry
def test_never_takes_what_is_here_and_asks_nobody_for_what_is_not(
    pushed: Pushed, said: Callable[[], list[str]]
) -> None:
    image = f"{pushed.name}:{pushed.tag}"
    with pytest.raises(BackendError, match=r"not on this machine, and execution\.pull is never") as caught:
        provided(image, "never")
    assert f"docker pull {image}" in (caught.value.hint or "")
    assert said() == []
    provided(image)
    assert provided(image, "never").id == pushed.id


@pytest.mark.docker
@pytest.mark.parametrize("pull", ["missing", "never"])
def test_an_image_that_no_registry_knows_is_taken_as_it_is(
    busybox_image: str, said: Callable[[], list[str]], pull: str
) -> None:
    handle = provided(busybox_image, pull)
    assert handle.outputs["digest"] == ""
    assert handle.outputs["platform"] == docker("version", "--format", "{{.Server.Platform.Name}}")
    assert handle.id.startswith("sha256:")
    assert said() == []


@pytest.mark.registry
def test_the_layers_are_shown_while_they_come_and_nothing_of_it_stays(
    pushed: Pushed, shown: Callable[[], list[str]]
) -> None:
    image = f"{pushed.name}:{pushed.tag}"
    provided(image)
    assert shown()[0].startswith(image)
    assert shown()[-1] == ""


# --- credentials ----------------------------------------------------------------------------------------------------


@pytest.mark.registry
@pytest.mark.usefixtures("docker_config")
def test_a_registry_that_does_not_know_us_says_how_to_log_in(pushed: Pushed) -> None:
    with pytest.raises(BackendError, match="no basic auth credentials") as caught:
        provided(f"{pushed.secured}:{pushed.tag}")
    assert caught.value.hint == f"docker login {pushed.secured.partition('/')[0]}"
    assert not caught.value.transient


def log_in(folder: Path, registry: str, password: str) -> None:
    secret = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry: {"auth": secret}}}))


@pytest.mark.registry
def test_the_users_own_login_is_used(pushed: Pushed, docker_config: Path) -> None:
    registry = pushed.secured.partition("/")[0]
    log_in(docker_config, registry, "wrong")
    with pytest.raises(BackendError, match="unauthorized") as caught:
        provided(f"{pushed.secured}:{pushed.tag}")
    assert f"docker login {registry}" in (caught.value.hint or "")
    log_in(docker_config, registry, PASSWORD)
    assert provided(f"{pushed.secured}:{pushed.tag}").outputs["digest"] == pushed.digest


@pytest.mark.registry
def test_the_login_of_the_home_folder_is_used_where_no_variable_names_another(pushed: Pushed) -> None:
    folder = Path.home() / ".docker"  # of the test's own home
    folder.mkdir()
    log_in(folder, pushed.secured.partition("/")[0], PASSWORD)
    assert provided(f"{pushed.secured}:{pushed.tag}").id == pushed.id


@pytest.mark.registry
def test_a_credential_helper_is_asked(
    pushed: Pushed, docker_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = pushed.secured.partition("/")[0]
    helper = tmp_path / "docker-credential-evalyard-test"
    helper.write_text(f"#!{sys.executable}\nprint('''{json.dumps({'Username': USER, 'Secret': PASSWORD})}''')\n")
    helper.chmod(0o755)
    (docker_config / "config.json").write_text(json.dumps({"credHelpers": {registry: "evalyard-test"}}))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert provided(f"{pushed.secured}:{pushed.tag}").id == pushed.id
    helper.write_text("#!/bin/sh\necho 'the vault is locked'\nexit 1\n")
    with pytest.raises(BackendError, match=r"credential helper failed.*vault is locked"):
        provided(f"{pushed.secured}:{pushed.tag}", "always")


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.registry
@pytest.mark.parametrize(
    ("form", "remedy"),
    [
        ("{name}:2", "the tag"),
        ("{name}-not:1", "the name"),
        ("{name}@sha256:" + "0" * 64, "the digest"),
        ("{name}:{tag}@sha256:" + "0" * 64, "the digest"),
    ],
)
def test_what_a_registry_does_not_have_is_said_with_what_to_check(pushed: Pushed, form: str, remedy: str) -> None:
    image = form.format(name=pushed.name, tag=pushed.tag)
    with pytest.raises(BackendError, match=r"no such image .*manifest unknown") as caught:
        provided(image)
    assert remedy in (caught.value.hint or "")
    assert not caught.value.transient
    assert not here(image)


@pytest.mark.docker
@pytest.mark.parametrize("image", ["UPPER:1", "a b"])
def test_what_is_no_reference_is_said_before_anybody_is_asked(image: str, said: Callable[[], list[str]]) -> None:
    with pytest.raises(BackendError, match="this is no image reference"):
        provided(image)
    assert said() == []


@pytest.mark.docker
def test_a_registry_that_is_not_there_may_be_there_later() -> None:
    with pytest.raises(Transient, match=r"the registry 127\.0\.0\.1:9 does not answer .*connection refused"):
        provided("127.0.0.1:9/x:1")


@pytest.mark.docker
def test_always_says_that_the_image_here_could_be_used(busybox_image: str) -> None:
    local = f"127.0.0.1:9/evalyard-test/tagged:{os.getpid()}"
    docker("tag", busybox_image, local)
    try:
        with pytest.raises(Transient, match="does not answer") as caught:
            provided(local, "always")
    finally:
        docker("rmi", local)
    assert "execution.pull: missing uses the one on this machine" in (caught.value.hint or "")
    assert here(BUSYBOX)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("status", "code", "meaning", "transient"),
    [
        (429, "TOOMANYREQUESTS", "too many pulls", True),
        (403, "DENIED", "does not show it to you", False),
        (401, "UNAUTHORIZED", "does not know you", False),
        (404, "NAME_UNKNOWN", "no repository of this name", False),
        (503, "UNAVAILABLE", "does not answer", True),
    ],
)
def test_refusals_are_told_apart_as_the_engine_passes_them_on(
    status: int, code: str, meaning: str, transient: bool
) -> None:
    with (
        misbehaving(Stubborn(status=status, code=code, message="as the registry says")) as registry,
        pytest.raises(BackendError, match=meaning) as caught,
    ):
        provided(f"{registry}/x:1")
    assert caught.value.transient is transient


# --- ended early ----------------------------------------------------------------------------------------------------


@pytest.mark.docker
def test_a_cancelled_pull_ends_and_the_engine_hangs_up() -> None:
    stubborn = Stubborn()
    with misbehaving(stubborn) as registry:
        with pytest.raises(BackendError, match="cancelled while it was being pulled"):
            provided(f"{registry}/x:1", ctx=context(cancelled=stubborn.stalled.is_set))
        assert stubborn.hung_up.wait(DEADLINE_S)


@pytest.mark.docker
def test_a_pull_is_given_up_at_its_deadline_and_may_be_tried_again() -> None:
    stubborn = Stubborn()
    with misbehaving(stubborn) as registry:
        ctx = context()

        def out_of_time() -> bool:
            if stubborn.stalled.is_set():
                ctx.deadline = time.monotonic()
            return False

        ctx.cancelled = out_of_time
        with pytest.raises(Transient, match="not pulled in time"):
            provided(f"{registry}/x:1", ctx=ctx)
        assert stubborn.hung_up.wait(DEADLINE_S)


@pytest.mark.docker
def test_a_pull_is_cancelled_though_the_registry_has_not_answered_yet() -> None:
    stubborn = Stubborn(silent=True)
    with misbehaving(stubborn) as registry, pytest.raises(BackendError, match="cancelled"):
        provided(f"{registry}/x:1", ctx=context(cancelled=stubborn.stalled.is_set))
