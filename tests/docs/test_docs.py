"""README.md and docs/: every command and every configuration on them is executed, and does what the page shows."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalyard.serving.demo.server import Behaviour, DemoServer
from evalyard.store.runs import Store
from tests.backends import require_backend, why_absent
from tests.docs.blocks import EXECUTED, REPOSITORY, Page, pages
from tests.docs.play import Player, end_all_runs
from tests.outside.cleanroom import CleanRoom, build_wheel

PAGES = pages()
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

NOT_RUN = {
    ("README.md", "installs from a package registry"),
    ("docs/extensions.md", "an extension that is published elsewhere"),
}
"""Every exception there is: page and reason."""

INSTALLING = {"docs/executors/custom.md": 900.0}
"""Pages that install packages and run their tests, in an environment of their own; seconds that a command may take."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """`host:port` of an endpoint that serves one model."""
    server = DemoServer("127.0.0.1", 0, Behaviour(models=("my-model",)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.url.removeprefix("http://")
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def player(endpoint: str, tmp_path: Path) -> Iterator[Player]:
    """A player of one page; nothing that the page started outlives it."""
    yield Player(tmp_path, endpoint)
    end_all_runs()
    if why_absent("docker") is None:
        remove_containers(Store().owner)


@pytest.fixture
def clean_environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with which the programs of a clean room are found first, among them a pip that needs no network."""
    folder = tmp_path_factory.mktemp("clean")
    room = CleanRoom(folder=folder / "room")
    room.install(build_wheel(REPOSITORY / "core", folder / "wheel"))
    for name in ("pytest", "pip", "hatchling", "editables"):
        room.link(name)
    # What builds a package is in the room already.
    install = "install --no-index --no-build-isolation --disable-pip-version-check"
    scripts = {
        "evalyard": '-m evalyard "$@"',
        "pytest": '-m pytest "$@"',
        "pip": f'-m pip {install} "${{@:2}}"',
    }
    for name, arguments in scripts.items():
        program = room.folder / "bin" / name
        program.write_text(f"#!/bin/bash\nexec {room.python} -P {arguments}\n", encoding="utf-8")
        program.chmod(0o755)
    return {"PATH": f"{room.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def remove_containers(owner: str) -> None:
    """Remove the containers that a store's runs keep."""
    kept = ["docker", "ps", "--all", "--quiet", "--filter", f"label=evalyard.owner={owner}"]
    ids = subprocess.run(kept, capture_output=True, text=True, check=True).stdout.split()
    if ids:
        subprocess.run(["docker", "rm", "--force", *ids], capture_output=True, check=True)


@by_page
def test_every_command_and_configuration_of_a_page_does_what_the_page_shows(
    page: Page, player: Player, request: pytest.FixtureRequest
) -> None:
    absent = {name for name in page.needs if why_absent(name)}
    if page.name in INSTALLING:
        player.environ |= request.getfixturevalue("clean_environ")
        player.timeout_s = INSTALLING[page.name]
    for fixture in ("busybox_image", "python_image") if "docker" in page.needs - absent else ():
        request.getfixturevalue(fixture)
    player.play(page, without=absent)
    for name in absent:
        require_backend(name)  # the rest of the page is not shown to be right


def test_what_is_not_run_is_known_by_page_and_reason() -> None:
    skipped = {(page.name, block.argument) for page in PAGES for block in page.blocks if block.directive == "not run"}
    assert skipped == NOT_RUN


@by_page
def test_blocks_are_of_a_language_that_is_tested_or_hold_no_command(page: Page) -> None:
    for block in page.blocks:
        assert block.language in EXECUTED | {"text"}, block.place
        assert block.language != "text" or "evalyard " not in block.text, block.place


@by_page
def test_links_lead_to_files_and_headings_that_are_there(page: Page) -> None:
    anchors = {other.path: other.anchors for other in PAGES}
    for link in page.links:
        file, _, anchor = link.partition("#")
        assert ":" not in file, f"{page.name}: {link} leaves the repository"
        target = (page.path.parent / file).resolve() if file else page.path
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors[target], f"{page.name}: {link}"


def test_every_page_is_linked_from_the_readme() -> None:
    readme = PAGES[0]
    linked = {(readme.path.parent / link.partition("#")[0]).resolve() for link in readme.links}
    assert {page.path for page in PAGES[1:]} <= linked


def test_every_make_target_of_the_readme_is_one() -> None:
    named = {text for block in PAGES[0].blocks for text in block.text.splitlines() if text.startswith("$ make ")}
    assert named == {"$ make quickstart", "$ make test"}
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for line in named:
        assert f"\n{line.removeprefix('$ make ')}:" in makefile
