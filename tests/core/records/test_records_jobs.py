"""evalyard.records.jobs: what derives from the fields of a job."""

from __future__ import annotations

from evalyard.records.jobs import Job
from evalyard.records.programs import Harness
from evalyard.specs import EndpointSpec, TaskSpec


def test_a_job_derives_its_id_name_and_directory() -> None:
    job = Job(
        invocation="a1b2c3d4",
        number=2,
        attempt=3,
        mark="m",
        task=TaskSpec(name="mmlu"),
        harness=Harness(name="command", script="true"),
        endpoint=EndpointSpec(),
        run_dir="/out/run",
        folder="mmlu",
    )
    assert (job.id, job.name, job.directory) == ("a1b2c3d4.2", "ey-a1b2c3d4-2-3", "/out/run/mmlu")
