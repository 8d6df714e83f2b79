"""evalyard_local.environments: harnesses installed once, whole or not at all."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from attrs import evolve

from evalyard import BackendError, Connection, Context, Handle, Harness, Need, NeedKind
from evalyard_local.environments import BIN_VARIABLE, cache_home, environment_need, program_text, provide
from evalyard_local.plans import plan_job
from evalyard_local.settings import Settings
from tests.core.harness import jobs

PROGRAM = "tiny-harness"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A machine with a cache of its own, where packages come from one folder and uv is on PATH.

    That uv does what the real one does, as far as it is asked to. Environments without pip are made in no time.
    """
    monkeypatch.setenv("EVALYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    uv = tmp_path / "programs" / "uv"
    uv.parent.mkdir()
    uv.write_text(
        f"""#!/bin/sh
echo "$*" >>{tmp_path}/called
if [ "$1" = venv ]; then for target; do :; done; exec {sys.executable} -m venv --without-pip "$target"; fi
exec {sys.executable} -m pip --python "$4" install -- "$6"
"""
    )
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:/usr/bin:/bin")
    caplog.set_level(logging.INFO, logger="evalyard.notices")


def wheel(tmp_path: Path, *, says: str = "tiny", program: str = PROGRAM) -> str:
    """Make a package with one program; return the requirement that installs it."""
    folder = tmp_path / "wheels"
    folder.mkdir(exist_ok=True)
    info = "tiny_harness-1.0.dist-info"
    content = {
        "tiny_harness.py": f"def main(): print({says!r})\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny-harness\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{program} = tiny_harness:main\n",
    }
    record = "".join(f"{name},,\n" for name in [*content, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / "tiny_harness-1.0-py3-none-any.whl", "w") as archive:
        for name, text in {**content, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return "tiny-harness==1.0"


def need_of(package: str, program: str = PROGRAM) -> Need:
    return evolve(environment_need(program, package, os.environ), name="ey-1-env-1", mark="m")


def context(timeout_s: float = 120.0) -> Context:
    return Context(connection=Connection(executor="local"), deadline=time.monotonic() + timeout_s)


def output_of(handle: Handle) -> str:
    program = Path(handle.outputs["bin"]) / PROGRAM
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


def said(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(caplog.messages)


def test_a_package_is_installed_once_and_found_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    need = need_of(wheel(tmp_path))
    first = provide(context(), need)
    assert (first.kind, output_of(first)) == (NeedKind.ENVIRONMENT, "tiny")
    assert "tiny-harness==1.0: installing into" in said(caplog)
    assert "tiny-harness==1.0: installed in" in said(caplog)
    caplog.clear()
    assert provide(context(), need) == first
    assert not said(caplog)


def test_two_runs_at_once_build_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    need = need_of(wheel(tmp_path))
    handles: list[Handle] = []
    threads = [threading.Thread(target=lambda: handles.append(provide(context(), need))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handles[0] == handles[1]
    assert said(caplog).count("installing into") == 1
    assert len(list(Path(need.directory).parent.glob("*.build-*"))) == 1


def test_whoever_comes_second_says_that_it_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    need = need_of(wheel(tmp_path))
    lock = Path(f"{need.directory}.lock")
    lock.parent.mkdir(parents=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(BackendError, match="not installed in time"):
            provide(context(timeout_s=0.5), need)
    assert said(caplog) == "tiny-harness==1.0: another run is installing it; waiting"
    assert output_of(provide(context(), need)) == "tiny"


def test_a_package_that_cannot_be_installed_leaves_nothing_and_says_what_pip_said() -> None:
    need = need_of("absent-harness==9.9")
    with pytest.raises(BackendError) as caught:
        provide(context(), need)
    assert "absent-harness==9.9 could not be installed: ERROR: " in caught.value.message
    assert "No matching distribution found for absent-harness==9.9" in caught.value.message
    assert f"{need.directory}.log" in caught.value.message
    assert not Path(need.directory).exists()
    assert not list(Path(need.directory).parent.glob("*.build-*"))


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    need = need_of(wheel(tmp_path))
    left = Path(f"{need.directory}.build-0000")
    (left / "bin").mkdir(parents=True)
    assert output_of(provide(context(), need)) == "tiny"
    assert not left.exists()


def test_an_environment_without_its_interpreter_is_built_again(tmp_path: Path) -> None:
    need = need_of(wheel(tmp_path))
    python = Path(provide(context(), need).outputs["bin"]) / "python"
    python.unlink()
    python.symlink_to(tmp_path / "removed")
    assert output_of(provide(context(), need)) == "tiny"


def test_a_package_without_the_program_is_named(tmp_path: Path) -> None:
    need = need_of(wheel(tmp_path, program="other"))
    with pytest.raises(BackendError, match="was installed, and brings no program 'tiny-harness'"):
        provide(context(), need)
    assert not Path(need.directory).exists()


def test_a_program_on_path_is_used_when_it_has_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    need = need_of(wheel(tmp_path))
    users_own = provide(context(), need).outputs["bin"]
    monkeypatch.setenv("PATH", f"{users_own}:{os.environ['PATH']}")
    assert provide(context(), need).outputs["bin"] == ""
    assert f"tiny-harness: the one on PATH ({users_own}/tiny-harness)" in said(caplog)
    # The same program of an environment that lacks the harness does not help.
    with pytest.raises(BackendError, match="could not be installed"):
        provide(context(), need_of("absent-harness==9.9"))


def test_an_installation_ends_in_time(tmp_path: Path) -> None:
    need = need_of(wheel(tmp_path))
    with pytest.raises(BackendError, match="not installed in time"):
        provide(context(timeout_s=0.0), need)
    assert not Path(need.directory).exists()


def test_uv_is_used_where_there_is_one_and_pip_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    need = need_of(wheel(tmp_path))
    assert output_of(provide(context(), need)) == "tiny"
    commands = [line.split() for line in (tmp_path / "called").read_text().splitlines()]
    assert [command[0] for command in commands] == ["venv", "pip"]
    assert "(uv; this is done once)" in said(caplog)
    Path(need.directory).unlink()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert output_of(provide(context(), need)) == "tiny"
    assert len((tmp_path / "called").read_text().splitlines()) == len(commands)
    assert "(pip; this is done once)" in said(caplog)


@pytest.mark.parametrize(
    ("environ", "home"),
    [
        ({"EVALYARD_CACHE": "/c"}, "/c"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/evalyard"),
        ({"XDG_CACHE_HOME": "relative"}, "~/.cache/evalyard"),
        ({}, "~/.cache/evalyard"),
    ],
)
def test_the_cache_home(environ: dict[str, str], home: str) -> None:
    assert cache_home(environ) == Path(home).expanduser()


def test_every_package_has_an_environment_of_its_own() -> None:
    folders = {need_of(package).directory for package in ("a==1", "a==2", "a[x]==1", "b==1")}
    assert len(folders) == 4
    assert len({need_of(package).key for package in ("a==1", "a==2")}) == 2


@pytest.mark.parametrize(("bound", "used"), [(None, "cached"), ("", "path"), ("bound", "bound")])
def test_a_job_takes_the_program_from_where_it_was_found(tmp_path: Path, bound: str | None, used: str) -> None:
    need = need_of("tiny-harness==1.0")
    folders = {"cached": Path(need.directory) / "bin", "path": tmp_path / "path", "bound": tmp_path / "bound"}
    for name, folder in folders.items():
        folder.mkdir(parents=True)
        (folder / PROGRAM).write_text(f'#!/bin/sh\necho {name} >"$EVALYARD_OUTPUT_DIR/results.yml"\n')
        (folder / PROGRAM).chmod(0o755)
    script = program_text(PROGRAM, need)
    folder = jobs.write(tmp_path / "run", jobs.make_job(script))
    variables = jobs.launched(PATH=f"{folders['path']}:{os.environ['PATH']}")
    if bound is not None:
        variables[BIN_VARIABLE] = str(folders[bound]) if bound else ""
    assert jobs.launch(folder, variables).exit_code == 0
    assert (folder / "artifacts" / "results.yml").read_text() == f"{used}\n"


def test_only_a_program_that_a_package_brings_needs_an_environment() -> None:
    settings = Settings(output_dir="/out", use_docker=False)
    job = jobs.make_job("true")
    assert [need.kind for need in plan_job(settings, job).needs] == [NeedKind.FILES]
    # Nobody knows how to install it: then it must be there, perhaps only after the task's own pre_cmd.
    unknown = Harness(name="h", script="true", program=PROGRAM)
    assert [need.kind for need in plan_job(settings, evolve(job, harness=unknown)).needs] == [NeedKind.FILES]
    harness = Harness(name="h", script="true", program=PROGRAM, package="tiny-harness==1.0")
    plan = plan_job(settings, evolve(job, harness=harness))
    assert [need.kind for need in plan.needs] == [NeedKind.FILES, NeedKind.ENVIRONMENT]
    assert plan.bindings[BIN_VARIABLE].need == plan.needs[1].key
