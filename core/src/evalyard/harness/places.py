"""Where a harness finds things: as a process in its task's folder, and in a container."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Places:
    """What a harness calls the folders that it uses."""

    artifacts: str
    """Where it leaves results."""
    output_dir: str
    """`execution.output_dir`: what outlives a run, such as a cache, lies below it."""


BESIDE = Places(artifacts="artifacts", output_dir="../..")
"""For a process that starts in the task's folder."""
INSIDE = Places(artifacts="/results", output_dir="/evalyard/output")
"""For a container: images and configurations call the artifacts folder `/results`."""

JOB_INSIDE = "/evalyard/job"
"""In a container: the task's folder, or the deployment's, as far as the container may see it."""
HARNESS_INSIDE = "/evalyard/harness"
"""In a container: the programs that travel with the run."""
LOG_INSIDE = "/evalyard/log"
"""In a container: its log file."""
