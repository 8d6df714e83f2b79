"""The executor as its author publishes it: a wheel beside core's in an environment that has nothing else of ours."""

import json
from pathlib import Path

import pytest

from tests.gridengine.cluster import GridEngineCluster
from tests.outside.cleanroom import CleanRoom, build_wheel
from tests.outside.test_untouched import changed_files

REPOSITORY = Path(__file__).parents[2]
PROJECTS = {"core": REPOSITORY / "core", "gridengine": REPOSITORY / "tests" / "outside" / "evalyard-gridengine"}


@pytest.mark.gridengine
def test_an_evaluation_runs_on_the_cluster_to_a_score_with_two_wheels_and_core_stays_as_it_was(
    cluster: GridEngineCluster, tmp_path: Path
) -> None:
    room = CleanRoom(folder=tmp_path / "room")
    room.install(*(build_wheel(project, tmp_path / name) for name, project in PROJECTS.items()))
    harness = {
        "command": """echo '{"right": 0.75}' >"$EVALYARD_OUTPUT_DIR/scores.json\"""",
        "results": {"file": "scores.json", "scores": {"accuracy": "right"}},
    }
    config = {
        "execution": {"type": "gridengine", "output_dir": "runs", "walltime": "00:10:00", "poll_interval_s": 0.1},
        "target": {"api_endpoint": {"url": "http://127.0.0.1:9/v1/chat/completions", "model_id": "m"}},
        "evaluation": {"tasks": [{"name": "own", "harness": harness}]},
    }
    (tmp_path / "run.yaml").write_text(json.dumps(config))
    done = room.call("run", "-c", "run.yaml", "--wait", env=cluster.environment)
    invocation = done.stdout.strip()
    (job,) = json.loads(room.call("status", invocation, "--json", env=cluster.environment).stdout)
    assert (job["state"], job["executor"]) == ("SUCCEEDED", "gridengine")
    assert "0.75" in room.call("results", invocation, env=cluster.environment).stdout
    assert changed_files(room) == []
    assert not list(room.site.glob("evalyard_local*"))
