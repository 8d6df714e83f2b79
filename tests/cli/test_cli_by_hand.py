"""Scripts of a run directory, run by a person: again and again, from anywhere, without evalyard."""

import os
import shutil
import sys
from pathlib import Path

from tests.cli.yard import Yard, kill

SCORE = (
    'echo "results: {tasks: {t: {metrics: {m: {scores: {s: {value: $TRY}}}}}}}" > "$EVALYARD_OUTPUT_DIR/results.yml"'
)


def scored(name: str) -> dict[str, object]:
    """Return a task whose score is how often it ran in this run directory's task folder."""
    count = 'TRY=$(($(cat tries 2>/dev/null || echo 0) + 1)); echo "$TRY" > tries'
    return {"name": name, "harness": {"command": f"{count}; echo try $TRY; {SCORE}"}}


def bare_path(yard: Yard) -> dict[str, str]:
    """Return an environment with the tools of a plain system and a python3, and no evalyard among them."""
    tools = yard.folder / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "python3").symlink_to(sys.base_prefix + f"/bin/python3.{sys.version_info.minor}")
    path = f"{tools}:/usr/bin:/bin"
    assert shutil.which("evalyard", path=path) is None
    return {"PATH": path, "PYTHONNOUSERSITE": "1"}


def test_run_sh_by_hand_is_the_next_attempt_and_status_and_results_show_it(yard: Yard) -> None:
    yard.config(scored("one"))
    invocation = yard.run("run.yaml", "--wait")
    task = yard.run_dir(invocation) / "one"
    assert "try 2" in yard.program("bash", "run.sh", folder=task).out
    (row,) = yard.jobs(invocation)
    assert (row["attempt"], row["by_hand"], row["state"]) == (2, True, "SUCCEEDED")
    assert "2 (by hand)" in yard.call("status", invocation).out
    assert "2.000" in yard.call("results", invocation).out
    logs = yard.call("logs", "-f", invocation).out
    assert ("try 2" in logs, "try 1" in logs) == (True, False)
    assert "value: 1" in (task / "attempts" / "1" / "artifacts" / "results.yml").read_text()
    assert "try 1" in (task / "attempts" / "1" / "logs" / "stdout.log").read_text()
    assert "try 2" in (task / "logs" / "stdout.log").read_text()
    assert "try 3" in yard.program("sh", str(task / "run.sh"), folder=Path("/")).out
    assert "3 (by hand)" in yard.call("status", invocation).out
    assert "3.000" in yard.call("results", invocation).out


def test_run_all_repeats_every_task_as_often_as_one_likes_from_anywhere_without_evalyard(yard: Yard) -> None:
    yard.config(scored("one"), scored("two"))
    invocation = yard.run("run.yaml", "--wait")
    env = bare_path(yard)
    script = yard.run_dir(invocation) / "run_all.sequential.sh"
    for _ in range(2):
        yard.program("sh", str(script), env=env, folder=Path("/"))
    assert [(row["attempt"], row["by_hand"]) for row in yard.jobs(invocation)] == [(3, True)] * 2
    moved = yard.folder / "moved it's here"
    yard.run_dir(invocation).rename(moved)
    yard.program(str(moved / "run_all.sequential.sh"), env=env)
    for name in ("one", "two"):
        assert "try 4" in (moved / name / "logs" / "stdout.log").read_text()
        assert {path.name for path in (moved / name / "attempts").iterdir()} >= {"1", "2", "3", "4"}


def test_a_failure_by_hand_shows_in_its_exit_code_and_in_status(yard: Yard) -> None:
    yard.config(yard.task("one", "[ ! -e broken ] || { echo it is broken; exit 6; }"), scored("two"))
    invocation = yard.run("run.yaml", "--wait")
    (yard.run_dir(invocation) / "one" / "broken").touch()
    assert "it is broken" in yard.program("sh", "run_all.sequential.sh", code=1, folder=yard.run_dir(invocation)).out
    yard.program("sh", "run.sh", code=6, folder=yard.run_dir(invocation) / "one")
    one, two = yard.jobs(invocation)
    assert (one["state"], one["attempt"], one["exit_code"]) == ("FAILED", 3, 6)
    assert (two["state"], two["attempt"]) == ("SUCCEEDED", 2)
    yard.call("resume", invocation, code=None)
    assert yard.jobs(invocation)[0]["attempt"] == 4


def test_by_hand_beside_a_running_attempt_is_refused(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    done = yard.program("sh", "run.sh", code=75, folder=yard.run_dir(invocation) / "one")
    assert "still running" in done.err
    yard.open_gates("one")
    yard.await_states(invocation, "SUCCEEDED")
    assert yard.notes().count("start one") == 1


def test_by_hand_a_served_run_serves_for_as_long_as_it_takes(yard: Yard) -> None:
    limit = {"nemo_evaluator_config": {"config": {"params": {"limit_samples": 3}}}}
    yard.config({"name": "smoke", **limit}, deployment={"type": "demo"})
    invocation = yard.run("run.yaml", "--wait")
    env = bare_path(yard)
    yard.program("sh", str(yard.run_dir(invocation) / "smoke" / "run.sh"), env=env, folder=Path("/"))
    moved = yard.run_dir(invocation).rename(yard.folder / "moved")
    yard.program("sh", "run_all.sequential.sh", env=env, folder=moved)
    yard.await_quiet()
    moved.rename(yard.folder / "runs" / f"back-{invocation}")
    assert (yard.folder / "runs" / f"back-{invocation}" / "smoke" / "attempts" / "3" / "exit.json").exists()


def test_ctrl_c_by_hand_ends_the_harness_and_is_on_record(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    yard.open_gates("one")
    invocation = yard.run("run.yaml", "--wait")
    yard.gate("one").unlink()
    process = yard.start("sh", "run.sh", folder=yard.run_dir(invocation) / "one", start_new_session=True)
    yard.started(invocation, "one", attempt=2)
    assert yard.jobs(invocation)[0]["state"] == "RUNNING"
    os.killpg(process.pid, 2)
    out, _ = process.communicate()
    yard.await_quiet()
    assert process.returncode == 130, out
    (row,) = yard.jobs(invocation)
    assert (row["state"], row["attempt"]) == ("FAILED", 2)
    assert "INT" in row["reason"]


def test_a_script_killed_by_hand_is_no_longer_running(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    yard.open_gates("one")
    invocation = yard.run("run.yaml", "--wait")
    yard.gate("one").unlink()
    process = yard.start("sh", "run.sh", folder=yard.run_dir(invocation) / "one")
    kill(yard.started(invocation, "one", attempt=2)["pid"])
    yard.end_everything()
    process.communicate()
    (row,) = yard.await_states(invocation, "FAILED")
    assert row["reason"]
