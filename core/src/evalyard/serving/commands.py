"""The command lines of model servers, as shell text that is the same in a container and without one.

The model's folder is `$EVALYARD_CHECKPOINT` there, the folder for downloads `$EVALYARD_MODEL_CACHE`: whoever runs the
text sets them (`Server.mounts`). Everything that a user wrote is quoted, save for what is a piece of a command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from evalyard.config.deployment_types import SglangOptions, TrtllmOptions, VllmOptions
from evalyard.secrets import quote
from evalyard.specs import DeploymentSpec

_LISTEN = '--host "$HOST" --port "$PORT"'

_CACHES: Mapping[str, Mapping[str, str]] = {
    "generic": {"HF_HOME": ""},
    "vllm": {"HF_HOME": "", "VLLM_CACHE_ROOT": "/vllm"},
    "sglang": {"HF_HOME": "", "TORCHINDUCTOR_CACHE_DIR": "/inductor"},
    "trtllm": {"HF_HOME": ""},
    "nim": {"NIM_CACHE_PATH": ""},
}
"""By type: the variables by which its server is told where downloads and compiled kernels go, and where below
cache_path that is."""


@frozen(kw_only=True)
class Command:
    """What starts a server."""

    script: str
    program: str = ""
    """What must be on PATH for it; empty = nobody knows."""


def cache_exports(deployment: DeploymentSpec) -> str:
    """Return shell text that leads a server's downloads to cache_path; variables that the user set himself stay."""
    if not deployment.cache_path:
        return ""
    wanted = {name: below for name, below in _CACHES.get(deployment.type, {}).items() if name not in deployment.env}
    return "\n".join(f'export {name}="$EVALYARD_MODEL_CACHE{below}"' for name, below in wanted.items())


def _vllm(deployment: DeploymentSpec, options: VllmOptions) -> Command:
    model = _model(deployment)
    arguments = _joined(
        f"--served-model-name {quote(deployment.served_model_name or '')}",
        _LISTEN,
        _size("--tensor-parallel-size", options.tensor_parallel_size),
        _size("--pipeline-parallel-size", options.pipeline_parallel_size),
        _size("--data-parallel-size", options.data_parallel_size),
        f"--gpu-memory-utilization {options.gpu_memory_utilization}",
        _one_line(options.extra_args),
    )
    if options.base_command:
        return Command(script=_joined(_one_line(options.base_command), model, arguments))
    # Images from before the program `vllm` have only the module.
    script = (
        "if command -v vllm >/dev/null 2>&1; then\n"
        f"  set -- vllm serve {model}\n"
        "else\n"
        f"  set -- python3 -m vllm.entrypoints.openai.api_server --model {model}\n"
        "fi\n"
        f'exec "$@" {arguments}'
    )
    return Command(script=script, program="vllm")


def _sglang(deployment: DeploymentSpec, options: SglangOptions) -> Command:
    script = _joined(
        f"exec python3 -m sglang.launch_server --model-path {_model(deployment)}",
        f"--served-model-name {quote(deployment.served_model_name or '')}",
        _LISTEN,
        _size("--tp-size", options.tensor_parallel_size),
        _size("--dp-size", options.data_parallel_size),
        _size("--pp-size", options.pipeline_parallel_size),
        _one_line(options.extra_args),
    )
    return Command(script=script, program="python3")


def _trtllm(deployment: DeploymentSpec, options: TrtllmOptions) -> Command:
    # It answers to any model name in a request, and older versions have no option for one.
    script = _joined(
        f"exec trtllm-serve serve {_model(deployment)} --backend pytorch",
        _LISTEN,
        _size("--tp_size", options.tensor_parallel_size),
        _size("--pp_size", options.pipeline_parallel_size),
        _one_line(options.extra_args),
    )
    return Command(script=script, program="trtllm-serve")


def _model(deployment: DeploymentSpec) -> str:
    return '"$EVALYARD_CHECKPOINT"' if deployment.checkpoint_path else quote(deployment.hf_model_handle or "")


def _size(option: str, size: int) -> str:
    # 1 is what every server does by itself, and older versions do not know the newer ones of these options.
    return "" if size == 1 else f"{option} {size}"


def _one_line(text: str) -> str:
    """Return a piece of a command without its line breaks: one would end the command there."""
    return re.sub(r"\s*\\?\n\s*", " ", text).strip()


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


MODEL_SERVERS: Mapping[str, Callable[[DeploymentSpec, Any], Command]] = {
    "vllm": _vllm,
    "sglang": _sglang,
    "trtllm": _trtllm,
}
"""By `deployment.type`: its command, from the deployment and the options of its type."""
