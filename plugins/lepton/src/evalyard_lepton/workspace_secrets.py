"""Values of the run's own that jobs get from the workspace: made before the jobs, deleted after the last of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from evalyard import Context, EvalyardError, Handle, JobState, Need, NeedKind, Observation
from evalyard_lepton.gateway import Gateway
from evalyard_lepton.names import invocation_of
from evalyard_lepton.plans import secret_name

TAGS = ("mark", "name of the need", "launcher")
"""What the tags of a secret are, in their order."""

ALIVE = Observation(state=JobState.RUNNING)
"""Secrets do not end by themselves; asking for them each time would cost a request."""


def provide(ctx: Context, gateway: Gateway, need: Need) -> Handle:
    """Create the secrets of a run; those of an earlier attempt, whose values nobody can read, are replaced.

    Raises:
        SecretError: a variable has no value; nothing is created then.
    """
    invocation = str(need.payload["invocation"])
    values: dict[str, str] = {}
    for file in need.files:
        given = dict(word.split("=", 1) for word in shlex.split(ctx.content(file)))
        values |= {secret_name(invocation, ref.variable): given[ref.name] for ref in file.secrets}
    there = gateway.secrets()
    if not all(need.mark in there.get(name, ()) for name in values):
        gateway.create_secrets(values, [need.mark, need.name, ctx.owner])
    return _handle(need.name, need.mark, values)


def find(gateway: Gateway, names: Mapping[str, str]) -> dict[str, Handle]:
    """Look names up by the mark among the secrets' tags."""
    there = gateway.secrets() if names else {}
    found = {}
    for name, mark in names.items():
        ours = {secret: "" for secret, tags in there.items() if mark in tags}
        if ours:
            found[name] = _handle(name, mark, ours)
    return found


def orphans(gateway: Gateway, owner: str, known: Mapping[str, str]) -> list[Handle]:
    """Return the secrets that this launcher made for runs that are in no record."""
    made: dict[tuple[str, str], dict[str, str]] = {}
    for secret, tags in gateway.secrets().items():
        if len(tags) == len(TAGS) and tags[2] == owner and known.get(tags[1]) != tags[0]:
            made.setdefault((tags[1], tags[0]), {})[secret] = ""
    return [_handle(name, mark, names) for (name, mark), names in made.items()]


def release(gateway: Gateway, handle: Handle) -> bool:
    """Delete the secrets of a run; return whether none is left."""
    names = set(handle.data.get("names", "").split())
    if not names:
        # Asked for and never answered: all of this run.
        names = {name for name in gateway.secrets() if name.startswith(f"ey-{invocation_of(handle.name)}-")}
    for name in names:
        gateway.delete_secret(name)
    return not names & gateway.secrets().keys()


def release_all(gateway: Gateway, handles: Sequence[Handle]) -> list[Handle]:
    """Delete the secrets of these needs; return those of which something is left."""
    left = []
    for handle in handles:
        try:
            if not release(gateway, handle):
                left.append(handle)
        except EvalyardError:
            left.append(handle)
    return left


def _handle(name: str, mark: str, values: Mapping[str, str]) -> Handle:
    return Handle(name=name, mark=mark, kind=NeedKind.RESOURCE, data={"names": " ".join(sorted(values))})
