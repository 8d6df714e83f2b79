"""evalyard.records: that stored records outlive versions, and are frozen."""

from __future__ import annotations

import json

import attrs
import pytest

from evalyard.records.connections import Connection
from evalyard.records.files import PlannedFile, SecretRef
from evalyard.records.handles import Handle
from evalyard.records.invocations import Invocation, JobHeader
from evalyard.records.plans import Binding, Need, NeedKind, Plan
from evalyard.specs import Section
from evalyard.store.journal import converter

INVOCATION = Invocation(
    id="a1b2c3d4",
    created_at="2026-01-02T03:04:05+00:00",
    source="quick.yaml",
    run_dir="/out/2026-a1b2c3d4",
    connection=Connection(executor="slurm", address={"host": "login", "user": "me"}),
    jobs=(JobHeader(number=1, task="smoke", folder="smoke"), JobHeader(number=2, task="mmlu", folder="mmlu")),
    extensions=(Section(name="audit", path="extensions.audit", data={"to": ["a", 1, None]}, places={"a": "f:1"}),),
)
PLAN = Plan(
    job="a1b2c3d4.2",
    task="mmlu",
    attempt=3,
    name="ey-a1b2c3d4-2-3",
    mark="f" * 32,
    directory="/out/mmlu",
    argv=("sh", "run.sh"),
    environment={"A": "ü\n"},
    bindings={"URL": Binding(need="server", output="base_url")},
    needs=(
        Need(
            key="files",
            kind=NeedKind.FILES,
            files=(PlannedFile(path="mmlu/.secrets.env", mode=0o600, secrets=(SecretRef(name="K", variable="V"),)),),
            payload={"nested": {"list": [1, 2.5, True, None]}},
        ),
    ),
    concurrency=2,
    results=None,
)
HANDLE = Handle(name="ey-a1b2c3d4-2-3", mark="f" * 32, id="4711", outputs={"base_url": "http://h:1"}, data={"x": "y"})


@pytest.mark.parametrize("record", [INVOCATION, PLAN, HANDLE], ids=lambda record: type(record).__name__)
def test_a_stored_record_reads_back_equal(record: Invocation | Plan | Handle) -> None:
    text = json.dumps(converter.unstructure(record))
    assert converter.structure(json.loads(text), type(record)) == record


@pytest.mark.parametrize("record", [INVOCATION, PLAN, HANDLE], ids=lambda record: type(record).__name__)
def test_a_record_of_a_newer_version_reads_without_the_fields_unknown_here(
    record: Invocation | Plan | Handle,
) -> None:
    data = converter.unstructure(record) | {"added_in_2031": {"deep": [1]}}
    assert converter.structure(data, type(record)) == record


def test_a_record_of_an_older_version_gets_defaults_for_what_it_lacks() -> None:
    assert converter.structure({"name": "ey-a-1-1", "mark": "m"}, Handle) == Handle(name="ey-a-1-1", mark="m")


def test_records_are_frozen_and_built_by_keyword() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        HANDLE.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Handle("name", "mark")  # type: ignore[call-arg]
