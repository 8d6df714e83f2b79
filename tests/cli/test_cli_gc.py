"""`evalyard gc`: what was left behind goes, and nothing else."""

import json
import shutil

from tests.cli.yard import Yard, command, kill


def test_where_nothing_is_left_behind_gc_says_so(yard: Yard) -> None:
    done = yard.call("gc")
    assert (done.out, done.err) == ("", "nothing is left behind\n")


def test_a_job_whose_record_is_gone_is_named_and_then_ended(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    shutil.rmtree(yard.home / "runs" / invocation)
    (would,) = json.loads(yard.call("gc", "--dry-run", "--json").out)
    assert (would["name"], would["why"], would["removed"]) == (f"ey-{invocation}-1-1", "in no record", False)
    assert yard.processes()
    assert "removed" in yard.call("gc").out
    yard.await_quiet()


def test_what_others_run_is_none_of_its_business(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    done = yard.call("gc", env={"EVALYARD_HOME": str(yard.folder / "another-home")})
    assert done.err == "nothing is left behind\n"
    assert "nothing is left behind" in yard.call("gc").err
    assert yard.states(invocation) == ["RUNNING"]


def test_what_runs_under_another_address_of_the_same_backend_is_known_too(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    elsewhere(yard, invocation)
    yard.config(yard.task("two"))
    yard.call("run", "-c", "run.yaml", "--wait")
    yard.call("gc", code=None)
    assert "end one" not in yard.notes()
    assert [process for process in yard.processes() if yard.gate("one").name in " ".join(command(process))]


def elsewhere(yard: Yard, invocation: str) -> None:
    """Change the record of a run as if the same backend had been reached by another name."""
    header = yard.home / "runs" / invocation / "invocation.json"
    record = json.loads(header.read_text())
    record["connection"]["address"] = {"host": "another-name-of-it"}
    header.write_text(json.dumps(record))


def test_what_a_damaged_record_may_name_stays(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    (yard.home / "runs" / invocation / "invocation.json").write_text("{")
    (row,) = json.loads(yard.call("gc", "--json", code=None).out)
    assert (row["removed"], row["problem"]) == (False, "the record of its run is damaged, and may name it")
    assert yard.processes()


def test_a_model_server_that_nobody_released_goes(yard: Yard) -> None:
    yard.config(yard.gated("one"), deployment={"type": "demo"})
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    kill(yard.keeper(invocation).pid)
    yard.open_gates("one")
    yard.await_states(invocation, "SUCCEEDED")
    assert f"server is not released: evalyard kill {invocation}" in yard.call("status", invocation).err
    rows = json.loads(yard.call("gc", "--json").out)
    assert {(row["name"], row["removed"]) for row in rows} >= {(f"ey-{invocation}-server-1", True)}
    yard.await_quiet()
    assert "nothing is left behind" in yard.call("gc").err


def test_a_run_that_ended_by_itself_left_nothing_behind(yard: Yard) -> None:
    yard.config(yard.task("one", yard.note("done")))
    invocation = yard.run("run.yaml")
    yard.await_states(invocation, "SUCCEEDED")
    assert yard.call("gc").err == "nothing is left behind\n"
