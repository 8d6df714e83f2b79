"""One storm: jobs of an executor while its backend is out of reach, answers nothing or by halves, and hangs.

It is had once, and what came of it is what the claims about faults look at.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from attrs import define, evolve, field, frozen

from evalyard.errors import EvalyardError
from evalyard.ids import backend_name, new_mark
from evalyard.orchestrator.plan import merged_needs
from evalyard.orchestrator.watch import changes
from evalyard.plugins.context import Context
from evalyard.records.handles import Handle, LaunchError
from evalyard.records.observations import Observation
from evalyard.store.history import Attempt
from evalyard.testing.effects import requests
from evalyard.testing.rig import LEAVE_RESULTS, NOTE_START, Rig, strangers, task
from evalyard.testing.trial import Trial
from evalyard.testing.weather import Weather

OUTAGE_S = (1.0, 60.0, 600.0, 6 * 3600.0)
"""How long the outage has lasted each time that somebody looks: no clock but core's own knows of it."""
STILL_S = 0.6
"""How long a harness that beats every 0.1 s must have been silent to count as dead."""


@frozen(kw_only=True)
class Told:
    """What a call came to."""

    answer: object = None
    error: EvalyardError | None = None
    late: bool = False
    """Whether it had not ended when its deadline was long past."""


@define(kw_only=True)
class Storm:
    """What came of it. There are four jobs: one has succeeded, one runs, one runs and is to be ended while all hangs,
    one is to be launched then."""

    ended: Handle
    live: Handle
    disturbed: dict[str, Sequence[str]] = field(factory=dict)
    """What was called -> what of it the weather has disturbed."""
    outage: list[Mapping[str, Observation]] = field(factory=list)
    """What `status` said at each of OUTAGE_S."""
    blind: dict[Weather, Mapping[str, Observation]] = field(factory=dict)
    """What `status` made of answers without content, and cut ones."""
    found: Told = field(factory=Told)
    """What `find` said of the live job during the outage."""
    recorded: Attempt | None = None
    """What core had on record of the live job after the outage."""
    calm: Mapping[str, Observation] = field(factory=dict)
    """What `status` said afterwards."""
    beating: bool = False
    """Whether the live job was at work afterwards."""
    hanging: dict[str, Told] = field(factory=dict)
    """Hook -> what came of it while the backend hung."""
    starts: int = 0
    """How often the third job began, in the end."""
    released: Told = field(factory=Told)
    """What `teardown` of the live job said during an outage."""
    silent: bool = False
    """Whether the live job was dead right after that."""
    doomed: bool = False
    """Whether the job that was to be ended while all hung was dead right after that."""
    few: list[str] = field(factory=list)
    """What `status` of three asked the backend."""
    many: list[str] = field(factory=list)
    """What `status` of a crowd asked the backend."""
    crowd: Mapping[str, Observation] = field(factory=dict)


@frozen(kw_only=True)
class StormMaker:
    """Has a storm."""

    rig: Rig
    weather: Callable[[Weather], AbstractContextManager[Sequence[str]]]
    lines_of: Callable[[str], list[str]]
    starts: Callable[[str], int]
    hang_s: float
    late_s: float
    crowd: int

    def have(self) -> Storm:
        """Have it."""
        trial = self.rig.trial(task(LEAVE_RESULTS, name="short"), task(self.rig.beat, name="long"))
        doomed = self.rig.trial(task(self.rig.beat))
        waiting = self.rig.trial(task(f"{NOTE_START}; {LEAVE_RESULTS}"))
        waiting.provision()
        ended, live = trial.begin()
        (dying,) = doomed.begin()
        beat, last = trial.artifact("beat", 2), doomed.artifact("beat")
        self.rig.wait_until(lambda: all(self.lines_of(path) for path in (beat, last)), "the harnesses run")
        trial.await_end(ended)
        storm = Storm(ended=ended, live=live)
        self._count(trial, storm)
        self._outage(trial, storm)
        storm.calm = trial.session.status(trial.run.context(), [ended, live])
        storm.beating = self._beats(beat)
        self._hang(trial, waiting, dying, storm)
        storm.doomed = not self._beats(last)
        doomed.close()
        storm.starts = self._start_after_all(waiting)
        with self.weather(Weather.UNREACHABLE) as storm.disturbed["teardown"]:
            storm.released = _told(lambda: trial.session.teardown(trial.run.context(self.hang_s), [live]))
        storm.silent = not self._beats(beat)
        return storm

    def _count(self, trial: Trial, storm: Storm) -> None:
        """Ask about one job, and about a crowd of which most are absent."""
        many = [storm.live, storm.ended, *strangers(storm.live, self.crowd - 2)]
        few = many[:3]
        trial.session.status(trial.run.context(), few)  # whatever is asked the first time only
        with requests() as storm.few:
            trial.session.status(trial.run.context(), few)
        with requests() as storm.many:
            storm.crowd = trial.session.status(trial.run.context(), many)

    def _outage(self, trial: Trial, storm: Storm) -> None:
        handles, began = [storm.ended, storm.live], time.time()
        with self.weather(Weather.UNREACHABLE) as storm.disturbed["status"]:
            for past_s in OUTAGE_S:
                seen = trial.session.status(trial.run.context(self.hang_s), handles)
                trial.run.record(changes(trial.run.history(), seen, began + past_s))
                storm.outage.append(seen)
        names = {storm.live.name: storm.live.mark}
        with self.weather(Weather.UNREACHABLE) as storm.disturbed["find"]:
            storm.found = _told(lambda: trial.session.find(trial.run.context(self.hang_s), names))
        for kind in (Weather.EMPTY, Weather.CUT):
            with self.weather(kind) as storm.disturbed[kind]:
                storm.blind[kind] = trial.session.status(trial.run.context(self.hang_s), handles)
        storm.recorded = trial.attempt(2)

    def _hang(self, trial: Trial, waiting: Trial, dying: Handle, storm: Storm) -> None:
        session, live = trial.session, storm.live

        def context() -> Context:
            return trial.run.context(self.hang_s)

        calls: dict[str, Callable[[], object]] = {
            "status": lambda: session.status(context(), [live]),
            "find": lambda: session.find(context(), {live.name: live.mark}),
            "logs": lambda: session.logs(context(), live, "client", "", 1 << 16),
            "check": lambda: session.check(context()),
            "orphans": lambda: session.orphans(context(), {live.name: live.mark}),
            "cancel": lambda: session.cancel(context(), [dying]),
            "cancel of an ended job": lambda: session.cancel(context(), [storm.ended]),
            "teardown": lambda: session.teardown(context(), [dying]),
            "teardown of an ended job": lambda: session.teardown(context(), [storm.ended]),
            "launch": lambda: session.launch(waiting.run.context(self.hang_s), waiting.plans),
            "fetch": lambda: session.fetch(context(), storm.ended, self.rig.store.home / "fetched"),
        }
        unmade = self.rig.trial(task(LEAVE_RESULTS))
        for need in merged_needs(unmade.plans):
            named = evolve(need, name=backend_name(unmade.run.id, need.key, 1), mark=new_mark(), attempt=1)
            calls[f"provision of {need.key}"] = lambda named=named: session.provision(  # type: ignore[misc]
                unmade.run.context(self.hang_s), named
            )
        with self.weather(Weather.HANGING) as storm.disturbed["anything"]:
            storm.hanging = _side_by_side(calls, self.hang_s + self.late_s)

    def _start_after_all(self, waiting: Trial) -> int:
        """Do what core does after a launch without an answer: look for it, and launch what is not there."""
        names = {waiting.plans[0].name: waiting.plans[0].mark}
        found = waiting.session.find(waiting.run.context(), names)
        answer = found.get(waiting.plans[0].name) or waiting.session.launch(waiting.run.context(), waiting.plans)
        handle = answer if isinstance(answer, Handle) else answer[waiting.plans[0].name]
        assert not isinstance(handle, LaunchError), handle.message
        waiting.await_end(handle)
        return self.starts(waiting.plans[0].directory)

    def _beats(self, beat: str) -> bool:
        before = self.lines_of(beat)
        time.sleep(STILL_S)
        return self.lines_of(beat) != before


def _told(call: Callable[[], object]) -> Told:
    try:
        return Told(answer=call())
    except EvalyardError as error:
        return Told(error=error)


def _side_by_side(calls: Mapping[str, Callable[[], object]], patience_s: float) -> dict[str, Told]:
    told: dict[str, Told] = {}

    def keep(name: str) -> None:
        told[name] = _told(calls[name])

    # Daemons, so that one that never ends holds up nobody.
    threads: Sequence[threading.Thread] = [
        threading.Thread(target=keep, args=(name,), name=f"claim {name}", daemon=True) for name in calls
    ]
    give_up = time.monotonic() + patience_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, give_up - time.monotonic()))
    return {name: told.get(name, Told(late=True)) for name in calls}
