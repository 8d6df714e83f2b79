"""`evalyard status`: the truth, with a reason, whatever happened to the records."""

import json
import os
import re
import subprocess
from pathlib import Path

from tests.cli.yard import Done, Yard, kill, until


def test_every_failure_has_a_reason(yard: Yard) -> None:
    silent = yard.task("silent")
    silent["harness"]["command"] = "echo done and nothing left"
    yard.config(
        yard.task("loud", "echo first line", "echo the last words >&2", "exit 3"),
        silent,
        yard.task("absent", "no-such-program --here || exit"),
        execution={"max_parallel": 3},
    )
    done = yard.call("run", "-c", "run.yaml", "--wait", code=1)
    loud, quiet, absent = yard.jobs(done.out.strip())
    assert loud["reason"] == "exit code 3: the last words"
    assert loud["exit_code"] == 3
    assert quiet["reason"] == "the harness exited with code 0 and left no result file"
    assert "no-such-program" in absent["reason"]
    table = yard.call("status", done.out.strip(), code=1).out
    for row in (loud, quiet, absent):
        assert row["reason"] in table


def test_progress_is_what_the_harness_wrote_last(yard: Yard) -> None:
    yard.config(yard.gated("one", 'echo 40/100 > "$EVALYARD_OUTPUT_DIR/progress"', yard.note("written")))
    invocation = yard.run("run.yaml")
    yard.await_notes("written")
    (row,) = yard.jobs(invocation)
    assert (row["state"], row["progress"]) == ("RUNNING", "40/100")
    assert "40/100" in yard.call("status").out


def test_without_an_id_it_shows_what_has_not_ended_else_the_latest(yard: Yard) -> None:
    assert "no runs yet" in yard.call("status").err
    assert yard.call("status", "--json").out.strip() == "[]"
    yard.config(yard.task("quick"), name="quick.yaml")
    yard.config(yard.gated("slow"), name="slow.yaml")
    ended = yard.run("quick.yaml", "--wait")
    assert [row["job"] for row in yard.jobs()] == [f"{ended}.1"]
    live = yard.run("slow.yaml")
    yard.run("quick.yaml", "--wait")
    assert [row["job"] for row in yard.jobs()] == [f"{live}.1"]


def test_watching_ends_when_the_jobs_do_and_says_each_change_once(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    process = yard.start("evalyard", "status", "--watch", invocation)
    assert process.stdout is not None
    assert "RUNNING" in process.stdout.readline()
    yard.open_gates("one")
    rest, _ = process.communicate()
    assert process.returncode == 0
    assert rest.count("SUCCEEDED") >= 1
    assert "RUNNING" not in rest


def test_on_a_terminal_it_draws_a_table_and_in_a_pipe_plain_columns(yard: Yard) -> None:
    yard.config(yard.task("one"))
    invocation = yard.run("run.yaml", "--wait")
    plain = yard.call("status", invocation).out
    assert plain.splitlines()[0].split() == ["job", "task", "state", "attempt", "time", "progress", "reason"]
    assert plain.isascii()
    ours, theirs = os.openpty()
    shown = yard.start("evalyard", "status", invocation, stdout=theirs, env={"TERM": "xterm-256color"})
    os.close(theirs)
    drawn = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        drawn += part
    os.close(ours)
    shown.communicate()
    assert b"\x1b[" in drawn
    assert "SUCCEEDED" in drawn.decode()


def test_a_torn_or_damaged_record_costs_that_record_and_is_named(yard: Yard) -> None:
    yard.config(yard.task("one"))
    torn, garbage, whole = (yard.run("run.yaml", "--wait") for _ in range(3))
    journal = yard.home / "runs" / torn / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"event": "state", "at": 17')
    (yard.home / "runs" / garbage / "invocation.json").write_bytes(b"\x00\xff garbage")
    assert yard.states(torn) == ["SUCCEEDED"]
    assert f"{journal}:" in yard.call("status", torn).err
    listed = yard.call("ls", "runs")
    assert torn in listed.out
    assert whole in listed.out
    assert garbage in listed.err
    assert str(journal) in listed.err
    shown = yard.call("status", garbage, code=1).err
    assert "invocation.json is damaged" in shown
    assert "Traceback" not in shown
    assert garbage in yard.call("status").err
    yard.call("--help")
    assert yard.states(yard.run("run.yaml", "--wait")) == ["SUCCEEDED"]
    yard.call("kill", torn)
    assert yard.states(torn) == ["SUCCEEDED"]


def test_a_plan_that_is_gone_does_not_hide_how_its_job_stands(yard: Yard) -> None:
    yard.config(yard.task("one"))
    invocation = yard.run("run.yaml", "--wait")
    (yard.home / "runs" / invocation / "plans" / "1.1.json").unlink()
    assert yard.states(invocation) == ["SUCCEEDED"]
    assert yard.call("results", invocation, code=None).err.count("\n") <= 3


def test_a_state_home_that_cannot_be_written_launches_nothing(yard: Yard) -> None:
    yard.home.parent.mkdir(parents=True, exist_ok=True)
    yard.home.write_text("a file")
    yard.config(yard.task("one", yard.note("ran")))
    refused(yard, yard.call("run", "-c", "run.yaml", code=None))


def test_a_full_disk_launches_nothing(yard: Yard) -> None:
    # A limit of 0 bytes on what a process may write to files fails the way a full disk does, for root too.
    yard.config(yard.task("one", yard.note("ran")))
    refused(yard, yard.program("sh", "-c", "ulimit -f 0; exec evalyard run -c run.yaml", code=None))


def test_a_record_that_cannot_be_written_is_one_message_and_the_job_is_none_the_worse(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    yard.await_states(invocation, "RUNNING")
    done = yard.program("sh", "-c", f"ulimit -f 0; exec evalyard kill {invocation}", code=1)
    assert done.err.startswith("error: cannot record in ")
    assert len(done.err.splitlines()) <= 3
    assert yard.states(invocation) == ["RUNNING"]
    yard.open_gates("one")
    yard.await_states(invocation, "SUCCEEDED")


def refused(yard: Yard, done: Done) -> None:
    assert done.code in (1, 2)
    assert done.out == ""
    (message,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert str(yard.home) in message
    assert "EVALYARD_HOME" in done.err
    assert "Traceback" not in done.err
    assert not (yard.folder / "runs").exists()
    assert yard.notes() == []
    yard.await_quiet()


def test_ls_lists_tasks_runs_and_executors_also_as_json(yard: Yard) -> None:
    yard.config(yard.task("one"))
    invocation = yard.run("run.yaml", "--wait")
    assert "smoke" in {task["task"] for task in json.loads(yard.call("ls", "tasks", "--json").out)}
    assert "local" in {row["executor"] for row in json.loads(yard.call("ls", "executors", "--json").out)}
    (run,) = json.loads(yard.call("ls", "runs", "--json").out)
    assert run["invocation"] == invocation
    assert run["jobs"][0]["state"] == "SUCCEEDED"
    for listing in ("tasks", "runs", "executors"):
        assert len(yard.call("ls", listing).out.splitlines()) >= 2


def test_info_says_where_everything_is(yard: Yard) -> None:
    yard.config(yard.task("one"))
    invocation = yard.run("run.yaml", "--wait")
    said = json.loads(yard.call("info", invocation, "--json").out)
    job = said["jobs"][0]
    assert Path(said["run_dir"]) == yard.run_dir(invocation)
    for key in ("log", "artifacts", "script"):
        assert Path(job[key]).exists(), key
    assert re.search(r"invocation +" + invocation, yard.call("info").out)


def test_the_reader_of_a_pipe_may_leave(yard: Yard) -> None:
    yard.config(yard.task("one", "seq 1 200000"))
    invocation = yard.run("run.yaml", "--wait")
    done = yard.program("sh", "-c", f"evalyard logs {invocation} | head -n 1")
    assert done.err == ""
    process = subprocess.run(
        ["sh", "-c", f"evalyard status --watch {invocation} | true"],
        cwd=yard.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in process.stderr


def test_a_run_directory_that_was_deleted_is_no_traceback(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    folder = yard.run_dir(invocation)
    until(folder.exists, "the run directory")
    folder.rename(yard.folder / "elsewhere")
    for command in ("status", "logs", "info", "results"):
        done = yard.call(command, invocation, code=None)
        assert "Traceback" not in done.text
        assert "bug" not in done.text
    (yard.folder / "elsewhere").rename(folder)
    yard.open_gates("one")
    yard.await_states(invocation, "SUCCEEDED")


def test_a_damaged_plan_costs_its_job_and_not_the_others(yard: Yard) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution={"mode": "sequential"})
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    kill(yard.keeper(invocation).pid)
    (yard.home / "runs" / invocation / "plans" / "2.1.json").write_text("garbage")
    yard.call("kill", f"{invocation}.1")
    (one, two) = yard.jobs(invocation)
    assert (one["state"], two["state"]) == ("CANCELLED", "FAILED")
    assert two["reason"] == "the record of what to send is damaged"
