"""Which backends this machine has, and what becomes of a test that needs another: a pytest plugin for conftest."""

import os
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest


def _why_no_browser() -> str | None:
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not on PATH" if missing else None


def _why_no_docker() -> str | None:
    if shutil.which("docker") is None:
        return "the docker command is not on PATH"
    if not Path("/bin/busybox").exists():
        return "there is no /bin/busybox, of which images for tests are made"
    try:
        probe = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "the Docker engine did not answer"
    return None if probe.returncode == 0 else f"no Docker engine: {probe.stderr.strip()}"


def _why_no_gridengine() -> str | None:
    if missing := [name for name in ("sge_qmaster", "sge_execd", "qconf", "qsub") if shutil.which(name) is None]:
        return f"{', '.join(missing)} not on PATH"
    return None if os.geteuid() == 0 else "only root can start a cluster"


def _why_no_registry() -> str | None:
    if shutil.which("docker-registry"):
        return _why_no_docker()
    return "docker-registry is not on PATH"


# What a machine of a test cluster is made of: a network card, a switch, and files laid over those of /etc.
_MACHINE = """\
ip link add card type veth peer name cable
ip link add switch type bridge
mount -t tmpfs tmpfs /run
mkdir /run/files /run/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/files,workdir=/run/work overlay /etc
"""


def _why_no_slurm() -> str | None:
    programs = ("slurmctld", "slurmd", "sbatch", "munged", "sshd", "ssh", "ip", "nsenter", "setpriv", "unshare")
    if missing := [name for name in programs if shutil.which(name) is None]:
        return f"{', '.join(missing)} not on PATH"
    if os.geteuid() != 0:
        return "only root can start a cluster"
    argv = ["unshare", "--net", "--uts", "--ipc", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-ec", _MACHINE]
    probe = subprocess.run(argv, capture_output=True, text=True, check=False)
    return None if probe.returncode == 0 else f"no namespaces as the machines of a cluster need: {probe.stderr.strip()}"


def _why_no_podman() -> str | None:
    missing = [name for name in ("podman", "runc") if shutil.which(name) is None]
    if not Path("/bin/busybox").exists():
        missing.append("/bin/busybox, of which images for tests are made,")
    return f"{' and '.join(missing)} not there" if missing else None


def _why_no_slurmdbd() -> str | None:
    missing = [name for name in ("slurmdbd", "mariadbd", "mariadb-install-db") if shutil.which(name) is None]
    return f"{', '.join(missing)} not on PATH" if missing else _why_no_slurm()


def _why_no_lepton() -> str | None:
    if entry_points(group="evalyard.executors").select(name="lepton"):
        return None
    return "evalyard-lepton is not installed here; its tests run in an environment of their own"


def _why_no_local() -> str | None:
    if entry_points(group="evalyard.executors").select(name="local"):
        return None
    return "evalyard-local is not installed"


WHY_ABSENT: dict[str, Callable[[], str | None]] = {
    "browser": _why_no_browser,
    "docker": _why_no_docker,
    "gridengine": _why_no_gridengine,
    "lepton": _why_no_lepton,
    "local": _why_no_local,
    "podman": _why_no_podman,
    "registry": _why_no_registry,
    "slurm": _why_no_slurm,
    "slurmdbd": _why_no_slurmdbd,
}
"""For each backend, a function that says why it cannot be used here; None = it can."""

_answers: dict[str, str | None] = {}


def why_absent(name: str) -> str | None:
    """Return why backend `name` cannot be used here; None = it can."""
    if name not in WHY_ABSENT:
        raise LookupError(f"no backend {name!r}; tests/backends.py knows {', '.join(sorted(WHY_ABSENT))}")
    if name not in _answers:
        _answers[name] = WHY_ABSENT[name]()
    return _answers[name]


def require_backend(name: str) -> None:
    """Skip the calling test when backend `name` is absent; fail it when EVALYARD_REQUIRE promises that backend."""
    reason = why_absent(name)
    if reason is None:
        return
    promised = [word.strip() for word in os.environ.get("EVALYARD_REQUIRE", "").split(",")]
    if name in promised:
        pytest.fail(f"EVALYARD_REQUIRE promises backend {name}, but {reason}", pytrace=False)
    pytest.skip(f"needs backend {name}: {reason}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `browser`, `docker`, `registry` or `slurm` requires that backend."""
    for name in WHY_ABSENT:
        if item.get_closest_marker(name):
            require_backend(name)
