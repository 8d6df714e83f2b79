"""Jobs as core would make them."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import evolve, frozen

from evalyard import (
    BatchSettings,
    Credentials,
    EndpointSpec,
    Harness,
    Job,
    Network,
    PlannedFile,
    ResultFile,
    TaskSpec,
    Walltime,
)
from evalyard.records.files import SecretRef

MARK = "0123456789abcdef0123456789abcdef"
SECRETS = PlannedFile(path="smoke/.secrets.env", mode=0o600, secrets=(SecretRef(name="KEY", variable="MY_KEY"),))


@frozen(kw_only=True)
class ToySettings(BatchSettings, Walltime, Network, Credentials):
    """All that scripts and plans of core read."""

    executor: ClassVar[str] = "toy"


def make_job(**more: Any) -> Job:
    """Return the first attempt of a task."""
    job = Job(
        invocation="a1b2c3d4",
        number=1,
        attempt=1,
        mark=MARK,
        task=TaskSpec(name="smoke"),
        harness=Harness(name="smoke", script="evaluate", results=ResultFile(), program="evaluate"),
        endpoint=EndpointSpec(url="http://endpoint.test/v1/chat/completions", model_id="m", type="chat"),
        run_dir="/shared/out/run",
        folder="smoke",
        files=(PlannedFile(path="config.yaml", text="tasks: []\n"), SECRETS),
    )
    return evolve(job, **more)
