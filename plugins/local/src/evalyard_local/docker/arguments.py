"""What a user adds to `docker run`: split, and looked at as far as evalyard must know."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

OURS = {
    "--rm": "an ended container is looked at before it goes (see execution.keep)",
    "--restart": "an evaluation that began again by itself would overwrite its own results",
    "--name": "the name is how evalyard finds it again",
    "--cidfile": "the id is how evalyard finds it again",
    "--entrypoint": "it starts evalyard's script; set the task's own command instead",
    "--detach": "evalyard's script waits for it in the background",
    "-d": "evalyard's script waits for it in the background",
    "--attach": "evalyard's script takes what Docker says, and the container writes its log itself",
    "-a": "evalyard's script takes what Docker says, and the container writes its log itself",
    "--sig-proxy": "evalyard's script passes signals on itself",
}
"""Flags that are refused, and why."""

_HOSTS_OWN = frozenset({"host", "bridge", "default", "none"})


def docker_arguments(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return a user's flags for `docker run`, one by one.

    Raises:
        ValueError: a quote is not closed, or a flag is one that evalyard sets itself.
    """
    try:
        words = tuple(shlex.split(given)) if isinstance(given, str) else tuple(given)
    except ValueError as error:
        raise ValueError(f"cannot be split into flags: {error}") from error
    for word in words:
        flag = word.partition("=")[0] if word.startswith("--") else word[:2]  # -dit is -d and more
        if flag in OURS:
            raise ValueError(f"{flag} is not yours to set: {OURS[flag]}")
    return words


def network_of(words: Sequence[str]) -> str:
    """Return the network that flags of `docker run` ask for; empty = none."""
    found = ""
    for position, word in enumerate(words):
        flag, separator, value = word.partition("=")
        if flag in ("--network", "--net"):
            found = value if separator else "".join(words[position + 1 : position + 2])
    # The long form: alias=web,name=my-net
    return next((part.removeprefix("name=") for part in found.split(",") if part.startswith("name=")), found)


def has_names(network: str) -> bool:
    """Whether containers of a network reach each other by name: those that a user made have that, Docker's own not."""
    return network not in _HOSTS_OWN and not network.startswith("container:")
