"""evalyard.harness.contained: inside.sh run for real, under every shell; no container is needed for that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import define, evolve

from evalyard.harness.contained import harness_mounts, inside_script, inside_server_script, server_mounts
from evalyard.records.files import PlannedFile, SecretRef
from evalyard.records.jobs import Job
from evalyard.records.programs import Mount, Server
from evalyard.secrets import render_env_file
from tests.core.harness.jobs import SHELLS, argv, end_of, launched, make_job, until
from tests.core.harness.test_script import ODD

each_shell = pytest.mark.parametrize("shell", SHELLS)
POST = 'echo "code $EVALYARD_EXIT_CODE" >"$EVALYARD_OUTPUT_DIR/post"'


@define
class Inside:
    """What a container would see: the task's folder, its artifacts, and a log."""

    root: Path
    shell: str = "dash"
    path: str = ""
    """What goes first on PATH."""

    @property
    def results(self) -> Path:
        return self.root / "results"

    def start(self, job: Job, *, log: bool = False) -> subprocess.Popen[bytes]:
        """Start a job's script."""
        self.results.mkdir(parents=True, exist_ok=True)
        script = self.root / "inside.sh"
        # In a container the folders have fixed names; here they are the test's own.
        script.write_text(inside_script(job).replace("/results", str(self.results)))
        environment = launched(EVALYARD_JOB_DIR=str(self.root), EVALYARD_OUTPUT_DIR=str(self.results))
        if self.path:
            environment["PATH"] = f"{self.path}:{environment['PATH']}"
        if log:
            environment["EVALYARD_LOG"] = str(self.root / "log")
        with (self.root / "output").open("wb") as output:
            return subprocess.Popen(
                argv(self.shell, str(script)),
                cwd=self.results,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, job: Job, *, log: bool = False) -> tuple[int, str]:
        """Run a job's script to its end; return its exit code and output."""
        return end_of(self.start(job, log=log)), self.output

    @property
    def output(self) -> str:
        """What it has said."""
        return (self.root / "output").read_text()

    def text(self, name: str) -> str:
        """Return what a result file says."""
        return (self.results / name).read_text()


# --- what is in it ----------------------------------------------------------------------------------------------------


def test_it_has_the_harness_for_a_container_and_not_the_one_for_a_process() -> None:
    job = make_job("on the machine")
    text = inside_script(evolve(job, contained=evolve(job.harness, script="in the container")))
    assert "\nin the container\n" in text
    assert "on the machine" not in text


@pytest.mark.parametrize(
    ("lasting", "folders"),
    [
        ((), "'/results'"),
        (("cache",), "'/results' '/evalyard/output/cache'"),
        (("",), "'/results' '/evalyard/output'"),
    ],
)
def test_what_lasts_is_given_back_too(lasting: tuple[str, ...], folders: str, tmp_path: Path) -> None:
    job = make_job()
    top = inside_script(evolve(job, contained=evolve(job.harness, lasting=lasting))).partition("\n# What is run.")[0]
    (tmp_path / "top.sh").write_text(f'{top}\nprintf %s "$folders"')
    done = subprocess.run(("sh", str(tmp_path / "top.sh")), capture_output=True, text=True, check=True)
    assert done.stdout == folders


@each_shell
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_every_shell_can_parse_it(shell: str, text: str, tmp_path: Path) -> None:
    server = Server(recipe="generic", model_id="m", script=text)
    job = make_job(text, name=text, pre_cmd=text, post_cmd=text)
    for script in (inside_script(job), inside_server_script(server, "a1b2c3d4")):
        (tmp_path / "inside.sh").write_text(script)
        done = subprocess.run(
            argv(shell, "-n", str(tmp_path / "inside.sh")), capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


# --- a run ------------------------------------------------------------------------------------------------------------


@each_shell
@pytest.mark.parametrize("code", [0, 7])
def test_its_exit_code_is_the_harnesss_and_the_post_command_sees_it(shell: str, code: int, tmp_path: Path) -> None:
    inside = Inside(tmp_path / "with space", shell)
    job = make_job(f'echo "made $MADE"; exit {code}', pre_cmd="MADE=before\n", post_cmd=f"{POST}; exit 99")
    assert inside.run(job) == (code, "made before\n")
    assert inside.text("post") == f"code {code}\n"
    assert not (inside.results / ".reason").exists()


def test_a_pre_command_that_exits_keeps_the_harness_from_starting(tmp_path: Path) -> None:
    inside = Inside(tmp_path)
    assert inside.run(make_job("echo began", pre_cmd="exit 5", post_cmd=POST)) == (5, "")
    assert inside.text("post") == "code 5\n"


SECRETS = {"KEY": "sk-canary-'\"$(touch pwned)`id`\\\n$HOME ü🙂", "EMPTY": "", "OTHER": "canary-two"}


@each_shell
def test_secrets_reach_the_harness_exactly_and_nobody_else(shell: str, tmp_path: Path) -> None:
    inside = Inside(tmp_path, shell)
    (tmp_path / ".secrets.env").write_text(render_env_file(SECRETS))
    show = "for name in KEY EMPTY OTHER; do printenv $name >$name; done; ps -A -o args= >args"
    assert inside.run(make_job(show, post_cmd="env >after")) == (0, "")
    assert {name: inside.text(name) for name in SECRETS} == {name: f"{value}\n" for name, value in SECRETS.items()}
    assert "canary" not in inside.text("after")
    assert "canary" not in inside.text("args")
    assert not list(tmp_path.rglob("pwned"))


@each_shell
def test_what_it_says_goes_to_the_log_that_it_is_given_and_is_added_to_it(shell: str, tmp_path: Path) -> None:
    inside = Inside(tmp_path, shell)
    (tmp_path / "log").write_text("before\n")
    assert inside.run(make_job("echo out; echo err >&2", post_cmd="echo post"), log=True) == (0, "")
    assert (tmp_path / "log").read_text() == "before\nout\nerr\npost\n"


# --- signals ----------------------------------------------------------------------------------------------------------

FLUSHING = """
import pathlib, signal, sys, time
def flush(*_):
    with open("signals", "a") as stream:
        stream.write("signal\\n")
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    print("flushed", flush=True)
    pathlib.Path("results.yml").write_text("done")
    sys.exit(CODE)
signal.signal(signal.SIGTERM, flush)
pathlib.Path("ready").touch()
time.sleep(600)
"""


def flushing(inside: Inside, code: int = 0) -> Job:
    """Return a job whose harness, when it is ended, needs until there is a file `go` for it."""
    inside.results.mkdir(parents=True)
    harness = inside.root / "harness.py"
    harness.write_text(FLUSHING.replace("CODE", str(code)))
    return make_job(f"{sys.executable} '{harness}'\necho went on", post_cmd=POST)


@each_shell
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_harness_and_what_it_flushes_is_kept(
    shell: str, number: signal.Signals, tmp_path: Path
) -> None:
    inside = Inside(tmp_path, shell)
    running = inside.start(flushing(inside))
    until((inside.results / "ready").exists)
    (inside.results / "go").touch()
    running.send_signal(number)
    code = end_of(running)
    # The shell's own code for the signal, if it has reaped the harness before it was asked for its code.
    assert code in (143, 128 + number)
    assert inside.output == "flushed\n"
    assert inside.text("results.yml") == "done"
    assert inside.text(".reason") == "its container was stopped\n"
    assert inside.text("post") == f"code {code}\n"


@each_shell
def test_a_second_signal_changes_nothing(shell: str, tmp_path: Path) -> None:
    inside = Inside(tmp_path, shell)
    running = inside.start(flushing(inside))
    until((inside.results / "ready").exists)
    running.send_signal(signal.SIGTERM)
    until((inside.results / "signals").exists)
    asked = inside.text("signals")
    for _ in range(2):
        running.send_signal(signal.SIGTERM)
    (inside.results / "go").touch()
    assert end_of(running) == 143
    assert inside.output == "flushed\n"
    assert inside.text("signals").startswith(asked)
    assert inside.text("post") == "code 143\n"


def test_a_harness_that_says_why_it_ends_is_believed(tmp_path: Path) -> None:
    inside = Inside(tmp_path)
    job = flushing(inside)
    (inside.results / ".reason").write_text("the disk is full\n")
    running = inside.start(job)
    until((inside.results / "ready").exists)
    (inside.results / "go").touch()
    running.send_signal(signal.SIGTERM)
    assert end_of(running) == 143
    assert inside.text(".reason") == "the disk is full\n"


# --- whose the files are ----------------------------------------------------------------------------------------------


def as_root(inside: Inside, owner: str) -> Path:
    """Have it believe that it is root, in folders of somebody; return where it says what it gives to whom."""
    programs = inside.root / "bin"
    programs.mkdir(parents=True)
    given = inside.root / "given"
    texts = {
        "id": "echo 0",
        "ls": f"echo 'drwxr-xr-x 2 {owner} 4096 May  4 03:02 x'",
        "chown": f"printf '%s\\n' \"$*\" >>'{given}'",
    }
    for name, text in texts.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    inside.path = str(programs)
    return given


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell != "busybox"])  # which has an `id` of its own
@pytest.mark.parametrize(("owner", "gives"), [("1000 100", True), ("0 0", False)], ids=["somebody's", "root's own"])
def test_root_gives_files_back_to_whoever_has_the_folder(shell: str, owner: str, gives: bool, tmp_path: Path) -> None:
    inside = Inside(tmp_path, shell)
    given = as_root(inside, owner)
    assert inside.run(make_job("exit 3")) == (3, "")
    assert given.exists() is gives
    if gives:
        assert given.read_text() == f"-R 1000:100 {inside.results}\n"


def test_whoever_is_not_root_gives_nothing_back(tmp_path: Path) -> None:
    inside = Inside(tmp_path)
    given = as_root(inside, "1000 100")
    (tmp_path / "bin" / "id").write_text("#!/bin/sh\necho 1000\n")
    assert inside.run(make_job("exit 3")) == (3, "")
    assert not given.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
@each_shell
def test_what_root_made_belongs_to_whoever_has_the_folder(shell: str, tmp_path: Path) -> None:
    inside = Inside(tmp_path, shell)
    inside.results.mkdir()
    os.chown(inside.results, 4242, 4243)
    assert inside.run(make_job("mkdir -p a/b; touch a/b/c; ln -s /etc/passwd link")) == (0, "")
    found = {path.name: (path.lstat().st_uid, path.lstat().st_gid) for path in inside.results.rglob("*")}
    assert found == dict.fromkeys(("a", "b", "c", "link"), (4242, 4243))
    assert Path("/etc/passwd").stat().st_uid == 0


def test_a_harness_sees_its_own_files_what_travels_and_what_lasts() -> None:
    job = make_job()
    travelling = PlannedFile(path="harness/smoke/x.py")
    harness = evolve(job.harness, files=(PlannedFile(path="task/config.yml"), travelling), lasting=("cache", ""))
    secrets = PlannedFile(path="task/.secrets.env", secrets=(SecretRef(name="KEY", variable="KEY"),))
    job = evolve(job, contained=harness, files=(secrets,), run_dir="/out/run")
    job = evolve(job, task=evolve(job.task, dataset_dir="/data"))
    assert harness_mounts(job) == (
        Mount(source="/out/run/task/inside.sh", target="/evalyard/job/inside.sh", read_only=True),
        Mount(source="/out/run/task/config.yml", target="/evalyard/job/config.yml", read_only=True),
        Mount(source="/out/run/task/.secrets.env", target="/evalyard/job/.secrets.env", read_only=True),
        Mount(source="/out/run/harness", target="/evalyard/harness", read_only=True),
        Mount(source="/out/cache", target="/evalyard/output/cache"),
        Mount(source="/out", target="/evalyard/output"),
        Mount(source="/data", target="/datasets", read_only=True),
    )


def test_a_server_sees_its_own_files_and_its_folders() -> None:
    model = Mount(source="/m", target="/checkpoint", read_only=True)
    program = PlannedFile(path="deployment/demo/x.py")
    server = Server(recipe="demo", model_id="m", script="serve", files=(program,), mounts=(model,))
    assert server_mounts(server, "/run") == (
        Mount(source="/run/deployment/demo", target="/evalyard/job/demo", read_only=True),
        Mount(source="/run/deployment/inside.sh", target="/evalyard/job/inside.sh", read_only=True),
        model,
    )
