"""evalyard.records.invocations: finding a job in a run."""

from __future__ import annotations

import pytest

from evalyard.records.connections import Connection
from evalyard.records.invocations import Invocation, JobHeader


def test_an_invocation_finds_its_job_by_number() -> None:
    jobs = (JobHeader(number=1, task="smoke", folder="smoke"), JobHeader(number=2, task="mmlu", folder="mmlu"))
    invocation = Invocation(
        id="a1b2c3d4", created_at="", source="", run_dir="/out", connection=Connection(executor="local"), jobs=jobs
    )
    assert invocation.job(2).task == "mmlu"
    with pytest.raises(KeyError):
        invocation.job(3)
