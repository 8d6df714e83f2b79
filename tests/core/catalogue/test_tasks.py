"""The catalogue: what names mean, and tables of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalyard.catalogue.tasks import LAST_RESORT, catalogue
from evalyard.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ifeval", "lm-evaluation-harness.ifeval"),
        ("gpqa_diamond", "simple_evals.gpqa_diamond"),
        ("mmlu_pro", "simple_evals.mmlu_pro"),
        ("gsm8k", "lm-evaluation-harness.gsm8k"),
        ("humaneval", "simple_evals.humaneval"),
        ("humaneval_instruct", "lm-evaluation-harness.humaneval_instruct"),
        ("hle", "hle.hle"),
        ("smoke", "smoke"),
    ],
)
def test_a_bare_name_means_the_documented_benchmark(name: str, meant: str) -> None:
    found = catalogue().find(name)
    assert found is not None
    assert found.full_name == meant


def test_every_ambiguous_name_is_settled_without_the_last_resort() -> None:
    known = catalogue()
    ambiguous = {task.name for task in known.tasks if len(known.named(task.name)) > 1}
    assert len(ambiguous) == 11
    for name in ambiguous:
        found = known.find(name)
        assert found is not None
        assert found.harness.name not in LAST_RESORT


def test_the_endpoint_type_decides_among_harnesses() -> None:
    known = catalogue()
    found = {kind: known.find("mmlu_pro", endpoint_type=kind) for kind in ("chat", "completions")}
    assert {kind: task and task.harness.name for kind, task in found.items()} == {
        "chat": "simple_evals",
        "completions": "lm-evaluation-harness",
    }


def test_the_container_decides_before_anything_else() -> None:
    image = "registry.example/mirror/contamination-detection:1.0"
    found = catalogue().find("gpqa_diamond", endpoint_type="chat", container=image)
    assert found is not None
    assert found.harness.name == "codec"


def test_harness_dot_task_is_never_ambiguous() -> None:
    known = catalogue()
    for task in known.tasks:
        assert known.find(task.full_name) == task


def test_any_task_of_an_open_harness_is_taken_by_its_full_name() -> None:
    found = catalogue().find("lm-eval.my_own_task")
    assert found is not None
    assert (found.name, found.harness.package) == ("my_own_task", "lm-eval[api]==0.4.13")


def test_the_nearest_name_is_offered() -> None:
    assert catalogue().find("ifevl") is None
    assert catalogue().closest("ifevl") == "; did you mean 'ifeval'?"
    assert catalogue().closest("zzzzzz") == ""


def test_all_benchmarks_of_all_harnesses_are_listed_with_pinned_images() -> None:
    known = catalogue()
    nemo = [task for task in known.tasks if task.harness.kind == "nemo"]
    assert len(nemo) == 421
    assert len({task.harness.name for task in nemo}) == 23
    for task in nemo:
        image = task.harness.pinned_image
        assert image is not None
        repository, _, digest = image.partition("@sha256:")
        assert len(digest) == 64
        assert ":" not in repository


def test_search_narrows_by_text_harness_and_endpoint() -> None:
    known = catalogue()
    assert {task.harness.name for task in known.search(harness="MTEB")} == {"mteb"}
    assert all("embedding" in task.endpoint_types for task in known.search(endpoint_type="embedding"))
    assert {task.name for task in known.search("ifeval")} >= {"ifeval"}
    assert known.search("no such text") == ()


def test_a_folder_of_ones_own_adds_and_replaces(tmp_path: Path) -> None:
    (tmp_path / "harnesses.csv").write_text("harness,kind,image\nours,nemo,registry.example/ours:2\n")
    (tmp_path / "tasks.csv").write_text(
        "task,harness,endpoint_types\nowntask,ours,chat\nifeval,lm-evaluation-harness,completions\n"
    )
    known = catalogue((tmp_path,))
    own = known.find("owntask")
    assert own is not None
    assert own.harness.pinned_image == "registry.example/ours:2"
    replaced = known.find("lm-evaluation-harness.ifeval")
    assert replaced is not None
    assert replaced.endpoint_types == ("completions",)
    assert catalogue().find("owntask") is None


@pytest.mark.parametrize(
    ("harnesses", "tasks", "complaint"),
    [
        ("harness,kind\nours,magic\n", "", "harnesses.csv:2: kind 'magic' is not one of smoke, nemo, lm-eval"),
        ("harness\nours\n", "", "harnesses.csv:1: the table has no column kind"),
        ("", "task,harness,endpoint_types\nt,nobody,chat\n", "tasks.csv:2: no harnesses.csv has the harness 'nobody'"),
        ("", "task,harness,endpoint_types\nt,,chat\n", "tasks.csv:2: harness must not be empty"),
    ],
)
def test_a_table_that_is_wrong_is_named_with_its_line(
    tmp_path: Path, harnesses: str, tasks: str, complaint: str
) -> None:
    if harnesses:
        (tmp_path / "harnesses.csv").write_text(harnesses)
    if tasks:
        (tmp_path / "tasks.csv").write_text(tasks)
    with pytest.raises(ConfigError) as error:
        catalogue((tmp_path,))
    assert error.value.problems == (f"{tmp_path}/{complaint}",)
