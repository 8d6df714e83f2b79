"""evalyard.harness.adapters: which harness a task becomes."""

from __future__ import annotations

import pytest

from evalyard.catalogue.resolve import Benchmark
from evalyard.catalogue.tasks import ListedHarness, ListedTask
from evalyard.harness.adapters import harness_for
from evalyard.records.programs import Harness
from evalyard.specs import CommandSpec, EndpointSpec, ResultFile, TaskSpec

ENDPOINT = EndpointSpec(url="http://h/v1/chat/completions", model_id="m", type="chat")
IMAGE = "registry/ours:1"


def harness(task: TaskSpec, kind: str | None) -> Harness:
    """Return the harness of a task that a catalogue lists with a harness of this kind; None = lists not at all."""
    listed = None
    if kind is not None:
        by = ListedHarness(name="ours", kind=kind, image=IMAGE, digest="sha256:1", package="ours==1")
        listed = ListedTask(name="sums", harness=by, endpoint_types=("chat",))
    return harness_for(task, ENDPOINT, Benchmark(listed=listed, endpoint_type="chat"), "folder")


def test_a_task_with_a_command_is_that_command() -> None:
    results = ResultFile(file="out/scores.yml")
    found = harness(TaskSpec(name="anything", harness=CommandSpec(command="run it", results=results)), None)
    assert found == Harness(name="command", script="run it", results=results)


@pytest.mark.parametrize(
    ("kind", "name", "program"),
    [("smoke", "smoke", ""), ("nemo", "nemo-evaluator", "nemo-evaluator"), ("lm-eval", "lm-eval", "lm_eval")],
)
def test_a_listed_task_is_run_as_its_harness_is(kind: str, name: str, program: str) -> None:
    found = harness(TaskSpec(name="smoke"), kind)
    assert (found.name, found.program) == (name, program)
    assert found.package == ("ours==1" if program else "")


def test_an_image_is_pinned_unless_the_task_names_another() -> None:
    assert harness(TaskSpec(name="sums"), "nemo").image == "registry/ours@sha256:1"
    assert harness(TaskSpec(name="sums", container="mine:2"), "nemo").image == "mine:2"


def test_a_task_that_no_catalogue_lists_is_run_by_nemo_evaluator_in_its_image() -> None:
    found = harness(TaskSpec(name="own.sums", container="mine:2"), None)
    assert (found.name, found.image, found.package) == ("nemo-evaluator", "mine:2", "")
    assert "type: own.sums" in found.files[0].text


def test_the_run_configuration_lies_in_the_tasks_folder() -> None:
    assert [file.path for file in harness(TaskSpec(name="sums"), "nemo").files] == ["folder/run_config.yml"]
