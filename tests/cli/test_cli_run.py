"""`evalyard run`: what a shell, a pipe and a terminal get from it, and what it leaves running."""

import json
import os
import pty
import signal
from pathlib import Path

import pytest

from tests.cli.yard import ID, Yard, command, kill, until

NOT_WAITING = {"mode": "sequential"}


def descriptors_at(path: str) -> list[int]:
    """Return the processes that hold a file open."""
    holders = []
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(descriptor.readlink()) == path:
                holders.append(int(descriptor.parts[2]))
        except OSError:
            continue
    return holders


def test_a_shell_gets_the_id_and_nothing_else_while_the_job_still_runs(yard: Yard) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution=NOT_WAITING)
    done = yard.program("sh", "-c", 'x=$(evalyard run -c run.yaml); echo "[$x]"')
    invocation = done.out.strip().strip("[]")
    assert done.out == f"[{invocation}]\n"
    assert ID.fullmatch(invocation)
    yard.await_notes("start one")
    assert yard.states(invocation)[0] == "RUNNING"
    yard.open_gates("one", "two")
    yard.await_states(invocation, "SUCCEEDED", "SUCCEEDED")
    yard.await_quiet()


def test_nothing_detached_keeps_our_stdout_or_stderr(yard: Yard) -> None:
    # Both pipes have ended when `call` returns: whoever held one of them would have kept it waiting.
    yard.config(yard.gated("one"), yard.gated("two"), execution=NOT_WAITING)
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    assert yard.keeper(invocation).is_running()
    done = yard.program("sh", "-c", "evalyard run -c run.yaml 2>&1 | tee copy")
    assert ID.search(done.out)
    assert done.out == (yard.folder / "copy").read_text()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc, which only Linux has")
def test_a_terminal_can_be_closed_and_the_jobs_go_on(yard: Yard) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution=NOT_WAITING)
    ours, theirs = pty.openpty()
    terminal = os.ttyname(theirs)
    shell = yard.start(
        "sh",
        "-c",
        "evalyard run -c run.yaml; echo finished; sleep 600",
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    while b"finished" not in said:
        said += os.read(ours, 4096)
    invocation = next(word for word in said.decode().split() if ID.fullmatch(word))
    yard.await_notes("start one")
    holders = set(descriptors_at(terminal)) - {os.getpid()}
    assert all(os.getsid(holder) == shell.pid for holder in holders), "something detached holds the terminal"
    os.killpg(shell.pid, signal.SIGHUP)
    os.close(ours)
    shell.wait()
    yard.open_gates("one")
    yard.await_notes("start two")
    yard.open_gates("two")
    yard.await_states(invocation, "SUCCEEDED", "SUCCEEDED")


def test_json_names_the_run_its_directory_and_its_jobs(yard: Yard) -> None:
    yard.config(yard.task("one"), yard.task("one"))
    said = json.loads(yard.call("run", "-c", "run.yaml", "--json").out)
    assert Path(said["run_dir"]) == yard.run_dir(said["invocation"])
    assert said["jobs"] == [row["job"] for row in yard.jobs(said["invocation"])]
    folders = {row["directory"] for row in yard.jobs(said["invocation"])}
    assert len(folders) == len(said["jobs"]) == 2
    assert all(Path(folder).parent == yard.run_dir(said["invocation"]) for folder in folders)


def test_wait_exits_0_when_all_succeed_and_1_when_one_does_not(yard: Yard) -> None:
    yard.config(yard.task("good"))
    invocation = yard.run("run.yaml", "--wait")
    assert yard.states(invocation) == ["SUCCEEDED"]
    yard.config(yard.task("good"), yard.task("bad", "echo it broke; exit 3"))
    done = yard.call("run", "-c", "run.yaml", "--wait", code=1)
    assert "exit code 3: it broke" in done.err
    assert yard.states(done.out.strip()) == ["SUCCEEDED", "FAILED"]
    yard.call("status", done.out.strip(), code=1)
    yard.call("status", f"{done.out.strip()}.1", code=0)


def test_an_endpoint_that_does_not_answer_is_exit_code_3_where_it_must_be_asked(yard: Yard) -> None:
    yard.config(yard.task("one"), target={"api_endpoint": {"url": "http://127.0.0.1:9/v1/chat/completions"}})
    done = yard.call("run", "-c", "run.yaml", code=3)
    assert "127.0.0.1:9" in done.err
    assert done.out == ""
    assert yard.call("ls", "runs", "--json").out.strip() == "[]"


def test_sequential_runs_one_job_at_a_time_whatever_becomes_of_each(yard: Yard) -> None:
    tasks = [yard.task(f"t{n}", yard.note("start"), "sleep 0.2", yard.note("end")) for n in range(3)]
    tasks[1]["harness"]["command"] = "\n".join([yard.note("start"), yard.note("end"), "exit 1"])
    yard.config(*tasks, execution={"mode": "sequential"})
    yard.call("run", "-c", "run.yaml", "--wait", code=1)
    assert yard.notes() == ["start", "end"] * 3


def test_max_parallel_runs_that_many_jobs_and_never_more(yard: Yard) -> None:
    # Each job ends only after it saw two at work, so two must have been; and the ledger tells how many ever were.
    together = f'until [ "$(grep -c start "{yard.ledger}")" -ge 2 ]; do sleep 0.05; done; sleep 0.3'
    tasks = [yard.task(f"t{n}", yard.note("start"), together, yard.note("end")) for n in range(4)]
    yard.config(*tasks, execution={"max_parallel": 2})
    yard.run("run.yaml", "--wait")
    running, most = 0, 0
    for line in yard.notes():
        running += 1 if line == "start" else -1
        most = max(most, running)
    assert most == 2


def test_one_task_can_be_picked(yard: Yard) -> None:
    yard.config(yard.task("one"), yard.task("two"), yard.task("two"))
    assert [row["task"] for row in yard.jobs(yard.run("run.yaml", "--wait", "-t", "one"))] == ["one"]
    assert len(yard.jobs(yard.run("run.yaml", "--wait", "-t", "two.1"))) == 1
    assert "three" in yard.call("run", "-c", "run.yaml", "-t", "three", code=2).err


def test_settings_that_mean_nothing_without_docker_are_accepted_with_one_note(yard: Yard) -> None:
    execution = {"extra_docker_args": "--gpus all", "pull": "always", "mounts": {"evaluation": {"/a": "/b"}}}
    yard.config(yard.task("one"), yard.task("two"), execution=execution)
    done = yard.call("run", "-c", "run.yaml", "--wait")
    (note,) = [line for line in done.err.splitlines() if line.startswith("note")]
    assert all(name in note for name in execution)


def test_every_command_that_run_suggests_works(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    done = yard.call("run", "-c", "run.yaml")
    yard.open_gates("one")
    yard.await_states(done.out.strip(), "SUCCEEDED")
    suggested = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.err.splitlines() if len(line.split()) > 1}
    assert "one" in yard.program("sh", "-c", suggested["log"].replace("tail -f", "tail")).out
    assert "ended with exit code 0" in yard.program("sh", "-c", suggested["follow"]).out
    assert "SUCCEEDED" in yard.program("sh", "-c", suggested["status"]).out


def test_a_dry_run_shows_the_plan_and_writes_nothing(yard: Yard) -> None:
    yard.config(yard.task("one", "echo what would run"), env_vars={"TOKEN": "host:UNSET_HERE"})
    before = sorted(yard.folder.rglob("*"))
    done = yard.call("run", "-c", "run.yaml", "--dry-run", env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert "echo what would run" in done.out
    assert "UNSET_HERE" in done.err
    assert "not set" in done.err
    assert sorted(yard.folder.rglob("*")) == before
    assert not yard.home.exists()


def test_the_stored_configuration_repeats_the_run(yard: Yard) -> None:
    yard.config(yard.task("one"), yard.task("two"))
    first = yard.run("run.yaml", "--wait")
    again = yard.run(str(yard.run_dir(first) / "config.yaml"), "--wait")
    assert yard.states(again) == ["SUCCEEDED", "SUCCEEDED"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("arguments", [("--wait",), ()], ids=["wait", "detached"])
def test_an_interrupted_run_leaves_nothing_running_and_can_be_resumed(
    yard: Yard, number: signal.Signals, arguments: tuple[str, ...]
) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution=NOT_WAITING)
    process = yard.start("evalyard", "run", "-c", "run.yaml", *arguments)
    assert process.stdout is not None
    invocation = process.stdout.readline().strip()
    assert ID.fullmatch(invocation)
    if arguments:
        yard.await_notes("start one")
    kill(process.pid, number)
    process.communicate()
    if not arguments and process.returncode == 0:
        # It had everything under way before the signal came: then the jobs are the keeper's.
        yard.call("kill", invocation)
    else:
        assert process.returncode == 130
    yard.await_quiet()
    assert yard.states(invocation) == ["CANCELLED", "CANCELLED"]
    yard.open_gates("one", "two")
    yard.call("resume", invocation, "--wait")
    assert [(row["state"], row["attempt"]) for row in yard.jobs(invocation)] == [("SUCCEEDED", 2)] * 2


STEPS = {
    "recorded": "runs/[0-9a-f]*/journal.jsonl",
    "written": "*/config.yaml",
    "serving": "*/deployment/attempts/1/started.json",
    "launched": "*/one/attempts/1/started.json",
}
"""What shows, below the state home or the output folder, how far `run` has come."""


@pytest.mark.parametrize("step", STEPS)
def test_interrupting_at_each_step_releases_everything_and_can_be_resumed(yard: Yard, step: str) -> None:
    yard.config(yard.gated("one"), deployment={"type": "demo"})
    folder = yard.home if step == "recorded" else yard.folder / "runs"
    process = yard.start("evalyard", "run", "-c", "run.yaml", "--wait")
    until(lambda: list(folder.glob(STEPS[step])), step, pause_s=0.001, process=process)
    kill(process.pid, signal.SIGINT if step in ("recorded", "serving") else signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert "error: interrupted, and nothing of" in err
    yard.await_quiet()
    (run,) = json.loads(yard.call("ls", "runs", "--json").out)
    invocation = run["invocation"]
    assert out.strip() in ("", invocation)
    assert yard.states(invocation) == ["CANCELLED"]
    yard.open_gates("one")
    assert err.splitlines()[-1].strip() == f"evalyard resume {invocation}"
    yard.call("resume", invocation, "--wait")
    assert [(row["state"], row["attempt"]) for row in yard.jobs(invocation)] == [("SUCCEEDED", 2)]
    yard.await_quiet()


def test_interrupting_before_anything_is_recorded_starts_nothing(yard: Yard) -> None:
    # The env file is a pipe that nobody writes to: the command waits in it for as long as we like.
    os.mkfifo(yard.folder / "keys")
    yard.config(yard.task("one", yard.note("ran")))
    process = yard.start("evalyard", "run", "-c", "run.yaml", "--env-file", "keys")
    with (yard.folder / "keys").open("w"):
        kill(process.pid, signal.SIGTERM)
        out, err = process.communicate()
    assert (process.returncode, out, err) == (130, "", "error: interrupted\n")
    assert not (yard.folder / "runs").exists()
    assert not yard.home.exists()


def test_sigkill_of_run_wait_is_told_by_status_with_the_command_that_goes_on(yard: Yard) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution=NOT_WAITING)
    process = yard.start("evalyard", "run", "-c", "run.yaml", "--wait")
    assert process.stdout is not None
    invocation = process.stdout.readline().strip()
    yard.await_notes("start one")
    kill(process.pid)
    process.communicate()
    done = yard.call("status", invocation)
    assert "RUNNING" in done.out
    assert f"1 of 2 jobs not launched: evalyard resume {invocation}" in done.err
    yard.open_gates("one", "two")
    yard.await_states(invocation, "SUCCEEDED", "PENDING")
    yard.program("sh", "-c", f"evalyard resume {invocation}")
    yard.await_states(invocation, "SUCCEEDED", "SUCCEEDED")
    assert yard.notes().count("start one") == 1
    assert [row["attempt"] for row in yard.jobs(invocation)] == [1, 1]


def test_sigkill_of_the_keeper_loses_nothing(yard: Yard) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution=NOT_WAITING)
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    keeper = yard.keeper(invocation)
    kill(keeper.pid)
    until(lambda: not [p for p in yard.processes() if p.pid == keeper.pid], "the keeper's end")
    yard.open_gates("one", "two")
    yard.await_states(invocation, "SUCCEEDED", "PENDING")
    left = yard.call("status", invocation).err
    assert f"evalyard resume {invocation}" in left
    assert not [p for p in yard.processes() if "keeper" in " ".join(command(p))], "status starts nothing"
    yard.call("resume", invocation)
    yard.await_states(invocation, "SUCCEEDED", "SUCCEEDED")
    assert "resume" not in yard.call("status", invocation).err
