"""From a task to the harness that runs it: which program, with which arguments, leaving which result file."""

from __future__ import annotations

from evalyard.catalogue.resolve import Benchmark
from evalyard.harness.smoke_tasks import smoke_harness
from evalyard.records import Harness
from evalyard.specs import EndpointSpec, TaskSpec


def harness_for(task: TaskSpec, endpoint: EndpointSpec, benchmark: Benchmark) -> Harness:
    """Return the harness of a task.

    Args:
        endpoint: where it will ask; its type is settled.
        benchmark: what the task's name means.

    Raises:
        ConfigError: a parameter that the harness does not have.
    """
    if task.harness is not None:
        return Harness(name="command", script=task.harness.command, results=task.harness.results)
    return smoke_harness(task, endpoint)
