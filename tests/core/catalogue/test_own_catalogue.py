"""`catalogue:` of a configuration, packages with tables, and the gate before images that nobody lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalyard.config import load_text
from evalyard.errors import ConfigError
from evalyard.orchestrator.begin import prepare
from evalyard.orchestrator.plan import check_listed

BASE = """\
execution: {type: local, use_docker: false, output_dir: out}
target: {api_endpoint: {url: "http://127.0.0.1:9/v1/chat/completions", model_id: m}}
"""


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "harnesses.csv").write_text("harness,kind\nours,smoke\n")
    (folder / "tasks.csv").write_text("task,harness,endpoint_types\nsmoke.arithmetic,ours,chat\nbrand_new,ours,chat\n")
    return folder


def test_a_configuration_adds_a_catalogue_by_a_folder_relative_to_the_caller(
    tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tables.parent)
    spec = load_text(BASE + "catalogue: tables\nevaluation: {tasks: [brand_new]}\n", "f.yaml")
    assert spec.catalogue == (str(tables),)
    assert len(prepare(spec).plans) == 1
    again = load_text(spec.resolved, "again.yaml")
    assert again.catalogue == spec.catalogue


def test_a_catalogue_that_is_no_folder_is_an_error_with_its_place(tmp_path: Path) -> None:
    text = BASE + f"catalogue: [{tmp_path}/nowhere]\nevaluation: {{tasks: [smoke]}}\n"
    with pytest.raises(ConfigError) as error:
        load_text(text, "f.yaml")
    (problem,) = error.value.problems
    assert problem.startswith("f.yaml:3:13: catalogue[0]: is not a folder")


def test_without_the_catalogue_its_names_mean_nothing() -> None:
    with pytest.raises(ConfigError, match="no task is called 'brand_new'"):
        prepare(load_text(BASE + "evaluation: {tasks: [brand_new]}\n", "f.yaml"))


def test_an_image_that_no_catalogue_lists_needs_to_be_allowed() -> None:
    tasks = "evaluation: {tasks: [{name: mystery, container: 'registry.example/x:1'}, {name: smoke}]}\n"
    spec = load_text(BASE + tasks, "f.yaml")
    with pytest.raises(ConfigError) as error:
        check_listed(spec, allowed=False)
    (problem,) = error.value.problems
    assert "no catalogue lists 'mystery'" in problem
    assert "--allow-unlisted" in (error.value.hint or "")
    check_listed(spec, allowed=True)


def test_an_image_of_ones_own_for_a_listed_benchmark_and_a_command_need_no_leave() -> None:
    tasks = "[{name: ifeval, container: 'registry.example/x:1'}, {name: own, harness: {command: 'true'}}]"
    check_listed(load_text(BASE + f"evaluation: {{tasks: {tasks}}}\n", "f.yaml"), allowed=False)
