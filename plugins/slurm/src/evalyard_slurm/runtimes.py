"""The shell text that runs a harness or a model server in a container, for each runtime. Pure.

A container begins with the folder `$EVALYARD_OUTPUT_DIR` of the machine as its own for what it writes, and with the
network of the machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from attrs import frozen

from evalyard import INSIDE, INSIDE_SCRIPT, JOB_INSIDE, Mount, quote
from evalyard_slurm.settings import ContainerRuntime

STEP = ("--overlap", "--mem=0", "--cpu-bind=none")
"""Flags of every step: it shares what the job has with the others."""
AFTER_LIMIT_S = 120
"""How long after its job's walltime a container that nobody has removed ends by itself."""
_SETTINGS: Mapping[str, str] = {"EVALYARD_JOB_DIR": JOB_INSIDE, "EVALYARD_OUTPUT_DIR": INSIDE.artifacts}
_OUTPUT = f'"$EVALYARD_OUTPUT_DIR":{INSIDE.artifacts}'


@frozen(kw_only=True)
class Container:
    """All that a runtime is told."""

    image: str
    name: str
    """Podman's containers have a name: this, and the number of the job."""
    mounts: tuple[Mount, ...] = ()
    folders: tuple[str, ...] = ()
    """Made before it starts, when they are not there."""
    variables: tuple[str, ...] = ()
    """Passed on by name."""
    keeps_entrypoint: bool = False
    gpus: bool = False
    home: bool = True
    """Whether it sees the user's home folder."""
    limit_s: int
    """How long its job may take."""
    steps: tuple[str, ...] = ()
    """Flags of srun: where it runs, and how often. For a runtime that is part of srun."""


def container_text(runtime: ContainerRuntime, container: Container) -> str:
    """Return the shell text that runs a container and ends with it, with its exit code."""
    made = [f"mkdir -p {quote(folder)}" for folder in container.folders]
    # By a process number of its own, every container would choose the same port.
    adapter = "ADAPTER_PORT=$((10000 + ${SLURM_JOB_ID:-$$} % 10000))\nexport ADAPTER_PORT"
    return "\n".join([*made, adapter, _TEXTS[runtime](container)])


def refused_path(runtime: ContainerRuntime, mounts: tuple[Mount, ...]) -> str:
    """Return the first path that the runtime cannot mount; empty = none."""
    signs = "\n:" if runtime is ContainerRuntime.PODMAN else "\n:,"
    paths = [path for mount in mounts for path in (mount.source, mount.target)]
    return next((path for path in paths if any(sign in path for sign in signs)), "")


def enroot_image(image: str) -> str:
    """Return an image as enroot writes it: `registry#name:tag`; a file stays what it is."""
    first, slash, rest = image.partition("/")
    if not slash or "#" in image or image.startswith(("/", "./", "docker://", "dockerd://", "podman://")):
        return image
    return f"{first}#{rest}" if "." in first or ":" in first or first == "localhost" else image


def apptainer_image(image: str) -> str:
    """Return an image as Apptainer writes it: with `docker://`, unless it is a file or names its transport."""
    return image if image.startswith(("/", "./")) or re.match(r"[a-z-]+://", image) else f"docker://{image}"


def _pyxis(container: Container) -> str:
    flags = [
        *STEP,
        *container.steps,
        *([] if container.gpus else ["--gres=none"]),
        f"--container-image={quote(enroot_image(container.image))}",
        f"--container-mounts={','.join([_OUTPUT, *map(_bind, container.mounts)])}",
        "--container-mount-home" if container.home else "--no-container-mount-home",
        "--no-container-remap-root",
        *(["--container-entrypoint"] if container.keeps_entrypoint else []),
        f"--container-env={','.join([*container.variables, 'ADAPTER_PORT', *_SETTINGS])}",
    ]
    settings = " ".join(f"{name}={value}" for name, value in _SETTINGS.items())
    inside = f"PROC_ID=$SLURM_PROCID {settings} exec sh {JOB_INSIDE}/{INSIDE_SCRIPT}"
    return " \\\n  ".join(["exec srun", *flags, f"sh -c {quote(inside)}"])


def _podman(container: Container) -> str:
    words = [
        "set -- --network host --ipc host --user 0:0 --log-driver none",
        f"--timeout {container.limit_s + AFTER_LIMIT_S}",
        f"--volume {_OUTPUT}",
        *(f"--volume {_bind(mount)}" for mount in container.mounts),
        *(f"--env {name}" for name in (*container.variables, "ADAPTER_PORT", "PROC_ID")),
        *(f"--env {name}={value}" for name, value in _SETTINGS.items()),
    ]
    command = f"{JOB_INSIDE}/{INSIDE_SCRIPT}"
    image = quote(container.image)
    words += [f"{image} sh {command}"] if container.keeps_entrypoint else [f"--entrypoint sh {image} {command}"]
    lines = [
        f"name={quote(container.name)}-${{SLURM_JOB_ID:-by-hand-$$}}${{PROC_ID:+-$PROC_ID}}",
        " \\\n  ".join(words),
    ]
    if container.home:
        lines.append('if [ -d "${HOME:-}" ] && [ "$HOME" != / ]; then set -- --volume "$HOME:$HOME" "$@"; fi')
    if container.gpus:
        lines.append('if nvidia-smi -L >/dev/null 2>&1; then set -- --device nvidia.com/gpu=all "$@"; fi')
    return "\n".join([*lines, "", _podman_machinery().rstrip("\n")])


def _apptainer(container: Container) -> str:
    words = [
        f"exec apptainer {'run' if container.keeps_entrypoint else 'exec'} --writable-tmpfs",
        *([] if container.home else ["--no-home"]),
        f"--bind {_OUTPUT}",
        *(f"--bind {_bind(mount)}" for mount in container.mounts),
        *(f"--env {name}={value}" for name, value in _SETTINGS.items()),
        '"$@"',
        f"{quote(apptainer_image(container.image))} sh {JOB_INSIDE}/{INSIDE_SCRIPT}",
    ]
    gpus = "if nvidia-smi -L >/dev/null 2>&1; then set -- --nv; fi"
    return "\n".join(["set --", *([gpus] if container.gpus else []), " \\\n  ".join(words)])


_TEXTS: Mapping[ContainerRuntime, Callable[[Container], str]] = {
    ContainerRuntime.PYXIS: _pyxis,
    ContainerRuntime.PODMAN: _podman,
    ContainerRuntime.APPTAINER: _apptainer,
}


def _bind(mount: Mount) -> str:
    return quote(f"{mount.source}:{mount.target}{':ro' if mount.read_only else ''}")


@cache
def _podman_machinery() -> str:
    return files("evalyard_slurm").joinpath("podman.sh").read_text(encoding="utf-8")
