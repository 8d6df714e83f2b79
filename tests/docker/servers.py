"""Deployments whose server only looks like one, and a yard of them."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import evalyard.serving.demo
from tests.cli.yard import until
from tests.docker.dockyard import Dockyard
from tests.docker_images import add_file, add_tree, extended

MODEL = "toy"
FEW = {"nemo_evaluator_config": {"config": {"params": {"limit_samples": 3}}}}
TYPES: dict[str, dict[str, Any]] = {
    "vllm": {"hf_model_handle": "some/model", "extra_args": "--max-model-len 512"},
    "sglang": {"hf_model_handle": "some/model", "tensor_parallel_size": 2},
    "trtllm": {"hf_model_handle": "some/model"},
    "nim": {"env_vars": {"NIM_MODEL": f"lit:{MODEL}"}},
    "generic": {
        "command": f"exec own-server --host 0.0.0.0 --port {{port}} --served-model-name {MODEL}",
        "endpoints": {"health": "/ready"},
    },
}
"""What each type of deployment is given beside an image and a name."""
STARTS = {"generic": "own"} | {name: name for name in TYPES if name != "generic"}
"""What each calls itself when it starts."""

SERVERS_CHANGES = ('ENTRYPOINT ["/opt/entrypoint.sh"]', "ENV PYTHONPATH=/opt/stand_in")
"""What an image with the servers says beside its files, as Dockerfiles do."""

_ENTRYPOINT = "#!/bin/sh\necho \"the entrypoint knows no '$1'\" >&2\nexit 64\n"
_PROGRAM = '#!/bin/sh\nexec python3 /opt/stand_in/stand_in.py {kind} "$@"\n'


def stand_in_image(base: str) -> str:
    """Return an image with every kind of server, none of which its entrypoint would start."""
    return extended("servers", base, write_servers, *SERVERS_CHANGES)


def write_servers(archive: tarfile.TarFile) -> None:
    """Add every kind of server, and an entrypoint that would start none of them."""
    add_tree(archive, Path(__file__).parent / "stand_in", "opt/stand_in")
    add_tree(archive, Path(evalyard.serving.demo.__file__).parent, "opt/stand_in/demo")
    for path, kind in {
        "usr/bin/vllm": "vllm",
        "usr/bin/trtllm-serve": "trtllm",
        "usr/bin/own-server": "own",
        "opt/nim/start_server.sh": "nim",
    }.items():
        add_file(archive, path, _PROGRAM.format(kind=kind).encode())
    add_file(archive, "opt/nvidia/nvidia_entrypoint.sh", b'#!/bin/sh\nexec "$@"\n')
    add_file(archive, "opt/entrypoint.sh", _ENTRYPOINT.encode())


class ServedYard(Dockyard):
    """A yard of containers with a model server beside them."""

    def __init__(self, folder: Path, image: str, *, python: str) -> None:
        super().__init__(folder, image)
        self.python, self.server = python, stand_in_image(python)

    def smoke(self, name: str = "smoke") -> dict[str, Any]:
        """Return a smoke test, in an image with Python."""
        return {"name": name, "container": self.python, **FEW}

    def served(self, *tasks: Any, kind: str = "vllm", execution: dict[str, Any] | None = None, **fields: Any) -> str:
        """Write a configuration that deploys a server for these tasks."""
        deployment = {"type": kind, "image": self.server, "served_model_name": MODEL, **TYPES[kind], **fields}
        return self.config(*tasks, execution=execution or {}, deployment=deployment)

    def server_log(self, invocation: str) -> str:
        """Return what the server has said."""
        return (self.run_dir(invocation) / "deployment" / "logs" / "server.log").read_text()

    def running(self, invocation: str, role: str) -> list[str]:
        """Return the ids of an invocation's containers of a role that run."""
        return self.containers(invocation, f"label=evalyard.role={role}", "status=running")

    def await_released(self, invocation: str) -> None:
        """Wait until nothing runs any more, here and in containers, and server and private network are gone."""
        self.await_quiet()

        def left() -> list[str]:
            servers = self.containers(invocation, "label=evalyard.role=server")
            return [*self.running(invocation, "client"), *servers, *self.networks(invocation)]

        until(lambda: not left(), lambda: f"nothing left of {invocation}: {left()}")
