"""The Docker engine that the `docker` command would use, asked through Docker's SDK, in evalyard's errors."""

from __future__ import annotations

import hashlib
import json
import math
import os
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import frozen

from evalyard import BackendError, Context, Transient

if TYPE_CHECKING:
    from docker import DockerClient

DEFAULT_URL = "unix:///var/run/docker.sock"
_versions: dict[str, str] = {}
"""URL of an engine -> the version of its interface, once it is known."""
CALL_TIMEOUT_S = 60.0
"""How long the engine may be silent in one request; the deadline of the hook's call may be nearer."""
ADDED_TO_GROUP = "sudo usermod -aG docker $USER, then log out and in again"


@frozen(kw_only=True)
class Address:
    """Where an engine is."""

    url: str = DEFAULT_URL
    tls_folder: Path | None = None
    """Where `ca.pem`, `cert.pem` and `key.pem` are; None = no TLS."""
    verify: bool = True
    """Whether the engine's certificate has to be one of `ca.pem`."""
    source: str = "the default"
    """What says so, for messages: DOCKER_HOST, a context."""

    @property
    def machine(self) -> str:
        """The other machine that the engine is on; empty = it is on this one."""
        parts = urlsplit(self.url)
        if parts.scheme in ("unix", "npipe"):
            return ""
        host = parts.hostname or ""
        return "" if _here(host) else host


def engine_address(environ: Mapping[str, str] = os.environ) -> Address:
    """Return where the engine is that the `docker` command would use: DOCKER_HOST, else its context, else the default.

    Read from the command's own files and without the SDK, which takes no notice of a context that is not there, and
    finds none where there is no `config.json`.

    Raises:
        BackendError: the context is not there, or is none for Docker.
    """
    folder = config_folder(environ)
    host = environ.get("DOCKER_HOST")
    if host:
        verify, encrypted = bool(environ.get("DOCKER_TLS_VERIFY")), bool(environ.get("DOCKER_TLS"))
        certificates = Path(environ.get("DOCKER_CERT_PATH") or folder) if verify or encrypted else None
        return Address(url=host, tls_folder=certificates, verify=verify, source="DOCKER_HOST")
    name = environ.get("DOCKER_CONTEXT") or _json(folder / "config.json").get("currentContext")
    if not name or name == "default":
        return Address()
    return _stored(folder / "contexts", str(name))


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the `docker` command's own configuration."""
    own = environ.get("DOCKER_CONFIG")
    return Path(own) if own else Path.home() / ".docker"


def engine(timeout_s: float = CALL_TIMEOUT_S) -> DockerClient:
    """Return a client of the engine. Close it.

    The first one of a process asks the engine for its version; the others speak the same.

    Args:
        timeout_s: how long it may be silent.

    Raises:
        BackendError: it cannot be used, or is on another machine that only ssh reaches.
        Transient: it does not answer.
    """
    import docker
    from docker.tls import TLSConfig

    address = engine_address()
    if address.url.startswith("ssh://"):
        raise BackendError(elsewhere(address), hint=ELSEWHERE_REMEDY)
    try:
        _knock(address, timeout_s)
    except OSError as error:
        raise trouble(error, address) from error
    with _translated(address):
        tls = _certificates(address.tls_folder) if address.tls_folder else None
        client = docker.DockerClient(
            base_url=address.url,
            version=_versions.get(address.url, "auto"),
            timeout=max(1, math.ceil(timeout_s)),
            tls=TLSConfig(**tls, verify=address.verify) if tls is not None else False,
        )
        _versions[address.url] = str(client.api.api_version)
        return client


def _knock(address: Address, timeout_s: float) -> None:
    # The SDK does not close a socket that it could not connect.
    if address.url.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(timeout_s)
            knocking.connect(address.url.removeprefix("unix://"))


@contextmanager
def asking(ctx: Context) -> Iterator[DockerClient]:
    """Give a client of the engine, and raise in evalyard's words what the SDK raises meanwhile.

    What may be absent (`docker.errors.NotFound`) is to be caught inside.

    Raises:
        Transient: it does not answer, broke off, or there is no time left.
        BackendError: it cannot be used, or refuses.
    """
    if ctx.remaining_s <= 0:
        raise Transient("the Docker engine was not asked: there was no time left")
    client = engine(min(ctx.remaining_s, CALL_TIMEOUT_S))
    try:
        with _translated(engine_address()):
            yield client
    finally:
        client.close()


ELSEWHERE_REMEDY = "run evalyard on that machine, or: unset DOCKER_HOST DOCKER_CONTEXT; docker context use default"


def elsewhere(address: Address) -> str:
    """Say that an engine is on another machine."""
    return (
        f"{address.source} names another machine ({address.url}), whose containers do not see the folders of this one"
    )


def trouble(error: BaseException, address: Address) -> BackendError:
    """Say in evalyard's words what went wrong between the SDK and an engine. Pure."""
    from docker.credentials import StoreError
    from docker.errors import APIError
    from requests.exceptions import Timeout

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, StoreError):
            hint = f"look at credsStore and credHelpers in {config_folder() / 'config.json'}"
            return BackendError(f"Docker's credential helper failed: {cause}", hint=hint)
    if any(isinstance(cause, PermissionError) for cause in causes):
        return BackendError(f"no permission to use the Docker engine at {address.url}", hint=ADDED_TO_GROUP)
    if isinstance(error, APIError) and error.response is not None:
        words = f"the Docker engine refused: {error.explanation or error}"
        return Transient(words) if error.status_code == 503 else BackendError(words)
    if any(isinstance(cause, FileNotFoundError | ConnectionRefusedError | socket.gaierror) for cause in causes):
        return Transient(f"no Docker engine answers at {address.url} ({address.source})", hint=_start_remedy(address))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return BackendError(f"no secure connection to the Docker engine at {address.url}: {_root_words(causes)}")
    if any(isinstance(cause, TimeoutError | Timeout) for cause in causes):
        return Transient(f"the Docker engine at {address.url} did not answer in time")
    if any(isinstance(cause, OSError | HTTPException) for cause in causes):
        return Transient(f"the connection to the Docker engine broke off: {_root_words(causes)}")
    return BackendError(f"Docker: {error}")


@contextmanager
def _translated(address: Address) -> Iterator[None]:
    from docker.errors import DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (DockerException, RequestException, HTTPError, HTTPException, ConnectionError, TimeoutError) as error:
        raise trouble(error, address) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and everything that it was made from, outermost first."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        # urllib3 and requests keep the cause among the arguments.
        inner = (current.__cause__, current.__context__, *current.args)
        waiting += [cause for cause in inner if isinstance(cause, BaseException)]


def _root_words(causes: list[BaseException]) -> str:
    root = next((cause for cause in causes if isinstance(cause, OSError) and cause.strerror), causes[-1])
    return str(root)


def _start_remedy(address: Address) -> str:
    if sys.platform == "darwin":
        return "start Docker Desktop (or: colima start)"
    if "/run/user/" in address.url:
        return "start it: systemctl --user start docker"
    return "start it: sudo systemctl start docker" if not address.machine else "docker context ls"


def _here(host: str) -> bool:
    if host in ("", "localhost", socket.gethostname()):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _stored(contexts: Path, name: str) -> Address:
    identifier = hashlib.sha256(name.encode()).hexdigest()
    endpoint = _json(contexts / "meta" / identifier / "meta.json").get("Endpoints", {}).get("docker", {})
    if not endpoint.get("Host"):
        raise BackendError(
            f"there is no Docker context '{name}' (DOCKER_CONTEXT, or `currentContext` of Docker's config.json)",
            hint="docker context ls; docker context use NAME",
        )
    certificates = contexts / "tls" / identifier / "docker"
    return Address(
        url=str(endpoint["Host"]),
        tls_folder=certificates if certificates.is_dir() else None,
        verify=not endpoint.get("SkipTLSVerify"),
        source=f"context '{name}'",
    )


def _certificates(folder: Path) -> dict[str, Any]:
    """Return what the SDK is told of the certificates that are there; the engine may want none of us."""
    ca, cert, key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    return {
        "ca_cert": str(ca) if ca.exists() else None,
        "client_cert": (str(cert), str(key)) if cert.exists() and key.exists() else None,
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
