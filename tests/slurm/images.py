"""Images that podman finds on every node, made of this machine's own files."""

import tarfile
from collections.abc import Callable
from pathlib import Path

from tests.docker_images import libraries, python_files, write_busybox, write_python
from tests.slurm.cluster import Cluster


def busybox_image(cluster: Cluster) -> str:
    """Return the reference of an image with a shell."""
    return _made(cluster, "localhost/evalyard-test/busybox:1", write_busybox, "PATH=/bin")


def python_image(cluster: Cluster) -> str:
    """Return the reference of an image with a shell and python3."""
    folders = ":".join(sorted({str(Path(library).parent) for library in libraries(python_files())}))
    variables = ("PATH=/bin:/usr/bin", f"LD_LIBRARY_PATH={folders}")
    return _made(cluster, "localhost/evalyard-test/python:1", write_python, *variables)


def _made(cluster: Cluster, tag: str, write: Callable[[tarfile.TarFile], None], *variables: str) -> str:
    path = cluster.folder / "image.tar"
    with tarfile.open(path, "w") as archive:
        write(archive)
    changes = [f"--change={change}" for change in ('CMD ["sh"]', *(f"ENV {text}" for text in variables))]
    cluster.machines["login"].run(
        "podman", "--root", str(cluster.folder / "images"), "import", *changes, str(path), tag
    )
    path.unlink()
    return tag
