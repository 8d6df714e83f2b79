"""tools/venv.sh: which Python an environment is made with, and what is said where none can be."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "tools" / "venv.sh"
TOOLS = ("sh", "rm", "grep", "dirname", "cat", "mkdir", "touch")


class Machine:
    """A PATH with nothing on it but a few tools and the Pythons that a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.work = folder / "work"
        self.work.mkdir()
        self.said = folder / "said"
        for tool in TOOLS:
            where = shutil.which(tool)
            assert where is not None
            (self.bin / tool).symlink_to(where)

    def program(self, name: str, text: str) -> None:
        """Put a shell program on PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def python(self, name: str, *, version: str = "3.12", ensurepip: bool = True) -> None:
        """Put a Python on PATH that answers what the script asks of one, and notes when it makes an environment."""
        old = 1 if version == "3.9" else 0
        self.program(
            name,
            f'case "$*" in\n'
            f"  *version_info*'<'*) exit {old} ;;\n"
            f"  *ensurepip*) exit {0 if ensurepip else 1} ;;\n"
            f'  *"%d.%d"*) echo {version} ;;\n'
            f"  *'-m venv'*) echo \"{name} made it\" >>'{self.said}'; exit 7 ;;\n"
            f"esac",
        )

    def install(self) -> subprocess.CompletedProcess[str]:
        """Ask for an environment."""
        return subprocess.run(
            [shutil.which("sh") or "sh", str(SCRIPT), "install", ".venv", "nothing"],
            cwd=self.work,
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_newest_python_that_runs_is_taken_and_dead_shims_are_passed_over(machine: Machine) -> None:
    machine.program("python3.14", "exit 127")
    machine.python("python3.13", version="3.9")
    machine.python("python3.12")
    machine.python("python3.11")
    assert machine.install().returncode == 7
    assert machine.said.read_text() == "python3.12 made it\n"


@pytest.mark.parametrize("versions", [(), ("3.9",)])
def test_without_a_python_that_is_new_enough_one_line_says_what_to_install(
    machine: Machine, versions: tuple[str, ...]
) -> None:
    for version in versions:
        machine.python("python3", version=version)
    done = machine.install()
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "installing into" not in line]
    assert "3.11 or newer" in line
    assert "apt install python3 python3-venv" in line
    assert not (machine.work / ".venv").exists()


def test_without_ensurepip_one_line_names_the_package_that_helps(machine: Machine) -> None:
    machine.python("python3.12", ensurepip=False)
    done = machine.install()
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "installing into" not in line]
    assert line.endswith("try 'apt install python3.12-venv'")


def test_without_ensurepip_uv_makes_the_environment_where_there_is_uv(machine: Machine) -> None:
    machine.python("python3.12", ensurepip=False)
    machine.program("uv", f'case "$1" in venv) echo "uv $*" >>\'{machine.said}\'; exit 7 ;; esac')
    assert machine.install().returncode == 7
    assert machine.said.read_text() == "uv venv --quiet --python python3.12 .venv\n"


def test_an_environment_is_good_only_where_it_was_made(tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / ".venv" / "bin").mkdir(parents=True)
    (here / ".venv" / "bin" / "activate").write_text(f"VIRTUAL_ENV={here}/.venv\n")
    (here / ".venv" / "bin" / "python").symlink_to(sys.executable)
    check = ["sh", str(SCRIPT), "check", ".venv"]
    assert subprocess.run(check, cwd=here, env=dict(os.environ), check=False).returncode == 0
    there = here.rename(tmp_path / "there")
    assert subprocess.run(check, cwd=there, env=dict(os.environ), check=False).returncode != 0
