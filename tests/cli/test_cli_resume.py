"""`evalyard resume`: what ended badly is tried again, what runs is adopted, what succeeded is left alone."""

from tests.cli.yard import Yard, command, kill, until


def test_only_what_did_not_succeed_is_tried_again(yard: Yard) -> None:
    failing = f"[ -e '{yard.gate('bad')}' ] || exit 5"
    yard.config(yard.task("good", yard.note("good ran")), yard.task("bad", yard.note("bad ran"), failing))
    invocation = yard.call("run", "-c", "run.yaml", "--wait", code=1).out.strip()
    assert yard.call("resume", invocation, "--wait", code=1).out.strip() == invocation
    yard.open_gates("bad")
    yard.call("resume", f"{invocation}.2", "--wait")
    assert [(row["state"], row["attempt"]) for row in yard.jobs(invocation)] == [("SUCCEEDED", 1), ("SUCCEEDED", 3)]
    assert sorted(yard.notes()) == ["bad ran", "bad ran", "bad ran", "good ran"]
    assert f"every job of {invocation} succeeded" in yard.call("resume", invocation, code=2).err


def test_resuming_what_runs_starts_nothing_twice(yard: Yard) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution={"mode": "sequential"})
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    for _ in range(2):
        yard.call("resume", invocation)
    until(
        lambda: len([p for p in yard.processes() if command(p)[-2:-1] == ["evalyard.orchestrator.keeper"]]) == 1,
        "one keeper, the others having found out that there is one",
    )
    yard.open_gates("one", "two")
    yard.await_states(invocation, "SUCCEEDED", "SUCCEEDED")
    assert yard.notes() == ["start one", "end one", "start two", "end two"]


def test_killing_launcher_keeper_and_job_and_resuming_runs_each_attempt_once(yard: Yard) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution={"mode": "sequential"})
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    keeper = yard.keeper(invocation)
    kill(keeper.pid)
    until(lambda: not keeper.is_running() or keeper.status() == "zombie", "the keeper's end")
    kill(yard.started(invocation, "one")["pid"])
    yard.open_gates("one", "two")
    yard.await_states(invocation, "FAILED", "PENDING")
    yard.call("resume", invocation, "--wait")
    rows = yard.jobs(invocation)
    assert [(row["state"], row["attempt"]) for row in rows] == [("SUCCEEDED", 2), ("SUCCEEDED", 1)]
    assert yard.notes().count("start one") == 2
    assert yard.notes().count("start two") == 1
    yard.await_quiet()


def test_two_resumes_at_once_make_one_attempt(yard: Yard) -> None:
    yard.config(yard.gated("one", "[ -e again ] || { touch again; exit 1; }"))
    invocation = yard.call("run", "-c", "run.yaml", "--wait", code=1).out.strip()
    resumes = [yard.start("evalyard", "resume", invocation) for _ in range(3)]
    for process in resumes:
        process.communicate()
    yard.open_gates("one")
    (row,) = yard.await_states(invocation, "SUCCEEDED")
    assert row["attempt"] == 2
    assert yard.notes().count("start one") == 2


def test_artifacts_of_earlier_attempts_are_kept_and_results_are_the_latest(yard: Yard) -> None:
    score = (
        'echo "results: {tasks: {one: {metrics: {m: {scores: {s: {value: $EVALYARD_ATTEMPT}}}}}}}"'
        ' > "$EVALYARD_OUTPUT_DIR/results.yml"; sleep 0'
    )
    task = yard.task("one")
    task["harness"]["command"] = f"{score}; [ -e again ] || {{ touch again; exit 1; }}"
    yard.config(task)
    invocation = yard.call("run", "-c", "run.yaml", "--wait", code=1).out.strip()
    yard.call("resume", invocation, "--wait")
    assert "2.000" in yard.call("results", invocation).out
    earlier = yard.run_dir(invocation) / "one" / "attempts" / "1" / "artifacts" / "results.yml"
    assert "value: 1" in earlier.read_text()
