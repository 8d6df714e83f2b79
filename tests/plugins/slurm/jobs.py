"""Jobs and plans as core would make them."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from evalyard import EndpointSpec, Handle, Harness, Job, Mount, PlannedFile, ResultFile, Server, TaskSpec
from evalyard.records.files import SecretRef

MARK = "0123456789abcdef0123456789abcdef"
OTHER_MARK = "fedcba9876543210fedcba9876543210"
SECRETS = PlannedFile(path="smoke/.secrets.env", mode=0o600, secrets=(SecretRef(name="KEY", variable="MY_KEY"),))


def make_job(**more: Any) -> Job:
    """Return the first attempt of a task whose harness has an image and travels with the run."""
    harness = Harness(
        name="smoke",
        script="evaluate",
        image="registry.example/harness:1",
        results=ResultFile(),
        files=(PlannedFile(path="smoke/run_config.yml", text="a: 1\n"), PlannedFile(path="harness/smoke/x.py")),
        lasting=("cache",),
    )
    job = Job(
        invocation="a1b2c3d4",
        number=1,
        attempt=1,
        mark=MARK,
        task=TaskSpec(name="smoke"),
        harness=harness,
        endpoint=EndpointSpec(url="http://endpoint.test/v1/chat/completions", model_id="m", type="chat"),
        run_dir="/shared/out/run",
        folder="smoke",
        files=(PlannedFile(path="config.yaml", text="tasks: []\n"), SECRETS),
    )
    return evolve(job, **more)


def make_server(**more: Any) -> Server:
    """Return a model server with an image and a folder of its own."""
    server = Server(
        recipe="vllm",
        model_id="m",
        script='exec vllm serve "$EVALYARD_CHECKPOINT" --port "$PORT"',
        image="registry.example:5000/vllm/vllm:2",
        mounts=(Mount(source="/models/m", target="/checkpoint", read_only=True, variable="EVALYARD_CHECKPOINT"),),
        gpus=True,
        port=8000,
        paths={"chat": "/v1/chat/completions"},
        secrets=(SecretRef(name="HF_TOKEN", variable="HF_TOKEN"),),
        literals={"VLLM_LOG": "it's"},
    )
    return evolve(server, **more)


def served_job(**more: Any) -> Job:
    """Return a job beside a model server."""
    return make_job(server=make_server(**more), endpoint=EndpointSpec(model_id="m", type="chat"))


def handle(number: str = "7", name: str = "ey-a1b2c3d4-1-1", mark: str = MARK, directory: str = "/run/smoke") -> Handle:
    """Return the handle of a job."""
    return Handle(name=name, mark=mark, id=number, data={"directory": directory, "attempt": "1"})
