"""From a task to the harness that runs it: which program, with which arguments, leaving which result file."""

from __future__ import annotations

from collections.abc import Sequence

from evalyard.catalogue.resolve import Benchmark
from evalyard.errors import ConfigError
from evalyard.harness.lm_eval import lm_eval_harness
from evalyard.harness.nemo import nemo_harness
from evalyard.harness.places import BESIDE, Places
from evalyard.harness.smoke_tasks import smoke_harness
from evalyard.records.programs import Harness
from evalyard.specs import EndpointSpec, TaskSpec


def harness_for(
    task: TaskSpec,
    endpoint: EndpointSpec,
    benchmark: Benchmark,
    folder: str,
    places: Places = BESIDE,
    addresses: Sequence[str] = (),
) -> Harness:
    """Return the harness of a task.

    Args:
        endpoint: where it will ask; its type is settled.
        benchmark: what the task's name means.
        folder: the task's folder in the run directory.
        places: what the folders are called where it runs.
        addresses: variables with the URLs of further model servers; a task names them as `${NAME}`.

    Raises:
        ConfigError: a parameter or an adapter configuration that the harness does not take.
    """
    if task.harness is not None:
        command, results = task.harness.command, task.harness.results
        return Harness(name="command", script=command, results=results, image=task.container)
    listed = benchmark.listed
    if listed is None or listed.harness.kind == "nemo":
        return nemo_harness(
            task,
            endpoint,
            benchmark=task.name,
            image=task.container or (listed.harness.pinned_image if listed else None),
            package=listed.harness.package if listed else "",
            folder=folder,
            places=places,
            addresses=addresses,
        )
    if any(f"${{{name}}}" in str(task.params) for name in addresses):
        raise ConfigError([f"{task.where}: only nemo-evaluator's harnesses can be told of auxiliary_deployments"])
    if listed.harness.kind == "lm-eval":
        return lm_eval_harness(task, endpoint, benchmark=listed.name, package=listed.harness.package)
    return smoke_harness(task, endpoint)
