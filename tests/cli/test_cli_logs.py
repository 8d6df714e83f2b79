"""`evalyard logs`: lines as they are written, once, until the jobs end."""

import json

from tests.cli.yard import Yard

BEAT = "n=0; until [ -e '{gate}' ]; do n=$((n+1)); echo \"line $n $(date +%s)\"; sleep 0.2; done"


def harness_lines(text: str) -> list[str]:
    """Return what the harness itself wrote."""
    return [line for line in text.splitlines() if " evalyard: " not in line]


def test_following_shows_lines_while_the_job_runs_and_ends_with_it(yard: Yard) -> None:
    # The harness beats five times a second and ends only when told to, so ten lines seen one after the other, each no
    # more than a few beats after the last one written, cannot come from a reader that waits for the end.
    yard.config(yard.task("one", BEAT.format(gate=yard.gate("one")), "printf 'no newline at the end'"))
    invocation = yard.run("run.yaml")
    log = yard.run_dir(invocation) / "one" / "logs" / "stdout.log"
    process = yard.start("evalyard", "logs", "-f", invocation)
    assert process.stdout is not None
    behind = []
    for line in iter(process.stdout.readline, ""):
        if line.startswith("line "):
            written = [text for text in log.read_text().splitlines() if text.startswith("line ")]
            behind.append(int(written[-1].split()[1]) - int(line.split()[1]))
        if len(behind) >= 10:
            break
    assert yard.states(invocation) == ["RUNNING"]
    assert sorted(behind)[len(behind) // 2] <= 10, f"lines behind the writer: {behind}"
    yard.open_gates("one")
    rest, _ = process.communicate()
    assert process.returncode == 0
    assert rest.endswith("ended with exit code 0\n")
    assert "no newline at the end" in rest
    assert log.read_text() == yard.call("logs", invocation).out


def test_following_a_queued_job_waits_for_it_and_several_are_told_apart(yard: Yard) -> None:
    yard.config(
        yard.gated("one", "echo from one"), yard.gated("two", "echo from two"), execution={"mode": "sequential"}
    )
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    queued = yard.start("evalyard", "logs", "-f", f"{invocation}.2")
    both = yard.start("evalyard", "logs", "-f", invocation)
    assert both.stdout is not None
    seen = [""]
    while "from one" not in seen[-1]:
        seen.append(both.stdout.readline())
        assert seen[-1], "it ended before the first job's line"
    assert yard.states(invocation) == ["RUNNING", "PENDING"]
    yard.open_gates("one", "two")
    assert "from two" in queued.communicate()[0]
    rest, _ = both.communicate()
    assert f"{invocation}.1 one | from one\n" in seen
    assert f"{invocation}.2 two | from two\n" in rest
    assert queued.returncode == both.returncode == 0


def test_following_a_job_that_is_killed_before_it_starts_ends(yard: Yard) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution={"mode": "sequential"})
    invocation = yard.run("run.yaml")
    follower = yard.start("evalyard", "logs", "-f", f"{invocation}.2")
    yard.call("kill", invocation)
    follower.communicate()
    assert follower.returncode == 0


def test_tail_gives_the_last_lines_of_each_job(yard: Yard) -> None:
    yard.config(yard.task("one", "seq 1 5000"), yard.task("two", "seq 1 3"))
    invocation = yard.run("run.yaml", "--wait")
    assert yard.call("logs", "--tail", "3", f"{invocation}.1").out.splitlines()[:2] == ["4999", "5000"]
    several = yard.call("logs", "-n", "2", invocation).out.splitlines()
    assert [line.split(" | ")[0] for line in several] == [f"{invocation}.1 one"] * 2 + [f"{invocation}.2 two"] * 2
    assert yard.call("logs", "--tail", "0", invocation).out == ""
    assert "--tail" in yard.call("logs", "--tail", "-1", invocation, code=2).err
    assert "--tail" in yard.call("logs", "--tail", "many", invocation, code=2).err


def test_every_byte_comes_once_even_when_it_is_no_text(yard: Yard) -> None:
    long = "head -c 300000 /dev/zero | tr '\\0' x"
    yard.config(yard.task("one", "printf 'gr\\303\\274n \\377 end\\n'", long, "echo", "seq 1 30000"))
    invocation = yard.run("run.yaml", "--wait")
    lines = harness_lines(yard.call("logs", invocation).out)
    assert lines[0] == "grün � end"
    assert lines[1] == "x" * 300000
    assert lines[2:] == [str(n) for n in range(1, 30001)]
    assert harness_lines(yard.call("logs", "-f", invocation).out) == lines


def test_the_log_of_the_attempt_that_counts_is_shown_and_the_earlier_one_kept(yard: Yard) -> None:
    yard.config(yard.task("one", "echo try $EVALYARD_ATTEMPT", f"[ -e '{yard.gate('one')}' ] || exit 9"))
    invocation = yard.call("run", "-c", "run.yaml", "--wait", code=1).out.strip()
    assert "try 1" in yard.call("logs", invocation).out
    yard.open_gates("one")
    yard.call("resume", invocation, "--wait")
    shown = yard.call("logs", invocation).out
    assert "try 2" in shown
    assert "try 1" not in shown
    assert "try 1" in (yard.run_dir(invocation) / "one" / "attempts" / "1" / "logs" / "stdout.log").read_text()


def test_the_servers_log_has_a_role_of_its_own(yard: Yard) -> None:
    yard.config(
        {"name": "smoke", "nemo_evaluator_config": {"config": {"params": {"limit_samples": 2}}}},
        deployment={"type": "demo"},
    )
    invocation = yard.run("run.yaml", "--wait")
    assert "listening on" in yard.call("logs", "--role", "server", invocation).out
    assert "listening on" not in yard.call("logs", invocation).out
    assert json.loads(yard.call("results", "--json", invocation).out)
    assert "role" in yard.call("logs", "--role", "judge", invocation, code=2).err.lower()
