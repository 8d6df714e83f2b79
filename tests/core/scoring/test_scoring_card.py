"""evalyard.scoring.card: what was asked of a job, without secrets, readable by a person and by other versions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve, fields

from evalyard.records.connections import Connection
from evalyard.records.files import PlannedFile
from evalyard.records.invocations import Invocation
from evalyard.records.jobs import JobCard
from evalyard.records.plans import Need, NeedKind, Plan
from evalyard.records.programs import Harness, Server
from evalyard.scoring.card import card_for, card_of, parse_card, render_card, with_card
from evalyard.specs import DeploymentSpec, EndpointSpec, ResultFile, ResultFormat, RunSpec, Section, TaskSpec

INVOCATION = Invocation(
    id="a1b2c3d4",
    created_at="2026-01-02T03:04:05.000+00:00",
    source="run.yaml",
    run_dir="/out/run",
    connection=Connection(executor="local"),
    jobs=(),
    evalyard_version="0.0.9",
)
HARNESS = Harness(name="lm-eval", script="lm_eval", image="images/lm-eval@sha256:12", package="lm-eval==1")
SERVER = Server(recipe="vllm", model_id="served", script="serve")


def made(
    *,
    params: dict[str, Any] | None = None,
    url: str | None = "http://host:8000/v1/chat/completions",
    server: Server | None = None,
) -> JobCard:
    endpoint = EndpointSpec(url=url, model_id="m", type="chat")
    task = TaskSpec(name="ifeval", params=params or {})
    spec = RunSpec(
        source="elsewhere.yaml",
        tasks=(task,),
        endpoint=endpoint,
        deployment=DeploymentSpec(type="vllm") if server else None,
        execution=Section(name="local", path="execution", data={}),
    )
    return card_for(spec, INVOCATION, 3, task, harness=HARNESS, endpoint=endpoint, server=server)


def test_a_card_says_where_the_numbers_come_from() -> None:
    card = made(params={"limit_samples": 10, "temperature": 0.5, "top_p": None})
    assert (card.job, card.invocation, card.task) == ("a1b2c3d4.3", "a1b2c3d4", "ifeval")
    assert (card.executor, card.harness, card.model_id, card.endpoint_type) == ("local", "lm-eval", "m", "chat")
    assert card.parameters == {"limit_samples": 10, "temperature": 0.5}
    assert (card.source, card.created_at) == ("run.yaml", INVOCATION.created_at)


def test_beside_a_deployment_there_is_its_type_and_no_url() -> None:
    assert (made(server=SERVER).deployment, made(server=SERVER).endpoint_url) == ("vllm", "")


@pytest.mark.parametrize(("image", "package"), [("images/other:1", ""), ("", HARNESS.package)])
def test_it_is_the_image_or_the_package_whichever_the_plan_uses(image: str, package: str) -> None:
    card = made()
    files = tuple(PlannedFile(path=f"ifeval/{name}", text=render_card(card)) for name in ("job.json", "copy"))
    plan = Plan(
        job=card.job,
        task="ifeval",
        attempt=1,
        name="ey-a1b2c3d4-3-1",
        mark="m",
        directory="/out/run/ifeval",
        needs=(Need(key="files", kind=NeedKind.FILES, files=files),),
        image=image,
    )
    carrying = with_card(plan, card)
    assert carrying.card == evolve(card, image=image, package=package)
    written, other = carrying.needs[0].files
    assert (parse_card(written.text), other) == (carrying.card, files[1])


def test_what_may_be_secret_in_a_url_is_left_out() -> None:
    assert made(url="https://me:hunter2@host:8/v1?key=k#f").endpoint_url == "https://host:8/v1"


@pytest.mark.parametrize(
    ("params", "limit"),
    [
        ({}, None),
        ({"limit_samples": None}, None),
        ({"limit_samples": 10}, 10),
        ({"limit_samples": "10"}, 10),
        ({"limit_samples": 0.1}, 0.1),
        ({"extra": {"limit_samples": 5}}, 5),
    ],
)
def test_a_limit_is_known_however_it_is_given(params: dict[str, Any], limit: float | None) -> None:
    assert made(params=params).limit_samples == limit


def test_what_is_rendered_is_read_back() -> None:
    scores = {"acc": "summary.acc"}
    for results in (ResultFile(file="o.json", format=ResultFormat.JSON, scores=scores), None):
        card = evolve(made(params={"limit_samples": 10, "extra": {"a": [1, None]}}), results=results)
        assert parse_card(render_card(card)) == card


def test_the_text_has_every_field_in_the_order_of_the_record() -> None:
    assert list(json.loads(render_card(made()))) == [field.name for field in fields(JobCard)]


def test_another_versions_card_is_read() -> None:
    text = '{"job": "a1b2c3d4.1", "task": "t", "colour": "red"}'
    assert parse_card(text) == JobCard(job="a1b2c3d4.1", task="t")


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", '{"job": "a.1"', '{"job": "a.1", "task": "t", "results": 3}'])
def test_what_is_no_card_is_none(text: str) -> None:
    assert parse_card(text) is None


def test_a_plan_of_an_older_version_tells_what_it_can() -> None:
    plan = Plan(job="a1b2c3d4.1", task="t", attempt=1, name="n", mark="m", directory="/d", results=None)
    card = card_of(plan, INVOCATION)
    assert (card.job, card.task, card.executor, card.results) == ("a1b2c3d4.1", "t", "local", None)
    assert card.evalyard_version == "0.0.9"
    assert card_of(evolve(plan, card=made()), INVOCATION) == made()
