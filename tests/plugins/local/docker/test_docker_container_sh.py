"""evalyard_local/docker/container.sh: a container from its beginning to its end, in every shell, with any engine."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from evalyard import ExitRecord
from evalyard.harness.evidence import read_exit
from evalyard.harness.script import job_script
from evalyard_local.docker.containers import KILLED
from evalyard_local.docker.script import Container, container_text
from tests.core.harness.jobs import SHELLS, end_of, launch, make_job, start, until
from tests.plugins.local.docker.stand_in import CONTAINER_ID, StandIn, stand_in

each_shell = pytest.mark.parametrize("shell", SHELLS)


def written(root: Path, shell: str = "dash", *, before: str = "") -> StandIn:
    """Write a job's script that makes a container, and the stand-in that it asks for it."""
    folder = root / "task"
    folder.mkdir()
    text = container_text(Container(title="It.", name="ey-1-task", image="img:1", command=("x",), before=before))
    (folder / "run.sh").write_text(job_script(make_job(results=None), start=text))
    return stand_in(root / "bin", folder, shell)


def launch_it(made: StandIn, shell: str = "dash", **variables: str) -> ExitRecord:
    return launch(made.work, made.launched(**variables), shell)


def await_container(made: StandIn) -> None:
    """Wait until the engine has made it."""
    file = made.work / "attempts" / "1" / "container"
    until(lambda: file.exists() and file.read_text() == CONTAINER_ID)


def told(record: ExitRecord) -> tuple[int, str]:
    return record.exit_code, record.reason


# --- how it ends ------------------------------------------------------------------------------------------------------


@each_shell
def test_launched_a_container_is_made_waited_for_and_left_to_be_looked_at(shell: str, tmp_path: Path) -> None:
    made = written(tmp_path, shell)
    made.ends()
    assert told(launch_it(made, shell, EVALYARD_IMAGE_USER="")) == (0, "")
    (call,) = made.calls
    assert call[:6] == ["run", "--attach", "stdout", "--sig-proxy=false", "--cidfile", "attempts/1/container"]
    assert (made.work / "attempts" / "1" / "container").read_text() == CONTAINER_ID


@pytest.mark.parametrize(
    ("code", "out_of_memory", "reason"),
    [(7, False, ""), (137, False, KILLED), (137, True, "out of memory"), (0, False, ""), (0, True, "")],
    ids=["code", "killed", "out of memory", "success", "a child of it was out of memory"],
)
def test_it_ends_as_its_container_does(code: int, out_of_memory: bool, reason: str, tmp_path: Path) -> None:
    made = written(tmp_path)
    made.ends(code, out_of_memory=out_of_memory)
    assert told(launch_it(made)) == (code, reason)


def test_what_a_harness_said_of_its_end_counts_more_than_that_it_was_killed(tmp_path: Path) -> None:
    made = written(tmp_path, before="echo 'it knows why' >artifacts/.reason")
    made.ends(137)
    assert told(launch_it(made)) == (137, "it knows why")


@pytest.mark.parametrize(
    ("keep", "code", "removed"),
    [
        ("", 0, False),
        ("all", 0, False),
        ("failed", 0, True),
        ("failed", 1, False),
        ("none", 0, True),
        ("none", 1, True),
    ],
)
def test_launched_an_ended_container_stays_as_long_as_it_is_to_be_kept(
    keep: str, code: int, removed: bool, tmp_path: Path
) -> None:
    made = written(tmp_path)
    made.ends(code)
    running = start(made.work, made.launched(EVALYARD_KEEP=keep))
    assert end_of(running) == code
    until(lambda: not alive_in_session(running.pid))
    assert made.called("rm") == ([["rm", CONTAINER_ID]] if removed else [])


def alive_in_session(session: int) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "docker: Error response from daemon: No such image: img:1.\nSee 'docker run --help'.\n",
            "No such image: img:1.",
        ),
        (
            f"WARNING: No swap limit\n{CONTAINER_ID}\n\ndocker: Error response from daemon: no driver.\n",
            "no driver.",
        ),
        ("unknown flag: --gpu\n", "unknown flag: --gpu"),
    ],
    ids=["refused", "refused after it was made", "a flag"],
)
def test_a_start_that_is_refused_has_dockers_words_as_its_reason(said: str, reason: str, tmp_path: Path) -> None:
    made = written(tmp_path)
    made.answer("refused", said)
    assert told(launch_it(made)) == (125, reason)
    assert said.splitlines()[-1] in (made.work / "logs" / "stdout.log").read_text()
    assert made.calls[-1] == ["rm", "--force", CONTAINER_ID]


def test_what_was_never_made_is_not_removed(tmp_path: Path) -> None:
    made = written(tmp_path)
    made.answer("nothing")
    made.answer("refused", "docker: invalid reference format.\n")
    assert told(launch_it(made)) == (125, "invalid reference format.")
    assert not made.called("rm")


@each_shell
def test_a_container_that_somebody_else_removed_is_no_success_and_says_so(shell: str, tmp_path: Path) -> None:
    made = written(tmp_path, shell)
    made.answer("removed")
    assert told(launch_it(made, shell)) == (137, "its container was removed by somebody else")


def test_an_engine_that_goes_away_for_a_while_changes_nothing(tmp_path: Path) -> None:
    made = written(tmp_path)
    running = start(made.work, made.launched())
    await_container(made)
    made.answer("away")
    until((made.folder / "missed").exists)
    made.forget("missed")
    until((made.folder / "missed").exists)
    assert running.poll() is None
    made.ends(5)
    made.forget("away")
    assert end_of(running) == 5
    assert told_at_the_end(made) == (5, "", "")


def test_a_command_that_is_killed_takes_its_container_not_along(tmp_path: Path) -> None:
    made = written(tmp_path)
    running = start(made.work, made.launched())
    await_container(made)
    os.kill(int((made.folder / "running").read_text()), signal.SIGKILL)
    made.await_call("wait", CONTAINER_ID)
    made.ends(5)
    assert end_of(running) == 5
    assert told_at_the_end(made) == (5, "", "")
    assert not made.called("kill")
    assert not made.called("rm")


def told_at_the_end(made: StandIn) -> tuple[int, str, str]:
    record = read_exit(made.work, 1)
    assert record is not None
    return record.exit_code, record.reason, record.signal


# --- signals ----------------------------------------------------------------------------------------------------------


@each_shell
@pytest.mark.parametrize("deaf", [False, True], ids=["at once", "when the first call is lost"])
def test_a_signal_reaches_the_container_and_its_end_is_waited_for(shell: str, deaf: bool, tmp_path: Path) -> None:
    made = written(tmp_path, shell)
    if deaf:
        made.answer("deaf")
    running = start(made.work, made.launched(), shell)
    await_container(made)
    running.send_signal(signal.SIGTERM)
    assert end_of(running) == 143
    assert told_at_the_end(made) == (143, "", "TERM")
    assert made.called("kill")[0] == ["kill", "--signal", "TERM", CONTAINER_ID]
    assert not made.called("rm")


@each_shell
def test_a_signal_before_there_is_a_container_makes_none(shell: str, tmp_path: Path) -> None:
    made = written(tmp_path, shell)
    made.answer("nothing")
    made.answer("slow")
    running = start(made.work, made.launched(), shell)
    made.await_call("run")
    running.send_signal(signal.SIGTERM)
    assert end_of(running) == 143
    assert told_at_the_end(made) == (143, "", "TERM")
    assert not made.called("wait")


@each_shell
def test_a_signal_before_the_container_began_is_no_success(shell: str, tmp_path: Path) -> None:
    made = written(tmp_path, shell)
    made.answer("slow_to_begin")
    made.answer("state", "created 0 false\n")
    running = start(made.work, made.launched(), shell)
    await_container(made)
    running.send_signal(signal.SIGTERM)
    assert end_of(running) == 143
    assert told_at_the_end(made) == (143, "", "TERM")
    assert made.called("container", "inspect")


# --- by hand ----------------------------------------------------------------------------------------------------------


@each_shell
def test_by_hand_its_output_is_shown_and_it_is_removed(shell: str, tmp_path: Path) -> None:
    made = written(tmp_path, shell)
    made.answer("output", "what it says\n")
    made.ends(3)
    done = made.by_hand(shell)
    assert done.returncode == 3
    assert "what it says\n" in done.stdout
    assert done.stdout == (made.work / "logs" / "stdout.log").read_text()
    assert made.calls[-1] == ["rm", "--force", CONTAINER_ID]
    assert not made.called("pull")


@pytest.mark.parametrize(("unknown", "code"), [(False, 0), (True, 125)], ids=["it can be had", "it cannot"])
def test_by_hand_an_image_that_is_not_here_is_pulled(unknown: bool, code: int, tmp_path: Path) -> None:
    made = written(tmp_path)
    made.answer("absent")
    if unknown:
        made.answer("unknown")
    made.ends()
    assert made.by_hand().returncode == code
    assert made.called("pull") == [["pull", "img:1"]]
    assert bool(made.called("run")) is not unknown


@pytest.mark.parametrize("answers", [("state",), ("refused",), ("removed",)], ids=["ends", "is refused", "is removed"])
def test_by_hand_the_network_that_it_made_is_removed_however_it_ends(answers: tuple[str], tmp_path: Path) -> None:
    made = written(tmp_path, before="made_network=$(docker network create mine)")
    for name in answers:
        made.answer(name, "exited 0 false\n")
    made.by_hand()
    assert made.calls[-1] == ["network", "rm", "made-network"]


def test_launched_the_network_stays_until_it_is_torn_down(tmp_path: Path) -> None:
    made = written(tmp_path, before="made_network=$(docker network create mine)")
    made.ends()
    launch_it(made)
    assert not made.called("network", "rm")


# --- files of another user --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 137])
def test_what_its_container_could_not_give_back_is_given_back_by_another(code: int, tmp_path: Path) -> None:
    made = written(tmp_path)
    made.add_program("id", "echo 4242")  # nobody's: no file here belongs to it
    made.ends(code)
    assert launch_it(made).exit_code == code
    assert made.called("run")[1:] == [
        [
            *("run", "--rm", "--user", "0", "--network", "none", "--entrypoint", "chown"),
            *("--mount", f"type=bind,source={made.work}/artifacts,target=/results"),
            *("img:1", "-R", "4242:4242", "/results"),
        ]
    ]


def test_root_takes_nothing_back(tmp_path: Path) -> None:
    made = written(tmp_path)
    made.add_program("id", "echo 0")
    made.ends(137)
    launch_it(made)
    assert len(made.called("run")) == 1


def test_where_everything_is_ones_own_nothing_is_given_back(tmp_path: Path) -> None:
    made = written(tmp_path)
    made.add_program("id", "echo 4242")
    made.add_program("find", '[ "$*" = "artifacts ! -user 4242" ]')
    made.ends()
    launch_it(made)
    assert len(made.called("run")) == 1
