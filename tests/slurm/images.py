"""Images that podman finds on every node, made of this machine's own files."""

import tarfile
from collections.abc import Callable
from pathlib import Path

from tests.docker.servers import write_servers
from tests.docker_images import add_file, libraries, python_files, write_busybox, write_python
from tests.slurm.cluster import Cluster

_EXAMPLES = Path(__file__).parents[1] / "examples"


def busybox_image(cluster: Cluster) -> str:
    """Return the reference of an image with a shell."""
    return _made(cluster, "localhost/evalyard-test/busybox:1", write_busybox, "PATH=/bin")


def python_image(cluster: Cluster) -> str:
    """Return the reference of an image with a shell and python3."""
    return _made(cluster, "localhost/evalyard-test/python:1", write_python, *_python_variables())


def stand_in_image(cluster: Cluster) -> str:
    """Return the reference of an image with what is called like nemo-evaluator and like model servers."""

    def write(archive: tarfile.TarFile) -> None:
        write_python(archive)
        write_servers(archive)
        program = _EXAMPLES / "stand_in" / "nemo_evaluator.py"
        add_file(archive, "usr/bin/nemo-evaluator", b"#!/usr/bin/python3\n" + program.read_bytes())

    variables = (*_python_variables(), "PYTHONPATH=/opt/stand_in")
    return _made(cluster, "localhost/evalyard-test/stand-in:1", write, *variables)


def _python_variables() -> tuple[str, ...]:
    folders = ":".join(sorted({str(Path(library).parent) for library in libraries(python_files())}))
    return "PATH=/bin:/usr/bin", f"LD_LIBRARY_PATH={folders}"


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
