"""Refuses what a site does not allow: images from elsewhere, partitions that are not for evaluations."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from attrs import frozen

from evalyard import InvalidJob, Job, Plan, hookimpl


@frozen(kw_only=True)
class PolicySettings:
    """`extensions.site_policy`."""

    images: tuple[str, ...] = ()
    """How the names of allowed images begin; empty = every image."""
    partitions: tuple[str, ...] = ()
    """The partitions that are allowed; empty = every one."""


class SitePolicy:
    """Looks at every plan before anything is sent."""

    api = 1
    Settings = PolicySettings

    def __init__(self, settings: PolicySettings) -> None:
        self.settings = settings

    @hookimpl(wrapper=True)
    def plan(self, settings: Any, job: Job) -> Generator[None, Plan, Plan]:
        """Let a plan pass, or refuse its job."""
        plan = yield
        allowed = self.settings.images
        if plan.image and allowed and not plan.image.startswith(allowed):
            raise InvalidJob(f"{job.task.name}: the site allows no image {plan.image}; it allows {', '.join(allowed)}")
        partition = getattr(settings, "partition", "")
        if partition and self.settings.partitions and partition not in self.settings.partitions:
            raise InvalidJob(f"the site allows no evaluations in partition {partition}")
        return plan
