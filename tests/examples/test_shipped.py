"""The examples that come with evalyard: each runs to a score, or is read, checked, and says why it does not run."""

from __future__ import annotations

import json

import pytest

from evalyard.config import examples
from tests.docker.servers import stand_in_image
from tests.examples.desk import ENOUGH, MODEL, Desk
from tests.examples.images import nemo_stand_in_image

RUNNABLE = {
    "local_auto_export": ["smoke"],
    "local_basic": ["smoke"],
    "local_host_mode": ["reachable"],
    "local_judge": ["graded"],
    "local_limit_samples": ["smoke"],
    "local_sequential": ["smoke.arithmetic", "smoke.logic", "smoke.json"],
    "local_task_settings": ["smoke.arithmetic", "smoke.logic"],
}
"""Examples that this version runs here, each with its tasks."""

CONTAINED: dict[str, tuple[str, ...]] = {
    "local_adapters": ("ifeval",),
    "local_llama_3_1_8b_instruct": ("ifeval", "gpqa_diamond", "mbpp-chat"),
    "local_private_image": ("ifeval",),
    "local_vllm": ("ifeval",),
}
"""Examples that this version runs here in containers, each with its tasks."""

_SLURM = ("execution.hostname=login", "execution.account=123", "execution.output_dir=/shared/out")
_NODES = "execution.lepton_platform.deployment.node_group=n", "execution.lepton_platform.tasks.node_group=n"
_NO_LEPTON = "execution.type 'lepton' is not installed\n  pip install evalyard-lepton"
_URL = "target.api_endpoint.url=http://localhost:8000/v1/chat/completions", f"target.api_endpoint.model_id={MODEL}"

NOT_HERE: dict[str, tuple[tuple[str, ...], str]] = {
    "lepton_nim": (_NODES, _NO_LEPTON),
    "lepton_none": ((*_NODES[1:], *_URL), _NO_LEPTON),
    "lepton_vllm": (_NODES, _NO_LEPTON),
}
"""Examples that this version reads and checks, what has to be filled in, and why it does not run them."""

ON_A_CLUSTER: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "slurm_multi_node": (
        (*_SLURM, "deployment.checkpoint_path=/shared/m", "deployment.served_model_name=m"),
        ("ifeval",),
    ),
    "slurm_llama_3_1_8b_instruct": (_SLURM, ("ifeval", "gpqa_diamond", "mbpp-chat")),
    "slurm_nim": ((*_SLURM, "deployment.cache_path=/shared/cache"), ("ifeval",)),
    "slurm_no_deployment": ((*_SLURM, *_URL), ("ifeval",)),
}
"""Examples that this version submits to a Slurm cluster: what has to be filled in, and their tasks."""


def test_every_example_is_run_or_says_why_not() -> None:
    known = RUNNABLE.keys() | CONTAINED.keys() | ON_A_CLUSTER.keys() | NOT_HERE.keys()
    assert {one.name for one in examples()} == known
    assert all(len(one.description) > 20 for one in examples())


@pytest.mark.parametrize("name", RUNNABLE)
def test_an_example_runs_to_a_score(desk: Desk, name: str) -> None:
    limit = [] if name in ("local_host_mode", "local_judge") else ["-o", ENOUGH]
    desk.type("run", "--config", name, *desk.endpoint(), *limit, "--wait")
    rows = desk.rows()
    assert {row["task"] for row in rows} >= {*RUNNABLE[name]}
    assert len({row["job"] for row in rows}) == len(RUNNABLE[name])
    assert all(isinstance(row["value"], float) for row in rows)


def test_the_example_of_exports_leaves_its_file(desk: Desk) -> None:
    desk.type("run", "--config", "local_auto_export", *desk.endpoint(), "-o", ENOUGH, "--wait")
    (job,) = json.loads((desk.folder / "runs" / "latest" / "results.json").read_text())["jobs"]
    assert (job["job_task"], job["state"]) == ("smoke", "SUCCEEDED")
    assert job["scores"]


@pytest.fixture
def nemo_image(python_image: str) -> str:
    """An image with a program that is called as nemo-evaluator is."""
    return nemo_stand_in_image(python_image)


@pytest.mark.docker
@pytest.mark.parametrize("name", CONTAINED)
def test_an_example_runs_to_a_score_in_containers(
    desk: Desk, nemo_image: str, python_image: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("HF_TOKEN", "NGC_API_KEY"):
        monkeypatch.setenv(variable, "a-key")
    changes = [f"evaluation.tasks.{task}.container={nemo_image}" for task in CONTAINED[name]]
    changes += ["execution.output_dir=runs", "+execution.keep=none"]
    served = name == "local_vllm"
    changes += [f"deployment.image={stand_in_image(python_image)}"] if served else []
    endpoint = [] if served else desk.endpoint()
    desk.type("run", "--config", name, *endpoint, *(word for given in changes for word in ("-o", given)), "--wait")
    rows = desk.rows()
    assert [row["task"] for row in rows] == [*CONTAINED[name]]
    assert [row["value"] for row in rows] == [1.0] * len(rows)


@pytest.mark.parametrize("name", NOT_HERE)
def test_an_example_for_another_place_is_read_and_says_what_is_missing(desk: Desk, name: str) -> None:
    filled_in, complaint = NOT_HERE[name]
    desk.type("validate", name, *(word for given in filled_in for word in ("-o", given)), code=2)
    assert complaint in desk.said
    assert len(desk.said.splitlines()) <= 2


@pytest.mark.parametrize("name", ON_A_CLUSTER)
def test_an_example_for_a_cluster_is_planned_to_the_last_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("HF_TOKEN", "NGC_API_KEY"):
        monkeypatch.setenv(variable, "a-key")
    filled_in, tasks = ON_A_CLUSTER[name]
    said = desk.type("run", "--dry-run", "--config", name, *(word for given in filled_in for word in ("-o", given)))
    assert all(f"{task}/job.sbatch" in said for task in tasks)
    assert "a-key" not in said


@pytest.mark.parametrize("name", [*RUNNABLE, *CONTAINED, *ON_A_CLUSTER, *NOT_HERE])
def test_an_example_lists_all_that_has_to_be_filled_in(desk: Desk, name: str) -> None:
    path = next(one.path for one in examples() if one.name == name)
    missing = path.read_text().count(": ???")
    desk.type("validate", name, code=2 if missing else 0)
    assert desk.said.count("must be set; in the file, or with -o ") == missing
