"""Telling those who want to know of ends: each on its own, and nobody who hangs holds up a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pluggy
from attrs import define, field

from evalyard.errors import EvalyardError, PluginError, Transient
from evalyard.plugins import hookspecs
from evalyard.plugins.context import Context
from evalyard.plugins.markers import PROJECT
from evalyard.records.observations import JobEnd


@define(eq=False)
class Listener:
    """One plugin that is told of ends, in a thread that may be left behind."""

    name: str
    _ended: pluggy.HookCaller
    _thread: threading.Thread = field(factory=threading.Thread, init=False)
    _error: BaseException | None = field(default=None, init=False)

    @property
    def busy(self) -> bool:
        """Whether what it was told last still goes on."""
        return self._thread.is_alive()

    def tell(self, ctx: Context, ends: Sequence[JobEnd]) -> None:
        """Begin to tell it; it must not be busy."""
        self._error = None
        self._thread = threading.Thread(target=self._listen, args=(ctx, ends), daemon=True)
        self._thread.start()

    def _listen(self, ctx: Context, ends: Sequence[JobEnd]) -> None:
        try:
            self._ended(ctx=ctx, ends=ends)
        except BaseException as error:  # noqa: BLE001 - the border to strangers' code, which may also want to exit
            self._error = error

    def problem(self, deadline: float) -> EvalyardError | None:
        """Wait until it took note or a deadline has passed; return why it did not take note."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self.busy:
            return Transient(f"extension {self.name} did not take note of ends in time")
        match self._error:
            case None | EvalyardError():
                return self._error
            case OSError() as error:
                return Transient(f"extension {self.name} could not take note of ends: {error}")
            case error:
                kind = type(error).__name__
                return PluginError(f"extension {self.name} failed to take note of ends: {kind}: {error}")


def listeners_among(plugins: Sequence[Any]) -> tuple[Listener, ...]:
    """Return those of these plugins that want to be told of ends."""
    found = []
    for plugin in plugins:
        # In a manager of its own: pluggy calls nobody after the first who fails.
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(hookspecs)
        manager.register(plugin)
        if manager.hook.ended.get_hookimpls():
            found.append(Listener(type(plugin).__name__, manager.hook.ended))
    return tuple(found)


def tell(listeners: Sequence[Listener], ctx: Context, ends: Sequence[JobEnd]) -> None:
    """Tell all of them at once, and wait for them until the context's deadline.

    Raises:
        Transient: one could not take note; all may be told again.
        EvalyardError: one failed, and will again.
    """
    problems: list[EvalyardError] = []
    told = []
    for listener in listeners:
        if listener.busy:
            problems.append(Transient(f"extension {listener.name} is still busy with earlier ends"))
        else:
            listener.tell(ctx, ends)
            told.append(listener)
    problems += [problem for listener in told if (problem := listener.problem(ctx.deadline))]
    if len(problems) == 1:
        raise problems[0]
    if problems:
        kind = Transient if any(problem.transient for problem in problems) else PluginError
        raise kind("; ".join(problem.message for problem in problems))
