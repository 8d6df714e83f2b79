"""What the engine tells of a pull: how far it is, and why it failed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from evalyard import BackendError, Transient

DOCKER_HUB = "docker.io"
_BAR_WIDTH = 20
_DONE = frozenset({"Pull complete", "Already exists"})


@frozen(kw_only=True)
class Layer:
    """One layer of an image."""

    status: str
    current: int = 0
    total: int = 0
    """0 = not known."""
    units: str = ""
    """Of `current`; empty = bytes."""


@frozen(kw_only=True)
class Progress:
    """How far a pull is."""

    layers: Mapping[str, Layer] = field(factory=dict)
    error: str = ""
    """Why it failed, in Docker's words."""


def advance(progress: Progress, event: Mapping[str, Any]) -> Progress:
    """Return how far a pull is after one event of the engine's stream."""
    error = event.get("error") or (event.get("errorDetail") or {}).get("message")
    if error:
        return evolve(progress, error=str(error))
    identifier, status = event.get("id"), str(event.get("status", ""))
    if not identifier or status.startswith("Pulling from"):
        return progress  # about the image as a whole
    detail = event.get("progressDetail") or {}
    layer = Layer(
        status=status,
        current=int(detail.get("current") or 0),
        total=int(detail.get("total") or 0),
        units=str(detail.get("units") or ""),
    )
    return evolve(progress, layers={**progress.layers, str(identifier): layer})


def progress_lines(image: str, progress: Progress) -> tuple[str, ...]:
    """Return what a terminal shows of a pull: a line for the image and one for each layer that is not there yet."""
    left = {name: layer for name, layer in progress.layers.items() if layer.status not in _DONE}
    there = len(progress.layers) - len(left)
    head = f"{image}  {there} of {len(progress.layers)} layers" if progress.layers else f"{image}  asking the registry"
    return (head, *(f"  {name:<12}  {layer.status:<18}  {_measure(layer)}".rstrip() for name, layer in left.items()))


def _measure(layer: Layer) -> str:
    if layer.units:
        return f"{layer.current} {layer.units}"
    if not layer.total:
        return size_text(layer.current) if layer.current else ""
    filled = min(_BAR_WIDTH, _BAR_WIDTH * layer.current // layer.total)
    return f"[{'=' * filled}{' ' * (_BAR_WIDTH - filled)}] {size_text(layer.current)} of {size_text(layer.total)}"


def size_text(size: int) -> str:
    """Return a number of bytes as a person reads it: `2.0 MB`, `412 MB`, `4.1 GB`."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"


# --- references -----------------------------------------------------------------------------------------------------


def registry_of(image: str) -> str:
    """Return the registry that an image reference names."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return DOCKER_HUB if first == f"index.{DOCKER_HUB}" else first
    return DOCKER_HUB


def repository_of(image: str) -> str:
    """Return an image reference without tag and digest, as the engine writes it: `busybox`, `nvcr.io/nvidia/x`."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    name = f"{head}{slash}{last.partition(':')[0]}"
    for prefix in (f"index.{DOCKER_HUB}/", f"{DOCKER_HUB}/", "library/"):
        name = name.removeprefix(prefix)
    return name


def digest_of(image: str, repo_digests: Iterable[str]) -> str:
    """Return the digest that an image has in the repository that the reference names.

    Empty when it was neither pulled from there nor pushed to it.
    """
    wanted = image.partition("@")[2]
    known = [
        digest for name, _, digest in (entry.partition("@") for entry in repo_digests) if name == repository_of(image)
    ]
    return wanted if wanted in known else next(iter(known), "")


# --- failures -------------------------------------------------------------------------------------------------------


@frozen
class _Failure:
    """What Docker's words mean."""

    words: str
    """A pattern of Docker's words; case does not matter."""
    meaning: str
    remedy: str
    """`{registry}` and `{root}` are filled in."""
    transient: bool = False


# The first that fits: a rate limit also speaks of authentication, and a name that is not there of denial.
_FAILURES: Sequence[_Failure] = (
    _Failure(
        r"toomanyrequests|rate limit|429 Too Many Requests",
        "the registry has had too many pulls from here for now",
        "wait, or log in, which raises the limit: docker login {registry}",
        transient=True,
    ),
    _Failure(
        r"no space left on device|disk quota exceeded",
        "there is no space left in Docker's folder {root}",
        "docker system df; docker system prune",
    ),
    _Failure(
        r"no matching manifest for|image operating system .* cannot be used|does not match the specified platform",
        "the image is not made for this engine's platform",
        "use an image that is, or a machine of the image's kind",
    ),
    _Failure(
        r"repository does not exist or may require",
        "the registry has no such repository, or does not show it to you",
        "check the name; for a private one: docker login {registry}",
    ),
    _Failure(
        r"no basic auth credentials|authentication required|unauthorized|401 Unauthorized|incorrect username",
        "the registry does not know you",
        "docker login {registry}",
    ),
    _Failure(
        r"\bdenied\b|403 Forbidden|insufficient_scope",
        "the registry does not let you have it",
        "log in as somebody who may: docker login {registry}",
    ),
    _Failure(
        r"name unknown|name_unknown|repository name not known",
        "the registry has no repository of this name",
        "check the name",
    ),
    _Failure(
        r"manifest unknown|manifest_unknown|manifest for .* not found|not found: |404 Not Found",
        "the registry has no such image",
        "check the name and the {part}",
    ),
    _Failure(
        r"server gave HTTP response to HTTPS client",
        "the registry speaks plain HTTP, which the engine does not accept",
        "add {registry} to insecure-registries in the engine's daemon.json and restart it",
    ),
    _Failure(
        r"x509: |certificate",
        "the engine does not trust the registry's certificate",
        "put its CA certificate into /etc/docker/certs.d/{registry}/ca.crt",
    ),
    _Failure(
        r"invalid reference format|must be lowercase|invalid tag format|invalid checksum digest|contain a scheme",
        "this is no image reference",
        "write it as [REGISTRY/]NAME[:TAG][@sha256:...]",
    ),
    _Failure(
        r"connection refused|no such host|server misbehaving|i/o timeout|timeout exceeded|deadline exceeded"
        r"|handshake timeout|no route to host|network is unreachable|connection reset|request canceled|\bEOF\b"
        r"|proxyconnect|temporary failure|unexpected HTTP status: 5\d\d|50[0234] ",
        "the registry {registry} does not answer",
        "check the network and the proxy settings of the engine",
        transient=True,
    ),
)


def pull_failure(image: str, words: str, *, root: str = "") -> BackendError:
    """Say why an image could not be pulled, and what to do.

    Args:
        words: Docker's own.
        root: Docker's root folder, for a full disk.
    """
    words = " ".join(words.split())
    part = "digest" if "@" in image else "tag"
    for failure in _FAILURES:
        if re.search(failure.words, words, re.IGNORECASE):
            facts = {"registry": registry_of(image), "root": root, "part": part}
            text = f"{image}: {failure.meaning.format_map(facts)}".rstrip()
            kind = Transient if failure.transient else BackendError
            return kind(f"{text} (Docker: {words})", hint=failure.remedy.format_map(facts))
    return BackendError(f"{image} could not be pulled (Docker: {words})")


def absent(image: str) -> BackendError:
    """Say that an image is not here and may not be pulled."""
    return BackendError(
        f"{image} is not on this machine, and execution.pull is never",
        hint=f"docker pull {image}, or set execution.pull: missing",
    )
