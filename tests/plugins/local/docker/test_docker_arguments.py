"""evalyard_local.docker.arguments: what a user adds to `docker run`."""

from __future__ import annotations

import pytest

from evalyard_local.docker.arguments import OURS, docker_arguments, has_names, network_of


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", ()),
        ("--gpus all", ("--gpus", "all")),
        ("--env 'A=two words' -v \"/a b:/c\"", ("--env", "A=two words", "-v", "/a b:/c")),
        (["--env", "A='$x'"], ("--env", "A='$x'")),
        ((), ()),
    ],
    ids=["none", "words", "quotes", "a list is taken as it is", "an empty list"],
)
def test_a_text_is_split_as_a_shell_would(given: str | list[str], words: tuple[str, ...]) -> None:
    assert docker_arguments(given) == words


@pytest.mark.parametrize("flag", OURS)
@pytest.mark.parametrize("value", ["", "=x"], ids=["alone", "with a value"])
def test_flags_that_evalyard_sets_itself_are_refused_with_the_reason(flag: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{flag} is not yours to set: ") as caught:
        docker_arguments(f"--gpus all {flag}{value}")
    assert str(caught.value).endswith(OURS[flag])


@pytest.mark.parametrize("given", ["--attach stderr", "-a stdin", "-astderr", "--sig-proxy=true", "-dit"])
def test_nobody_else_decides_what_the_script_waits_for(given: str) -> None:
    with pytest.raises(ValueError, match="is not yours to set: evalyard's script "):
        docker_arguments(given)


def test_flags_that_only_begin_like_ours_are_taken() -> None:
    assert docker_arguments("--network-alias web --detach-keys=a") == ("--network-alias", "web", "--detach-keys=a")


def test_a_quote_that_is_not_closed_is_named() -> None:
    with pytest.raises(ValueError, match="cannot be split into flags: No closing quotation"):
        docker_arguments("--env 'A=1")


@pytest.mark.parametrize(
    ("words", "network"),
    [
        ((), ""),
        (("--network-alias", "host"), ""),
        (("--network", "mine"), "mine"),
        (("--network=host",), "host"),
        (("--net", "mine"), "mine"),
        (("--net=none",), "none"),
        (("--network", "one", "--network", "two"), "two"),
        (("--network=name=mine,alias=web",), "mine"),
        (("--network", "alias=web,name=mine"), "mine"),
        (("--network=container:other",), "container:other"),
        (("--network",), ""),
    ],
)
def test_the_network_that_a_user_asks_for_is_known(words: tuple[str, ...], network: str) -> None:
    assert network_of(words) == network


@pytest.mark.parametrize(
    ("network", "names"),
    [("mine", True), ("host", False), ("bridge", False), ("default", False), ("none", False), ("container:x", False)],
)
def test_only_a_users_own_network_knows_names(network: str, names: bool) -> None:
    assert has_names(network) is names
