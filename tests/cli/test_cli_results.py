"""`evalyard results`: scores with their provenance, in every format, from anywhere, behind gates."""

import csv
import io
import json
import shutil
from typing import Any

import pytest

from evalyard.scoring.flat import SCORE_FIELDS
from tests.cli.yard import Yard


def scored(yard: Yard, name: str, value: str, *, stats: str = "{}", **fields: Any) -> dict[str, Any]:
    """Return a task whose harness leaves one accuracy."""
    scores = f"{{accuracy: {{value: {value}, stats: {stats}}}}}"
    text = f"results: {{tasks: {{{name}: {{metrics: {{accuracy: {{scores: {scores}}}}}}}}}}}"
    task = yard.task(name, **fields)
    task["harness"]["command"] = f"echo '{text}' > \"$EVALYARD_OUTPUT_DIR/results.yml\""
    return task


def limited(samples: float) -> dict[str, Any]:
    """Return the fields of a task of which only so many samples are asked."""
    return {"nemo_evaluator_config": {"config": {"params": {"limit_samples": samples}}}}


@pytest.fixture
def run(yard: Yard) -> str:
    """A run of three tasks: a whole one, one of few samples, and one that failed."""
    yard.config(
        scored(yard, "whole", "0.75", stats="{count: 100, stderr: 0.04}"),
        scored(yard, "part", "0.5", **limited(10)),
        yard.task("broken", "exit 3"),
        execution={"max_parallel": 3},
    )
    return yard.call("run", "-c", "run.yaml", "--wait", code=1).out.strip()


def test_scores_of_few_samples_are_marked_and_explained(yard: Yard, run: str) -> None:
    done = yard.call("results", run, code=1)
    head, whole, part, remark = done.out.splitlines()
    assert head.split() == ["job", "task", "metric", "value", "stderr", "n", "time"]
    assert whole.split()[1:7] == ["whole", "accuracy", "0.7500", "±", "0.0400", "100"]
    assert part.split()[1:4] == ["part", "accuracy", "0.5000*"]
    assert remark == "* only 10 samples were asked: no result of the benchmark"
    assert done.err == f"{run}.3: no scores: FAILED: exit code 3\n"
    assert "0.5000*" in yard.call("results", run, "--markdown", code=1).out.replace("\\", "")


def test_json_and_csv_hold_the_same_rows_with_all_fields(yard: Yard, run: str) -> None:
    rows = json.loads(yard.call("results", run, "--json", code=1).out)
    assert [list(row) for row in rows] == [list(SCORE_FIELDS)] * 2
    assert (rows[0]["executor"], rows[0]["harness"], rows[0]["limit_samples"]) == ("local", "command", None)
    assert (rows[1]["limit_samples"], rows[1]["parameters"]) == (10, {"limit_samples": 10})
    first, second = csv.DictReader(io.StringIO(yard.call("results", run, "--csv", code=1).out))
    assert (first["value"], first["stderr"], first["n"]) == ("0.75", "0.04", "100")
    assert (second["stderr"], json.loads(second["parameters"])) == ("", {"limit_samples": 10})


def test_only_scores_of_a_name_are_shown(yard: Yard, run: str) -> None:
    assert yard.call("results", run, "--metric", "whole.*", code=1).out.count("accuracy") == 1
    done = yard.call("results", run, "--metric", "whole.acuracy", code=2)
    assert "there are whole.accuracy" in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("gate", "code", "said"),
    [
        ("whole.accuracy=0.75", 0, ""),
        ("whole.accuracy=0.76", 1, "gate failed: whole.accuracy of {run}.1 is 0.75, under 0.76"),
        ("whole.acuracy=0.5", 2, "there are whole.accuracy"),
        ("whole.accuracy", 2, "is no gate"),
    ],
)
def test_a_gate_decides_the_exit_code(yard: Yard, run: str, gate: str, code: int, said: str) -> None:
    done = yard.call("results", f"{run}.1", "--fail-under", gate, code=code)
    assert said.format(run=run) in done.err


def test_one_failed_gate_of_several_is_enough_and_absent_scores_fail_theirs(yard: Yard, run: str) -> None:
    gates = ("--fail-under", "whole.accuracy=0.1", "--fail-under", "broken.accuracy=0.1")
    done = yard.call("results", run, *gates, code=1)
    assert done.err.count("gate failed") == 1
    assert f"gate failed: broken.accuracy is missing: {run}.3 has no scores" in done.err


def test_a_value_that_is_no_number_fails_its_gate(yard: Yard) -> None:
    yard.config(scored(yard, "odd", ".nan"))
    run = yard.run("run.yaml", "--wait")
    assert "is nan, under -1000" in yard.call("results", run, "--fail-under", "accuracy=-1000", code=1).err


def test_a_run_directory_needs_no_records(yard: Yard, run: str) -> None:
    rows = json.loads(yard.call("results", run, "--json", code=1).out)
    moved = yard.folder / "elsewhere"
    shutil.move(yard.run_dir(run), moved)
    shutil.rmtree(yard.home)
    found = json.loads(yard.call("results", "--job-dirs", str(moved), "--json", code=1).out)
    places = ("artifacts", "log", "config")
    assert [{**row, **dict.fromkeys(places)} for row in found] == [{**row, **dict.fromkeys(places)} for row in rows]
    assert all(row[place].startswith(str(moved)) for row in found for place in places)
    alone = yard.call("results", "--job-dirs", str(moved / "whole"))
    assert "0.7500" in alone.out
    assert yard.call("results", "--job-dirs", str(yard.folder), code=1).err.startswith("error: ")


def test_formats_and_sources_exclude_each_other(yard: Yard) -> None:
    assert "exclude each other" in yard.call("results", "--json", "--csv", code=2).err
    assert "exclude each other" in yard.call("results", "latest", "--job-dirs", ".", code=2).err
