"""The examples that come with evalyard for a cluster, each run to a score: what is not here is given with -o alone."""

import json
from pathlib import Path

import pytest

from evalyard.config import examples
from tests.backends import require_backend
from tests.slurm.cluster import Cluster
from tests.slurm.images import stand_in_image
from tests.slurm.slurmyard import SlurmYard

pytestmark = pytest.mark.slurm

MODEL = "demo"
FILLED_IN: dict[str, tuple[str, ...]] = {
    "slurm_llama_3_1_8b_instruct": (),
    "slurm_multi_node": ("deployment.checkpoint_path={models}", f"deployment.served_model_name={MODEL}"),
    "slurm_nim": (
        "deployment.cache_path={models}",
        # The server that stands in for one reads its name there.
        "++deployment.env_vars.NIM_MODEL=lit:meta/llama-3.1-8b-instruct",
    ),
    "slurm_no_deployment": ("target.api_endpoint.url={endpoint}", f"target.api_endpoint.model_id={MODEL}"),
}
"""What each leaves to whoever runs it, beside the cluster."""
TASKS = {"slurm_llama_3_1_8b_instruct": ["ifeval", "gpqa_diamond", "mbpp-chat"]}
"""Of those that have more than `ifeval`."""


@pytest.fixture(scope="module")
def image(plain_cluster: Cluster) -> str:
    """The reference of an image with all that stands in, on all nodes."""
    require_backend("podman")
    return stand_in_image(plain_cluster)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with a model, as far as anybody looks."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "weights").write_text("of a stand-in\n")
    return folder


def test_every_example_for_a_cluster_is_run() -> None:
    assert {one.name for one in examples() if one.name.startswith("slurm_")} == FILLED_IN.keys()


@pytest.mark.parametrize("name", FILLED_IN)
def test_an_example_runs_to_a_score(
    yard: SlurmYard, image: str, models: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("HF_TOKEN", "NGC_API_KEY"):
        monkeypatch.setenv(variable, "a-key")
    tasks = TASKS.get(name, ["ifeval"])
    given = [
        f"execution.hostname={yard.hostname}",
        "execution.account=any",
        f"execution.output_dir={yard.folder / 'runs'}",
        "+execution.container_runtime=podman",
        *(text.format(models=models, endpoint=endpoint) for text in FILLED_IN[name]),
        *(f"evaluation.tasks.{task}.container={image}" for task in tasks),
        *([] if name == "slurm_no_deployment" else [f"deployment.image={image}"]),
    ]
    yard.call("run", "--config", name, *(word for text in given for word in ("-o", text)), "--wait")
    rows = json.loads(yard.call("results", "--json").out)
    assert {row["task"]: row["value"] for row in rows} == dict.fromkeys(tasks, 1.0)
