"""evalyard_local.docker.pulls: what the engine tells of a pull, read without an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import pytest

from evalyard_local.docker.pulls import (
    Progress,
    advance,
    digest_of,
    progress_lines,
    pull_failure,
    registry_of,
    repository_of,
    size_text,
)

IMAGE = "nvcr.io/nvidia/eval:1"
Event = Mapping[str, Any]


def after(*events: Event) -> Progress:
    return reduce(advance, events, Progress())


def layer(identifier: str, status: str, **detail: object) -> Event:
    return {"id": identifier, "status": status, "progressDetail": detail}


RECORDED: Sequence[Event] = (
    {"status": "Pulling from nvidia/eval", "id": "1"},
    layer("aaaaaaaaaaaa", "Already exists"),
    layer("bbbbbbbbbbbb", "Pulling fs layer"),
    layer("cccccccccccc", "Pulling fs layer"),
    layer("cccccccccccc", "Waiting"),
    layer("bbbbbbbbbbbb", "Downloading", current=12_300_000, total=45_600_000),
)


def test_a_terminal_sees_each_layer_that_is_not_there_yet() -> None:
    assert progress_lines(IMAGE, after(*RECORDED)) == (
        f"{IMAGE}  1 of 3 layers",
        "  bbbbbbbbbbbb  Downloading         [=====               ] 12 MB of 46 MB",
        "  cccccccccccc  Waiting",
    )


def test_before_the_first_layer_the_registry_is_being_asked() -> None:
    assert progress_lines(IMAGE, after(RECORDED[0])) == (f"{IMAGE}  asking the registry",)


def test_complete_layers_are_counted_and_go() -> None:
    progress = after(*RECORDED, layer("bbbbbbbbbbbb", "Pull complete"), layer("cccccccccccc", "Pull complete"))
    assert progress_lines(IMAGE, progress) == (f"{IMAGE}  3 of 3 layers",)


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ({"current": 7, "units": "s"}, "7 s"),
        ({"current": 3_000_000}, "3.0 MB"),
        ({"current": 9_000_000, "total": 6_000_000}, f"[{'=' * 20}] 9.0 MB of 6.0 MB"),
        ({"current": None, "total": None}, ""),
    ],
    ids=["seconds of newer engines", "no total", "more than the total", "nothing"],
)
def test_whatever_an_engine_counts_is_shown(detail: dict[str, object], shown: str) -> None:
    (_, line) = progress_lines(IMAGE, after(layer("a" * 12, "Extracting", **detail)))
    assert line == f"  {'a' * 12}  {'Extracting':<18}  {shown}".rstrip()


def test_an_error_in_the_stream_is_kept_and_the_layers_stay() -> None:
    progress = after(*RECORDED, {"errorDetail": {"message": "denied"}, "error": "denied"}, {"status": "what follows"})
    assert progress.error == "denied"
    assert len(progress.layers) == 3
    assert after({"errorDetail": {"message": "only there"}}).error == "only there"


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0.0 MB"), (2_000_000, "2.0 MB"), (412_000_000, "412 MB"), (4_120_000_000, "4.1 GB")]
)
def test_sizes_are_read_at_a_glance(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("image", "registry", "repository"),
    [
        ("busybox", "docker.io", "busybox"),
        ("docker.io/library/busybox:1", "docker.io", "busybox"),
        ("index.docker.io/me/mine:1", "docker.io", "me/mine"),
        ("me/mine:1@sha256:abc", "docker.io", "me/mine"),
        ("nvcr.io/nvidia/eval:1", "nvcr.io", "nvcr.io/nvidia/eval"),
        ("127.0.0.1:5000/x/y", "127.0.0.1:5000", "127.0.0.1:5000/x/y"),
        ("localhost/x:1", "localhost", "localhost/x"),
        ("reg:5000/x@sha256:abc", "reg:5000", "reg:5000/x"),
    ],
)
def test_a_reference_is_taken_apart_as_docker_does(image: str, registry: str, repository: str) -> None:
    assert (registry_of(image), repository_of(image)) == (registry, repository)


def test_the_digest_is_that_of_the_repository_that_was_asked_for() -> None:
    known = ["elsewhere/eval@sha256:e", "nvcr.io/nvidia/eval@sha256:1", "nvcr.io/nvidia/eval@sha256:2"]
    assert digest_of("nvcr.io/nvidia/eval:1", known) == "sha256:1"
    assert digest_of("nvcr.io/nvidia/eval:1@sha256:2", known) == "sha256:2"
    assert digest_of("mine:1", known) == ""


NO_SPACE = "failed to register layer: Error processing tar file(exit status 1): write /x: no space left on device"
HUB = (
    "pull access denied for nobody/nothing, repository does not exist or may require 'docker login': denied: "
    "requested access to the resource is denied"
)
RATE = (
    "toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit"
)


@pytest.mark.parametrize(
    ("words", "meaning", "remedy", "transient"),
    [
        (RATE, "too many pulls", "docker login nvcr.io", True),
        (NO_SPACE, "no space left in Docker's folder /data", "docker system prune", False),
        ("disk quota exceeded", "no space left", "docker system prune", False),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", "platform", "machine", False),
        (HUB, "no such repository, or does not show it", "docker login nvcr.io", False),
        ('Head "https://x/v2/": no basic auth credentials', "does not know you", "docker login nvcr.io", False),
        ("unauthorized: incorrect username or password", "does not know you", "docker login nvcr.io", False),
        ("denied: requested access to the resource is denied", "does not let you", "docker login nvcr.io", False),
        ("manifest for nvcr.io/x:1 not found: manifest unknown: manifest unknown", "no such image", "the tag", False),
        ("name unknown: repository name not known to registry", "no repository of this name", "name", False),
        ("http: server gave HTTP response to HTTPS client", "plain HTTP", "insecure-registries", False),
        ("x509: certificate signed by unknown authority", "certificate", "certs.d/nvcr.io/ca.crt", False),
        ("invalid reference format: repository name must be lowercase", "no image reference", "NAME", False),
        ("dial tcp 127.0.0.1:9: connect: connection refused", "nvcr.io does not answer", "network", True),
        ("dial tcp: lookup nvcr.io on 10.0.0.1:53: no such host", "does not answer", "network", True),
        ("net/http: TLS handshake timeout", "does not answer", "network", True),
        ("received unexpected HTTP status: 503 Service Unavailable", "does not answer", "network", True),
        ("read tcp 10.0.0.1:1->10.0.0.2:443: read: connection reset by peer", "does not answer", "network", True),
        ("unexpected EOF", "does not answer", "network", True),
    ],
)
def test_failures_are_told_apart_each_with_its_remedy_and_dockers_own_words(
    words: str, meaning: str, remedy: str, transient: bool
) -> None:
    error = pull_failure(IMAGE, words, root="/data")
    assert meaning in error.message
    assert error.message.startswith(f"{IMAGE}: ")
    assert error.message.endswith(f"(Docker: {words})")
    assert remedy in (error.hint or "")
    assert error.transient is transient


def test_a_digest_that_is_not_there_is_not_called_a_tag() -> None:
    assert "the digest" in (pull_failure("x@sha256:abc", "manifest unknown").hint or "")


def test_a_failure_that_nobody_foresaw_is_in_dockers_words_on_one_line() -> None:
    error = pull_failure(IMAGE, "the moon\n is full")
    assert error.message == f"{IMAGE} could not be pulled (Docker: the moon is full)"
    assert (error.transient, error.hint) == (False, None)
