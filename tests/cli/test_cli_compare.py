"""`evalyard compare`: what got better or worse, how sure that is, and a gate for it."""

import json
from typing import Any

from tests.cli.test_cli_results import limited, scored
from tests.cli.yard import Yard

SURE = "{count: 1000, stderr: 0.01}"


def measured(yard: Yard, **values: float) -> str:
    """Make a run whose tasks have these accuracies."""
    yard.config(*(scored(yard, name, str(value), stats=SURE) for name, value in values.items()))
    return yard.run("run.yaml", "--wait")


def comparisons(yard: Yard, *arguments: str, code: int = 0) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(yard.call("compare", "--json", *arguments, code=code).out)
    return data


def test_changes_beyond_chance_are_marked(yard: Yard) -> None:
    old, new = measured(yard, up=0.5, down=0.5, same=0.5), measured(yard, up=0.6, down=0.4, same=0.51)
    rows = {
        row.split()[1]: row.split() for row in yard.call("compare", old, new).out.splitlines() if row.startswith(new)
    }
    assert rows["up"][-1] == "better"
    assert rows["down"][-1] == "worse"
    assert rows["same"][-1] == "0.48"
    assert rows["up"][:7] == [new, "up", "accuracy", "1000", "0.5000", "0.6000", "+0.1000"]
    assert "two-sided z test" in yard.call("compare", old, new, "--markdown").out


def test_json_states_the_method_and_every_number(yard: Yard) -> None:
    old, new = measured(yard, one=0.5), measured(yard, one=0.6)
    data = comparisons(yard, old, new[:6])
    assert (data["baseline"], data["alpha"]) == ([f"{old}.1"], 0.05)
    assert "z test" in data["method"]
    (row,) = data["comparisons"]
    assert (row["baseline_job"], row["job"], row["n"], row["change"]) == (f"{old}.1", f"{new}.1", 1000, "better")
    assert (round(row["difference"], 9), round(row["stderr"], 4), row["notes"]) == (0.1, 0.0141, [])
    assert 0 < row["p_value"] < 1e-9


def test_several_runs_are_compared_with_the_first(yard: Yard) -> None:
    runs = [measured(yard, one=value) for value in (0.5, 0.6, 0.7)]
    rows = comparisons(yard, *runs)["comparisons"]
    assert [(row["baseline_value"], row["value"]) for row in rows] == [(0.5, 0.6), (0.5, 0.7)]


def test_two_jobs_of_one_run_are_compared(yard: Yard) -> None:
    yard.config(scored(yard, "one", "0.5", stats=SURE), scored(yard, "one", "0.6", stats=SURE, **limited(10)))
    run = yard.run("run.yaml", "--wait")
    done = yard.call("compare", f"{run}.1", f"{run}.2")
    assert "0.6000*" in done.out
    assert f"{run}.2 against {run}.1: only 10 samples were asked" in done.out
    assert f"{run}.2 against {run}.1: parameter limit_samples: not stated -> 10" in done.out


def test_too_large_a_drop_fails(yard: Yard) -> None:
    old, new = measured(yard, one=0.72, gone=0.5), measured(yard, one=0.70, fresh=0.1)
    yard.call("compare", old, new)
    assert yard.call("compare", old, new, "--max-drop", "0.02", "--metric", "one.*").err == ""
    done = yard.call("compare", old, new, "--max-drop", "0.019", code=1)
    assert f"gate failed: one.accuracy of {new} went from 0.72 to 0.7, worse by more than 0.019" in done.err
    assert f"gate failed: gone.accuracy of {new} is missing" in done.err
    assert "fresh" not in done.err


def test_without_standard_errors_there_is_no_p_value(yard: Yard) -> None:
    yard.config(scored(yard, "one", "0.5"))
    old, new = yard.run("run.yaml", "--wait"), yard.run("run.yaml", "--wait")
    assert "not stated" in yard.call("compare", old, new).out
    (row,) = comparisons(yard, old, new)["comparisons"]
    assert (row["difference"], row["stderr"], row["p_value"]) == (0, None, None)


def test_a_run_without_scores_is_named(yard: Yard) -> None:
    old = measured(yard, one=0.5)
    yard.config(yard.task("one", "exit 3"))
    new = yard.call("run", "-c", "run.yaml", "--wait", code=1).out.strip()
    done = yard.call("compare", old, new, code=1)
    assert f"{new}.1: no scores: FAILED: exit code 3" in done.err
    assert "missing" in done.out


def test_one_run_alone_is_an_error(yard: Yard) -> None:
    assert "nothing to compare" in yard.call("compare", "latest", code=2).err
    assert "expected 0 or more" in yard.call("compare", "latest", "latest", "--max-drop", "-1", code=2).err
