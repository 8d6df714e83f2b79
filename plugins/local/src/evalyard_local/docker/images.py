"""Images: what a plan asks for, and pulling it."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from evalyard import BackendError, Context, Handle, Need, NeedKind, Transient
from evalyard_local.docker.engine import asking, engine_address, trouble
from evalyard_local.docker.pulls import (
    Progress,
    absent,
    advance,
    digest_of,
    progress_lines,
    pull_failure,
    size_text,
)
from evalyard_local.settings import Pull

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

_POLL_S = 0.2
"""How soon a cancelled pull is noticed."""
_REDRAW_S = 0.1


def image_need(image: str, pull: str) -> Need:
    """Return the need of an image; equal ones are one need."""
    return Need(
        key=f"image-{hashlib.sha256(f'{pull} {image}'.encode()).hexdigest()[:8]}",
        kind=NeedKind.ENVIRONMENT,
        payload={"image": image, "pull": Pull(pull).value},
    )


def provide(ctx: Context, need: Need) -> Handle:
    """Return a handle of an image that is on the engine, pulled where the policy says so.

    Outputs: `image` as asked for, `id`, the `user` that it runs as (empty = root), its `digest` in its repository
    (`sha256:...`; empty for one that no registry knows), and what the engine's `platform` is called.

    Raises:
        BackendError: it cannot be had; the message has Docker's own words.
        Transient: the registry or the engine does not answer.
    """
    image, pull = str(need.payload["image"]), Pull(need.payload["pull"])
    with asking(ctx) as client:
        found = local_image(client, image)
        if pull is Pull.ALWAYS or found is None:
            if pull is Pull.NEVER:
                raise absent(image)
            found = _pulled(ctx, client, image, instead=found)
        user = str((found.attrs.get("Config") or {}).get("User") or "")
        platform = str((client.version().get("Platform") or {}).get("Name", ""))
        outputs = {"image": image, "digest": _digest(image, found), "id": str(found.id), "user": user}
        outputs["platform"] = platform
    return Handle(name=need.name, mark=need.mark, kind=need.kind, id=outputs["id"], outputs=outputs)


def local_image(client: DockerClient, image: str) -> Image | None:
    """Return an image that the engine has; None = it has none of this reference.

    Raises:
        BackendError: the reference is none.
    """
    from docker.errors import APIError, NotFound

    try:
        return client.images.get(image)
    except NotFound:
        return None
    except APIError as error:
        if error.status_code == HTTPStatus.BAD_REQUEST:
            raise pull_failure(image, error.explanation or str(error)) from error
        raise


def _digest(image: str, found: Image) -> str:
    return digest_of(image, found.attrs.get("RepoDigests") or ())


def _pulled(ctx: Context, client: DockerClient, image: str, *, instead: Image | None) -> Image:
    """Pull an image, showing how far it is.

    Args:
        instead: the one of this reference that is here already.
    """
    started = time.monotonic()
    ctx.say(f"pulling {image}")
    failure = _pull(ctx, client, image)
    if failure:
        root = str(client.info().get("DockerRootDir", ""))
        error = pull_failure(image, failure, root=root)
        if instead is None:
            raise error
        here = "execution.pull: missing uses the one on this machine"
        raise type(error)(error.message, hint=f"{error.hint}; {here}" if error.hint else here)
    found = local_image(client, image)
    if found is None:
        raise BackendError(f"{image} was pulled, and the engine does not have it")
    size, took = size_text(found.attrs.get("Size", 0)), time.monotonic() - started
    ctx.say(f"pulled {image} ({_digest(image, found) or found.id}, {size}, {took:.0f} s)")
    return found


def _pull(ctx: Context, client: DockerClient, image: str) -> str:
    """Pull; return why it failed in Docker's words, or nothing."""
    progress, drawn_at = Progress(), 0.0
    reader = _Reader(client=client, image=image)
    try:
        for event in reader.events(ctx):
            progress = advance(progress, event)
            if time.monotonic() - drawn_at >= _REDRAW_S:
                drawn_at = time.monotonic()
                ctx.show(progress_lines(image, progress))
    except _Refused as refusal:
        return str(refusal)
    finally:
        reader.stop()
        ctx.show(())
    return progress.error


class _Refused(Exception):
    """The engine did not even begin; in its own words."""


@frozen(kw_only=True)
class _Reader:
    """Reads the events of a pull in a thread of its own: what waits for the engine cannot look at the clock."""

    client: DockerClient
    image: str
    _queue: queue.SimpleQueue[Mapping[str, Any] | Exception | None] = field(factory=queue.SimpleQueue, init=False)
    _responses: list[Any] = field(factory=list, init=False)

    def events(self, ctx: Context) -> Iterator[Mapping[str, Any]]:
        """Give the events until the last.

        Raises:
            _Refused: the engine refuses the request.
            BackendError: cancelled, not done in time, or the engine broke off.
        """
        # The engine ends a pull whose client hangs up: `stop` needs the connection.
        self.client.api.hooks["response"] = [lambda response, **_: self._responses.append(response)]
        threading.Thread(target=self._read, name=f"pull {self.image}", daemon=True).start()
        while True:
            if ctx.cancelled():
                raise BackendError(f"{self.image}: cancelled while it was being pulled")
            if ctx.remaining_s <= 0:
                raise Transient(f"{self.image}: not pulled in time; the layers that are complete stay")
            try:
                event = self._queue.get(timeout=min(_POLL_S, ctx.remaining_s))
            except queue.Empty:
                continue
            if event is None:
                return
            if isinstance(event, Exception):
                raise self._meaning(event) from event
            yield event

    def stop(self) -> None:
        """Hang up. One that the engine has not answered yet ends with this process, or by itself."""
        from docker.types import CancellableStream

        for response in self._responses:
            with suppress(AttributeError, OSError):  # it was read to its end
                CancellableStream(iter(()), response).close()

    def _read(self) -> None:
        try:
            for event in self.client.api.pull(self.image, stream=True, decode=True):
                self._queue.put(event)
            self._queue.put(None)
        except Exception as error:  # noqa: BLE001 - the thread that waits raises it
            self._queue.put(error)

    @staticmethod
    def _meaning(error: Exception) -> Exception:
        from docker.errors import APIError, InvalidRepository

        if isinstance(error, APIError) and error.response is not None:
            return _Refused(error.explanation or str(error))
        if isinstance(error, InvalidRepository):
            return _Refused(str(error))
        return trouble(error, engine_address())
