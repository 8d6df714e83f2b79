import math
from pathlib import Path

import pytest

from evalyard.harness.smoke.cli import main
from evalyard.scoring.document import ResultsError
from evalyard.scoring.parse import parse_results, read_results
from evalyard.scoring.records import Score
from evalyard.specs import ResultFile
from tests.core.harness.smoke_servers import demo_endpoint

NEMO = """\
command: lm_eval --tasks mmlu
config: {type: mmlu, output_dir: /results}
git_hash: 1e10
metadata:
results:
  groups:
    mmlu:
      metrics:
        acc:
          scores:
            acc: {value: 0.71, stats: {stderr: 0.01}}
  tasks:
    mmlu_anatomy:
      metrics:
        acc:
          scores:
            acc:
              stats: {count: 135, max: null, mean: 0.64, stderr: 0.0414}
              value: 0.6444444444444445
            strict:
              value: 0.5
target: {}
"""


def one(value: str, stats: str = "{}") -> Score:
    text = f"results: {{tasks: {{t: {{metrics: {{m: {{scores: {{s: {{value: {value}, stats: {stats}}}}}}}}}}}}}}}"
    (score,) = parse_results(text, "results.yml")
    return score


def test_scores_of_tasks_come_before_those_of_groups() -> None:
    assert parse_results(NEMO, "results.yml") == (
        Score(task="mmlu_anatomy", metric="acc", score="acc", value=0.6444444444444445, stderr=0.0414, n=135),
        Score(task="mmlu_anatomy", metric="acc", score="strict", value=0.5),
        Score(task="mmlu", metric="acc", score="acc", value=0.71, stderr=0.01, group=True),
    )


@pytest.mark.parametrize(("value", "listed"), [("0.5", 1), ("0.6", 2)])
def test_a_group_that_repeats_a_task_with_the_same_value_is_listed_once(value: str, listed: int) -> None:
    entry = "{{x: {{metrics: {{acc: {{scores: {{acc: {{value: {}}}}}}}}}}}}}"
    text = f"results:\n  tasks: {entry.format('0.5')}\n  groups: {entry.format(value)}\n"
    scores = parse_results(text, "results.yml")
    assert [score.group for score in scores] == [False, True][:listed]


def test_a_repeated_nan_is_listed_once() -> None:
    entry = "{x: {metrics: {acc: {scores: {acc: {value: .nan}}}}}}"
    assert len(parse_results(f"results: {{tasks: {entry}, groups: {entry}}}", "results.yml")) == 1


@pytest.mark.parametrize("value", [".nan", "null", "none", "[1]", "{}", "true", "NaN"])
def test_a_value_that_is_no_number_is_nan_and_stays_listed(value: str) -> None:
    assert math.isnan(one(value).value)


@pytest.mark.parametrize(
    ("value", "read"), [("1e-05", 1e-05), ("1.0e-05", 1e-05), ("'0.25'", 0.25), ("1", 1.0), (".inf", math.inf)]
)
def test_numbers_are_read_in_every_spelling(value: str, read: float) -> None:
    assert one(value).value == read


def test_a_number_too_large_for_a_float_costs_no_more_than_its_value() -> None:
    assert math.isnan(one("9" * 400).value)


@pytest.mark.parametrize("stats", ["{}", "null", "{stderr: null, count: null}", "{stderr: .nan, count: -1}"])
def test_absent_or_senseless_statistics_are_none(stats: str) -> None:
    score = one("0.5", stats)
    assert (score.stderr, score.n) == (None, None)


@pytest.mark.parametrize(
    ("stats", "stderr"),
    [
        ("{stddev: 0.5, count: 100}", 0.05),
        ("{stddev: 0.5, count: 100, stderr: 0.04}", 0.04),
        ("{stddev: 0.5}", None),
        ("{stddev: 0.5, count: 0}", None),
    ],
)
def test_a_standard_error_is_stated_or_follows_from_the_spread(stats: str, stderr: float | None) -> None:
    assert one("0.5", stats).stderr == stderr


def test_a_count_written_as_a_float_is_whole() -> None:
    assert one("0.5", "{count: 100.0, stderr: 0.0}").n == 100


@pytest.mark.parametrize("text", ["results:\n", "results: {}", "results: {tasks: null, groups: {}}"])
def test_a_result_file_without_scores_has_none(text: str) -> None:
    assert parse_results(text, "results.yml") == ()


def test_yaml_1_2_names_stay_texts() -> None:
    text = "results: {tasks: {no: {metrics: {on: {scores: {off: {value: 1}}}}}, 2024: {metrics: null}}}"
    (score,) = parse_results(text, "results.yml")
    assert (score.task, score.metric, score.score) == ("no", "on", "off")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "art/results.yml: not a result file"),
        ("just text", "art/results.yml: not a result file"),
        ("config: {}\n", "art/results.yml: not a result file: it has no `results:`"),
        ("results: [1]", "results is not a mapping"),
        ("results: {tasks: 3}", "results.tasks is not a mapping"),
        ("results: {tasks: {a: x}}", "results.tasks.a is not a mapping"),
        ("results: {groups: {a: {metrics: {m: {scores: {s: 0.5}}}}}}", "results.groups.a.metrics.m.scores.s is not"),
        ("results:\n  tasks: {a\n", "art/results.yml:3: not YAML"),
        ("a: 1\nb: 2\na: 3\n", "art/results.yml:3: not YAML"),
        ("results: !!python/object:os.system {}", "art/results.yml:1: not YAML"),
        ("\x00", "not YAML"),
        ("[" * 1500, "not YAML"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_the_file_and_the_place(text: str, problem: str) -> None:
    with pytest.raises(ResultsError) as caught:
        parse_results(text, "art/results.yml")
    assert problem in caught.value.message
    assert caught.value.message.startswith("art/results.yml")
    assert "\n" not in caught.value.message


def test_what_the_smoke_harness_leaves_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with demo_endpoint() as url:
        address = f"{url}/v1/chat/completions"
        assert main(["--url", address, "--model", "demo", "--output", str(tmp_path), "--limit", "6"]) == 0
    capsys.readouterr()
    scores = read_results(tmp_path)
    assert any(score.group for score in scores)
    assert all(0 <= score.value <= 1 and score.n for score in scores)


def test_a_result_file_of_another_name_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scores.yml").write_text(NEMO)
    assert read_results(tmp_path, ResultFile(file="out/scores.yml")) == parse_results(NEMO, "-")


def test_an_absent_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"results\.yml: there is no result file"):
        read_results(tmp_path)


def test_a_folder_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "results.yml").mkdir()
    with pytest.raises(ResultsError, match="cannot be read"):
        read_results(tmp_path)


def test_bytes_that_are_no_text_are_an_error_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "results.yml").write_bytes(b"results:\n  \xff\xfe\n")
    with pytest.raises(ResultsError, match=r"results\.yml:2: not UTF-8"):
        read_results(tmp_path)


def test_a_file_far_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalyard.scoring.document.MAX_BYTES", 100)
    (tmp_path / "results.yml").write_text(NEMO)
    with pytest.raises(ResultsError, match="is this a result file"):
        read_results(tmp_path)
