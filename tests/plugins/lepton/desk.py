"""Commands against the stand-in, and runs of core's own code, for tests of the whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import define, field

from evalyard import Context
from evalyard.plugins.discovery import load_executor
from evalyard.specs import DeploymentSpec, Section, ServerPaths
from evalyard.store.runs import Store
from evalyard.testing.rig import Rig, task
from evalyard.testing.trial import Trial
from tests.cli.yard import Yard
from tests.plugins.lepton.service.server import Service

LEAVE = 'echo "results: {}" > "$EVALYARD_OUTPUT_DIR/results.yml"'
BEAT_ONCE = "echo begun; sleep 60"
SERVE = 'exec python3 -m http.server "$PORT" --bind "$HOST"'


@define
class Desk:
    """One store at one service."""

    service: Service
    folder: Path
    settings: dict[str, Any] = field(factory=dict)

    def trial(self, *commands: str, serve: str = "", told: dict[str, Any] | None = None) -> Trial:
        """Put a run of these commands on record, with a model server where one is asked for."""
        section = {"output_dir": str(self.folder / "runs"), "poll_interval_s": 0.1, **self.settings}
        executor = load_executor("lepton")
        store = Store(self.folder / "store")
        rig = Rig(executor=executor, name="lepton", section=section, store=store, image="an-image")
        rig.environ.update(self.service.variables)
        return rig.trial(
            *(task(command, name=f"task{n}") for n, command in enumerate(commands)), deployment=_server(serve, told)
        )

    def context(self, trial: Trial, seconds: float = 20.0) -> Context:
        """Return what a hook gets, with a deadline of one's own."""
        return trial.run.context(seconds)


def _server(command: str, told: dict[str, Any] | None) -> DeploymentSpec | None:
    if not command:
        return None
    return DeploymentSpec(
        type="generic",
        command=command,
        served_model_name="model",
        endpoints=ServerPaths(health="/"),
        executor_config=Section(
            name="lepton", path="deployment.lepton_config", data={"resource_shape": "gpu.1xh200", **(told or {})}
        ),
    )


def config(yard: Yard, *tasks: dict[str, Any], **sections: Any) -> str:
    """Write a configuration for this executor."""
    execution = {"type": "lepton", "output_dir": "runs", "poll_interval_s": 0.1, **sections.pop("execution", {})}
    data: dict[str, Any] = {"execution": execution, "evaluation": {"tasks": list(tasks)}, **sections}
    if "deployment" not in data:
        data["target"] = {"api_endpoint": {"url": "http://127.0.0.1:9/v1/chat/completions", "model_id": "m"}}
    (yard.folder / "run.yaml").write_text(json.dumps(data))
    return "run.yaml"
