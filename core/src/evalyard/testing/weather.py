"""Bad weather between an executor and its backend: it hangs, cannot be reached, or its answers are empty or cut.

Made where every executor has to pass: at the programs that this process starts, and at the connections that it opens.
So it needs no help of the executor's author, and reaches nothing of other processes.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from attrs import define, field


class Weather(StrEnum):
    """What comes of asking."""

    HANGING = "hanging"
    """Nothing, for as long as one waits."""
    UNREACHABLE = "unreachable"
    """An error: no way there."""
    EMPTY = "empty"
    """An answer without content, as if all were well."""
    CUT = "cut"
    """The first half of an answer, as if all were well."""


_HALF = """said=$("$@"; echo .); said=${said%.}; printf %s "$said" | head -c $((${#said} / 2))"""


@contextmanager
def weather(kind: Weather) -> Iterator[list[str]]:
    """Let this weather be, in this process, for programs and connections that begin within the block.

    Yields what it disturbed, which grows meanwhile: a line for every program and connection.
    """
    disturbed: list[str] = []
    with _programs(kind, disturbed), _connections(kind, disturbed):
        yield disturbed


@contextmanager
def _programs(kind: Weather, disturbed: list[str]) -> Iterator[None]:
    begin: Callable[..., None] = subprocess.Popen.__init__
    begun: list[subprocess.Popen[Any]] = []

    def started(self: subprocess.Popen[Any], args: Any, *rest: Any, **options: Any) -> None:
        disturbed.append(f"program {args}")
        begin(self, _stand_in(kind, args, options), *rest, **{**options, "shell": False, "executable": None})
        begun.append(self)

    with _replaced(subprocess.Popen, "__init__", started):
        try:
            yield
        finally:
            for process in begun:
                with contextlib.suppress(OSError):
                    process.kill()
                    process.wait()


def _stand_in(kind: Weather, args: Any, options: Mapping[str, Any]) -> Sequence[Any]:
    """Return what is started in place of a program."""
    shell = shutil.which("sh") or "/bin/sh"
    match kind:
        case Weather.HANGING:
            return [shell, "-c", "exec sleep 3600"]
        case Weather.UNREACHABLE:
            # As ssh says it, with its exit code.
            return [shell, "-c", "echo 'connect: Network is unreachable' >&2; exit 255"]
        case Weather.EMPTY:
            return [shell, "-c", "cat >/dev/null; exit 0"]
        case Weather.CUT:
            words = [args] if isinstance(args, (str, bytes)) else list(args)
            meant = [shell, "-c", *words] if options.get("shell") else words
            return [shell, "-c", _HALF, shell, *meant]


@define
class _Hole:
    """A listener that answers nothing: silent, or hanging up at once."""

    kind: Weather
    folder: str
    _held: list[socket.socket] = field(factory=list)
    _listeners: dict[int, socket.socket] = field(factory=dict)
    _threads: list[threading.Thread] = field(factory=list)
    _placing: threading.Lock = field(factory=threading.Lock)

    def place(self, family: int) -> Any:
        """Return the address to connect to in place of any other of this family."""
        with self._placing:
            if family not in self._listeners:
                self._listeners[family] = self._listen(family)
            return self._listeners[family].getsockname()

    def _listen(self, family: int) -> socket.socket:
        listener = socket.socket(family, socket.SOCK_STREAM)
        loopback = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        address = f"{self.folder}/hole" if family == socket.AF_UNIX else (loopback, 0)
        listener.bind(address)
        listener.listen(128)
        thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return listener

    def close(self) -> None:
        """Hang up everywhere."""
        for listener in self._listeners.values():
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self._threads:
            thread.join()
        for caller in self._held:
            caller.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            if self.kind is Weather.HANGING:
                self._held.append(caller)
            else:
                caller.close()


@contextmanager
def _connections(kind: Weather, disturbed: list[str]) -> Iterator[None]:
    connect: Callable[..., None] = socket.socket.connect
    send: Callable[..., None] = http.client.HTTPConnection.send
    new: set[int] = set()

    with tempfile.TemporaryDirectory(prefix="ey-") as folder:
        hole = _Hole(kind, folder)

        def connected(self: socket.socket, address: Any) -> None:
            disturbed.append(f"connection {address}")
            if kind is Weather.UNREACHABLE:
                raise OSError(errno.ENETUNREACH, f"Network is unreachable: {address}")
            connect(self, hole.place(self.family))
            new.add(self.fileno())

        def sent(self: http.client.HTTPConnection, data: Any) -> None:
            # A connection that was kept from before the weather changed; the next line opens another.
            if self.sock is not None and self.sock.fileno() not in new:
                self.sock.close()
                self.sock = None
            send(self, data)

        with (
            _replaced(socket.socket, "connect", connected),
            _replaced(http.client.HTTPConnection, "send", sent),
        ):
            try:
                yield
            finally:
                hole.close()


@contextmanager
def _replaced(owner: type[Any], name: str, function: Callable[..., Any]) -> Iterator[None]:
    inherited = name not in vars(owner)
    before = getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        if inherited:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
