"""Images in a real registry, and nothing of them left on the engine after a test."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.backends import require_backend
from tests.docker_images import write_busybox
from tests.plugins.local.docker.registries import serving

SIZE = 3_000_000
"""Of the part of the image that nobody else has."""


@frozen(kw_only=True)
class Pushed:
    """An image that a registry has, and the engine only while a test uses it."""

    name: str
    """`127.0.0.1:PORT/NAME`, of a registry without passwords."""
    tag: str
    digest: str
    id: str
    secured: str
    """The same name at a registry that wants a password."""


def docker(*arguments: str) -> str:
    """Run the docker command and return what it says."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def forget(image_id: str) -> None:
    """Remove an image with all its names, if it is there."""
    subprocess.run(["docker", "rmi", "--force", image_id], capture_output=True, timeout=120, check=False)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    """Two registries of one content: an image that the engine does not have."""
    require_backend("registry")
    folder = tmp_path_factory.mktemp("registry")
    (folder / "open").mkdir()
    (folder / "secured").mkdir()
    archive = folder / "image.tar"
    (folder / "noise").write_bytes(os.urandom(SIZE))
    with tarfile.open(archive, "w") as stream:
        write_busybox(stream)
        stream.add(folder / "noise", "noise")
    storage = folder / "storage"
    with (
        serving(folder / "open", storage) as address,
        serving(folder / "secured", storage, passwords=True) as secured,
    ):
        name, tag = "evalyard-test/pulled", "1"
        image_id = docker("import", "--change=ENV PATH=/bin", str(archive), f"{address}/{name}:{tag}")
        try:
            docker("push", f"{address}/{name}:{tag}")
            digests = docker("image", "inspect", "--format={{index .RepoDigests 0}}", image_id)
        finally:
            forget(image_id)
        yield Pushed(
            name=f"{address}/{name}",
            tag=tag,
            digest=digests.partition("@")[2],
            id=image_id,
            secured=f"{secured}/{name}",
        )


@pytest.fixture
def pushed(registry: Pushed) -> Iterator[Pushed]:
    """An image that the engine does not have, before the test and after it."""
    yield registry
    forget(registry.id)


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The docker command's configuration folder, empty."""
    folder = tmp_path / "docker-config"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder
