"""`evalyard plugin new`: a package of one's own, whole or not at all; that it works is claimed in tests/outside."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import evalyard
from evalyard.cli.app import call

LONGEST = "a-cluster-whose-name-is-long12"
WRITTEN = {
    ".github/workflows/test.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "smoke.yaml",
    "src/evalyard_mine/__init__.py",
    "src/evalyard_mine/plans.py",
    "src/evalyard_mine/plugin.py",
    "src/evalyard_mine/processes.py",
    "src/evalyard_mine/py.typed",
    "src/evalyard_mine/settings.py",
    "src/evalyard_mine/states.py",
    "tests/test_conformance.py",
    "tests/test_states.py",
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def new(name: str, folder: Path = Path()) -> Path:
    assert call(["plugin", "new", name, "--into", str(folder)]) == 0
    return folder / f"evalyard-{name}"


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def test_it_writes_a_package_and_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plugin", "new", "mine"]) == 0
    said = capsys.readouterr()
    assert said.out == "evalyard-mine\n"
    assert "cd evalyard-mine && pip install -e '.[test]' && pytest" in said.err
    assert "license" in said.err
    assert files_in(tmp_path / "evalyard-mine") == WRITTEN
    assert [path.name for path in tmp_path.iterdir()] == ["evalyard-mine"]


def test_the_prefix_of_distributions_may_be_given_with_the_name(tmp_path: Path) -> None:
    assert call(["plugin", "new", "evalyard-mine"]) == 0
    assert files_in(tmp_path / "evalyard-mine") == WRITTEN


def test_distribution_module_and_entry_point_follow_from_the_name() -> None:
    folder = new("my-cluster")
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == "evalyard-my-cluster"
    assert project["project"]["entry-points"] == {
        "evalyard.executors": {"my-cluster": "evalyard_my_cluster.plugin:Executor"}
    }
    assert (folder / "src" / "evalyard_my_cluster" / "plugin.py").is_file()
    assert 'executor = "my-cluster"' in (folder / "tests" / "test_conformance.py").read_text()
    assert 'Connection(executor="my-cluster"' in (folder / "src" / "evalyard_my_cluster" / "settings.py").read_text()


def test_it_requires_the_evalyard_that_wrote_it() -> None:
    project = tomllib.loads((new("mine") / "pyproject.toml").read_text())["project"]
    assert f"evalyard>={evalyard.__version__}" in project["dependencies"]
    assert project["optional-dependencies"]["test"] == [f"evalyard[testing]>={evalyard.__version__}"]


def test_what_it_imports_it_requires() -> None:
    folder = new("mine")
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    required = {re.split(r"\W", text)[0] for text in project["dependencies"]}
    imported = {name.partition(".")[0] for path in python_files(folder / "src") for name in imports(path)}
    assert imported - {"evalyard_mine"} - sys.stdlib_module_names == {*required}


def test_it_imports_only_public_names() -> None:
    folder = new("mine")
    named = {name for path in python_files(folder) for name in imports(path) if name.startswith("evalyard.")}
    allowed = {f"evalyard.{name}" for name in evalyard.__all__} | {
        "evalyard.testing.Conformance",
        "evalyard.testing.Sweep",
    }
    assert named
    assert named - allowed == set()


def imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports: `a.b` for `from a import b`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_nothing_of_the_template_is_left_but_what_says_so() -> None:
    folder = new("mine")
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert [path for path, text in texts.items() if "example" in text.lower()] == []
    replaceable = {path.name for path, text in texts.items() if "REPLACE" in text}
    assert {"settings.py", "plans.py", "states.py", "processes.py", "plugin.py", "pyproject.toml"} <= replaceable


@pytest.mark.parametrize("name", ["x", LONGEST])
def test_what_it_writes_passes_its_own_linter(name: str) -> None:
    folder = new(name)
    for command in (["check"], ["format", "--check", "--diff"]):
        argv = [sys.executable, "-m", "ruff", *command, "--no-cache", "."]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("My_Cluster", "my-cluster"),
        ("my--cluster", "my-cluster"),
        ("-mine-", "mine"),
        ("9lives", "lives"),
        ("../mine", "mine"),
        ("mine.py", "mine-py"),
        ("naïve", "na-ve"),
        (f"{LONGEST}3", LONGEST),
        ("", ""),
        ("--", ""),
        ("evalyard-", ""),
    ],
)
def test_a_name_that_not_all_parts_can_have_is_refused_with_the_nearest_one(
    name: str, meant: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["plugin", "new", "--", name]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"error: '{name}' cannot name an executor")
    assert said[1:] == ([f"  evalyard plugin new {meant}"] if meant else [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["local", "slurm", "lepton", "evalyard-local"])
def test_the_name_of_another_executor_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plugin", "new", name]) == 2
    assert f"in package evalyard-{name.removeprefix('evalyard-')}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "broken link"])
def test_what_is_there_already_stays_as_it_is(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "evalyard-mine"
    match kind:
        case "folder":
            there.mkdir()
        case "file":
            there.write_text("mine")
        case "broken link":
            there.symlink_to("nowhere")
    before = (there.is_symlink(), there.is_file(), there.is_dir())
    assert call(["plugin", "new", "mine"]) == 2
    assert "is there already; nothing was written" in capsys.readouterr().err
    assert (there.is_symlink(), there.is_file(), there.is_dir()) == before
    assert list(tmp_path.iterdir()) == [there]
    assert kind != "folder" or list(there.iterdir()) == []


def test_a_folder_that_is_not_there_is_no_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plugin", "new", "mine", "--into", "nowhere"]) == 2
    assert "nowhere/evalyard-mine: cannot be written: No such file or directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_cannot_be_written_whole_is_not_written_at_all(tmp_path: Path) -> None:
    # No file may grow beyond 2 KiB: some of the package's are larger.
    program = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (2048, 2048)); "
    program += "from evalyard.cli.app import call; raise SystemExit(call(['plugin', 'new', 'mine']))"
    argv = [sys.executable, "-B", "-c", program]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "evalyard-mine: cannot be written: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_template_is_the_package_that_is_written() -> None:
    template = Path(evalyard.__file__).parent / "scaffold" / "template"
    written = new("mine")
    assert len([path for path in template.rglob("*") if path.is_file() and "cache" not in str(path)]) == len(WRITTEN)
    source = (template / "src" / "evalyard_example" / "states.py").read_text()
    assert (written / "src" / "evalyard_mine" / "states.py").read_text() == source
