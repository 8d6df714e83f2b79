"""evalyard.harness.rundir: files that are whole or not there, secrets that nobody else may read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalyard import BackendError, Connection, Context, Need, NeedKind, PlannedFile, SecretError
from evalyard.harness.rundir import write_run_dir
from evalyard.records.files import SecretRef
from evalyard.secrets import SecretSource

SECRETS = PlannedFile(path="task/.secrets.env", mode=0o600, secrets=(SecretRef(name="KEY", variable="MY_KEY"),))


@pytest.fixture(autouse=True)
def most_open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "out" / "run"


def write(root: Path, *files: PlannedFile, environ: dict[str, str] | None = None) -> None:
    context = Context(connection=Connection(executor="local"), secrets=SecretSource(environ=environ or {}))
    write_run_dir(Need(key="files", kind=NeedKind.FILES, directory=str(root), files=files), context.content)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_files_have_their_text_and_their_mode(root: Path) -> None:
    write(
        root,
        PlannedFile(path="config.yaml", text="über: 1\r\n"),
        PlannedFile(path="task/run.sh", text="true\n", mode=0o755),
        SECRETS,
        environ={"MY_KEY": "it's $(secret)"},
    )
    assert (root / "config.yaml").read_bytes() == "über: 1\r\n".encode()
    assert (root / "task" / "run.sh").read_text() == "true\n"
    assert (root / "task" / ".secrets.env").read_text() == "KEY='it'\\''s $(secret)'\n"
    modes = {path: mode_of(root / path) for path in ("config.yaml", "task/run.sh", "task/.secrets.env")}
    assert modes == {"config.yaml": 0o644, "task/run.sh": 0o755, "task/.secrets.env": 0o600}


def test_a_strict_umask_takes_nothing_from_the_mode(root: Path) -> None:
    os.umask(0o077)
    write(root, PlannedFile(path="task/run.sh", text="true\n", mode=0o755))
    assert mode_of(root / "task" / "run.sh") == 0o755


@pytest.mark.parametrize("draft_left_behind", [False, True])
def test_secrets_are_readable_by_nobody_else_from_the_first_byte_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, draft_left_behind: bool
) -> None:
    (root / "task").mkdir(parents=True)
    draft = root / "task" / f".{'.secrets.env'}.{os.getpid()}.new"
    if draft_left_behind:
        draft.write_text("left by a process of this id that was killed")
        draft.chmod(0o666)
    modes_with_bytes: list[int] = []
    really_replace = Path.replace
    really_open, really_chmod = os.open, os.fchmod
    made_with: list[int] = []

    def watch_open(path: str | Path, flags: int, mode: int = 0o777, **more: int) -> int:
        descriptor = really_open(path, flags, mode, **more)
        made_with.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        assert os.fstat(descriptor).st_size == 0
        return descriptor

    def watch_chmod(descriptor: int, mode: int) -> None:
        assert os.fstat(descriptor).st_size == 0, "bytes before the mode"
        really_chmod(descriptor, mode)

    def watch_replace(path: Path, target: Path) -> Path:
        modes_with_bytes.append(mode_of(path))
        return really_replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", watch_open)
        patched.setattr(os, "fchmod", watch_chmod)
        patched.setattr(Path, "replace", watch_replace)
        write(root, SECRETS, environ={"MY_KEY": "s" * 100_000})
    assert made_with == [0o666 if draft_left_behind else 0o600]
    assert modes_with_bytes[0] == 0o600
    assert mode_of(root / "task" / ".secrets.env") == 0o600


def test_secrets_that_are_no_text_are_written_byte_for_byte(root: Path) -> None:
    write(root, SECRETS, environ={"MY_KEY": os.fsdecode(b"\xff\xfe\r")})
    assert (root / "task" / ".secrets.env").read_bytes() == b"KEY='\xff\xfe\r'\n"


def test_what_is_there_already_is_replaced(root: Path) -> None:
    write(root, PlannedFile(path="task/run.sh", text="the longer text of yesterday\n"))
    write(root, PlannedFile(path="task/run.sh", text="today\n", mode=0o755))
    assert (root / "task" / "run.sh").read_text() == "today\n"
    assert mode_of(root / "task" / "run.sh") == 0o755
    assert names_in(root / "task") == {"run.sh"}


def test_who_reads_the_earlier_file_reads_it_whole(root: Path) -> None:
    write(root, PlannedFile(path="task/run.sh", text="yesterday\n"))
    with (root / "task" / "run.sh").open() as reader:
        write(root, PlannedFile(path="task/run.sh", text="today\n"))
        assert reader.read() == "yesterday\n"


def test_what_others_left_in_the_folder_stays(root: Path) -> None:
    (root / "task" / "artifacts").mkdir(parents=True)
    (root / "task" / "artifacts" / "results.yml").write_text("kept")
    write(root, PlannedFile(path="task/run.sh"))
    assert (root / "task" / "artifacts" / "results.yml").read_text() == "kept"


def test_of_a_file_that_cannot_be_written_whole_nothing_is_left(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, PlannedFile(path="task/run.sh", text="yesterday\n"))

    def fail(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", fail)
    with pytest.raises(BackendError) as caught:
        write(root, PlannedFile(path="task/run.sh", text="today\n"), PlannedFile(path="task/later"))
    assert caught.value.message == f"cannot write {root}: No space left on device"
    assert names_in(root / "task") == {"run.sh"}
    assert (root / "task" / "run.sh").read_text() == "yesterday\n"


def test_a_secret_without_a_value_leaves_nothing_of_its_file(root: Path) -> None:
    with pytest.raises(SecretError, match="MY_KEY"):
        write(root, PlannedFile(path="task/run.sh"), SECRETS)
    assert names_in(root / "task") == {"run.sh"}


def test_a_file_where_the_run_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(BackendError) as caught:
        write(tmp_path / "out" / "run", PlannedFile(path="task/run.sh"))
    assert caught.value.message == f"cannot write {tmp_path / 'out' / 'run' / 'task'}: Not a directory"
    assert caught.value.hint == "set execution.output_dir to another folder"


def test_a_file_where_the_task_folder_should_be_is_named(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "task").write_text("in the way")
    with pytest.raises(BackendError) as caught:
        write(root, PlannedFile(path="task/run.sh"))
    assert caught.value.message == f"cannot write {root / 'task'}: File exists"


def test_a_folder_where_a_file_should_be_is_named(root: Path) -> None:
    (root / "task" / "run.sh").mkdir(parents=True)
    with pytest.raises(BackendError) as caught:
        write(root, PlannedFile(path="task/run.sh"))
    assert caught.value.message == f"cannot write {root / 'task' / 'run.sh'}: Is a directory"
    assert names_in(root / "task") == {"run.sh"}


def test_latest_points_at_the_newest_run_wherever_the_folder_is_moved(root: Path) -> None:
    latest = root.parent / "latest"
    write(root, PlannedFile(path="config.yaml", text="old"))
    assert (latest / "config.yaml").read_text() == "old"
    write(root.with_name("run2"), PlannedFile(path="config.yaml", text="new"))
    assert (latest / "config.yaml").read_text() == "new"
    assert latest.readlink() == Path("run2")
    assert names_in(root.parent) == {"latest", "run", "run2"}


def test_a_latest_that_points_nowhere_is_renewed(root: Path) -> None:
    root.parent.mkdir(parents=True)
    (root.parent / "latest").symlink_to("deleted-run")
    write(root, PlannedFile(path="config.yaml"))
    assert (root.parent / "latest").readlink() == Path("run")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_somebodys_own_latest_is_never_replaced(root: Path, kind: str) -> None:
    root.parent.mkdir(parents=True)
    latest = root.parent / "latest"
    if kind == "file":
        latest.write_text("mine")
    else:
        latest.mkdir()
    write(root, PlannedFile(path="config.yaml"))
    assert not latest.is_symlink()
    assert latest.read_text() == "mine" if kind == "file" else latest.is_dir()
    assert names_in(root.parent) == {"latest", "run"}


def test_a_file_system_without_symbolic_links_does_without_latest(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "symlink", refuse)
    write(root, PlannedFile(path="config.yaml"))
    assert names_in(root.parent) == {"run"}
