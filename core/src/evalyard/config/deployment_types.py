"""What each `deployment.type` takes beside the keys that all types have, and what it starts from.

Typed here, so that a serving recipe gets its own class of options and a mistake in one is told with its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs
from attrs import field, frozen, validators

from evalyard.config.node import MISSING, Plain

_AT_LEAST_ONE = validators.ge(1)


def _no_whole_command(_instance: Any, _option: Any, text: str | None) -> None:
    # In the language's older implementation it was one; added to, such a command would name its model twice.
    if text and re.search(r"\s--(port|served-model-name)(?=[\s=])", text):
        raise ValueError("'base_command' stands for `vllm serve` alone; a whole command goes to deployment.command")


@frozen(kw_only=True)
class NoOptions:
    """Options of a type that has none."""


@frozen(kw_only=True)
class GenericOptions:
    """Options of `generic`."""

    extra_args: str = ""
    """For the command to name, as `${deployment.extra_args}`."""


@frozen(kw_only=True)
class TrtllmOptions:
    """Options of `trtllm`."""

    tensor_parallel_size: int = field(default=8, validator=_AT_LEAST_ONE)
    pipeline_parallel_size: int = field(default=1, validator=_AT_LEAST_ONE)
    extra_args: str = ""
    """Added to the server's command as it stands."""


@frozen(kw_only=True)
class SglangOptions(TrtllmOptions):
    """Options of `sglang`."""

    data_parallel_size: int = field(default=1, validator=_AT_LEAST_ONE)


@frozen(kw_only=True)
class VllmOptions(SglangOptions):
    """Options of `vllm`."""

    gpu_memory_utilization: float = field(default=0.95, validator=[validators.gt(0), validators.le(1)])
    base_command: str | None = field(default=None, validator=_no_whole_command)
    """What stands for `vllm serve`: the model and all options are added."""


@frozen(kw_only=True)
class VllmRayOptions(VllmOptions):
    """Options of `vllm_ray`: one server over several nodes."""

    distributed_executor_backend: str = "ray"


@frozen(kw_only=True)
class DeploymentType:
    """One `deployment.type`."""

    options: type = NoOptions
    """The attrs class of the keys that it has for itself."""
    defaults: Mapping[str, Plain] = field(factory=dict)
    """Of the keys that all types have."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that this type has for itself."""
        return tuple(option.name for option in attrs.fields(self.options))

    @property
    def start(self) -> dict[str, Plain]:
        """What a section of this type holds before anybody writes into it."""
        options: dict[str, Any] = {option.name: option.default for option in attrs.fields(self.options)}
        return {**self.defaults, **options}


def _served(image: str, health: str = "/health") -> dict[str, Plain]:
    paths: dict[str, Plain] = {"chat": "/v1/chat/completions", "completions": "/v1/completions", "health": health}
    return {"image": image, "served_model_name": MISSING, "port": 8000, "endpoints": paths}


_VLLM = _served("vllm/vllm-openai:latest")

DEPLOYMENT_TYPES: Mapping[str, DeploymentType] = {
    "none": DeploymentType(),
    "demo": DeploymentType(),
    "generic": DeploymentType(options=GenericOptions),
    "vllm": DeploymentType(options=VllmOptions, defaults=_VLLM),
    "vllm_ray": DeploymentType(options=VllmRayOptions, defaults=_VLLM),
    "sglang": DeploymentType(options=SglangOptions, defaults=_served("lmsysorg/sglang:latest")),
    "trtllm": DeploymentType(options=TrtllmOptions, defaults=_served("nvcr.io/nvidia/tensorrt-llm/release:1.0.0")),
    "nim": DeploymentType(defaults=_served(MISSING, health="/v1/health/ready")),
}
"""By `deployment.type`."""
