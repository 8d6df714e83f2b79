"""Images for tests, made of this machine's own files and without any registry: a pytest plugin for conftest.

They stay on the engine: each is made once, when it is absent.
"""

import fcntl
import hashlib
import io
import os
import re
import stat
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.backends import require_backend

BUSYBOX = "evalyard-test/busybox:1"
"""A POSIX sh and busybox's commands; no bash, no curl, no python3."""
PYTHON = "evalyard-test/python:1"
"""The same, and the standard library of the Python that made it."""
BUSYBOX_PROGRAM = Path("/bin/busybox")
"""Of Debian's busybox-static: it needs no library."""

_FOLDERS = ("bin", "dev", "etc", "proc", "results", "root", "sys", "tmp", "usr/bin")
_LEFT_OUT = {
    "__pycache__",
    "site-packages",
    "test",
    "tests",
    "idlelib",
    "lib2to3",
    "ensurepip",
    "tkinter",
    "turtledemo",
}
_IMPORT_TIMEOUT_S = 300


@pytest.fixture(scope="session")
def busybox_image() -> str:
    """The reference of an image with a shell."""
    require_backend("docker")
    return made(BUSYBOX, write_busybox, path="/bin")


@pytest.fixture(scope="session")
def python_image() -> str:
    """The reference of an image with a shell and python3."""
    require_backend("docker")
    folders = ":".join(sorted({str(Path(library).parent) for library in libraries(python_files())}))
    return made(PYTHON, write_python, path="/bin:/usr/bin", LD_LIBRARY_PATH=folders)


def made(tag: str, write: Callable[[tarfile.TarFile], None], *, path: str, **variables: str) -> str:
    """Import an image unless the engine has one of this tag, and return the tag."""
    # Of several test processes one makes it: the others' would stay behind without a tag.
    with _locked(Path(tempfile.gettempdir()) / "evalyard-test-images.lock"), tempfile.TemporaryFile() as stream:
        if subprocess.run(["docker", "image", "inspect", tag], capture_output=True, check=False).returncode == 0:
            return tag
        with tarfile.open(fileobj=stream, mode="w") as archive:
            write(archive)
        stream.seek(0)
        changes = [f"ENV {name}={value}" for name, value in {"PATH": path, **variables}.items()]
        argv = ["docker", "import", *(f"--change={change}" for change in ('CMD ["sh"]', *changes)), "-", tag]
        subprocess.run(argv, stdin=stream, capture_output=True, timeout=_IMPORT_TIMEOUT_S, check=True)
    return tag


def extended(name: str, base: str, write: Callable[[tarfile.TarFile], None], *changes: str) -> str:
    """Make an image that adds files to another one, unless the engine has it, and return its tag.

    Args:
        name: what it is called; the tag tells its content.
        changes: as for `docker commit --change`.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        write(archive)
    content = hashlib.sha256(stream.getvalue() + repr((base, changes)).encode()).hexdigest()[:12]
    tag = f"evalyard-test/{name}:{content}"
    with _locked(Path(tempfile.gettempdir()) / "evalyard-test-images.lock"):
        if subprocess.run(["docker", "image", "inspect", tag], capture_output=True, check=False).returncode == 0:
            return tag
        container = _docker("create", base).decode().strip()
        try:
            _docker("cp", "-", f"{container}:/", content=stream.getvalue())
            _docker("commit", *(f"--change={change}" for change in changes), container, tag)
        finally:
            _docker("rm", container)
    return tag


def add_tree(archive: tarfile.TarFile, folder: Path, target: str, *, compiled: bool = False) -> None:
    """Add the files below a folder, the same bytes whenever that is done.

    Args:
        compiled: with what Python made of its modules.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (compiled or "__pycache__" not in path.parts):
            add_file(
                archive, f"{target}/{path.relative_to(folder)}", path.read_bytes(), mode=path.stat().st_mode & 0o777
            )


def add_file(archive: tarfile.TarFile, name: str, content: bytes, *, mode: int = 0o755) -> None:
    """Add a file, the same bytes whenever that is done."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _docker(*arguments: str, content: bytes | None = None) -> bytes:
    argv = ["docker", *arguments]
    return subprocess.run(argv, input=content, capture_output=True, timeout=_IMPORT_TIMEOUT_S, check=True).stdout


def write_busybox(archive: tarfile.TarFile) -> None:
    """Add a shell and everything else that busybox is."""
    for folder in _FOLDERS:
        entry = tarfile.TarInfo(folder)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
        archive.addfile(entry)
    archive.add(BUSYBOX_PROGRAM, "bin/busybox")
    listed = subprocess.run([BUSYBOX_PROGRAM, "--list"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        if name != "busybox":
            _link(archive, f"bin/{name}", "busybox")
    _write(archive, "etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    _write(archive, "etc/hosts", "127.0.0.1 localhost\n")


def write_python(archive: tarfile.TarFile) -> None:
    """Add a shell, the running Python's own files, and the libraries that they need, all where they are here."""
    write_busybox(archive)
    for file in sorted(python_files()):
        archive.add(file, str(file).lstrip("/"), recursive=False)
    for library in sorted(libraries(python_files())):
        # What is a link here is the file itself there.
        content = Path(library).read_bytes()
        entry = tarfile.TarInfo(library.lstrip("/"))
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    _link(archive, "usr/bin/python3", str(_interpreter()))


def python_files() -> Iterable[Path]:
    """Return the interpreter and its standard library, without tests and what others installed."""
    found = {_interpreter()}
    for folder, names, files in os.walk(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})):
        names[:] = [name for name in names if name not in _LEFT_OUT and not name.startswith("config-")]
        found |= {Path(folder) / name for name in files}
    return found


def libraries(files: Iterable[Path]) -> set[str]:
    """Return the shared libraries that programs and extension modules need, the loader included."""
    binaries = [str(file) for file in files if file == _interpreter() or file.suffix == ".so"]
    listed = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=True)
    return set(re.findall(r"(/\S+) \(0x", listed.stdout))


def _interpreter() -> Path:
    return Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}").resolve()


def _link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    archive.addfile(entry)


def _write(archive: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text.encode()), stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH
    archive.addfile(entry, io.BytesIO(text.encode()))


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    with path.open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield stream
