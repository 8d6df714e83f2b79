"""Seeing an invocation through: look, decide, act, again. `run --wait` and the keeper are this loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from attrs import define, field

from evalyard.orchestrator.act import Actor
from evalyard.orchestrator.decide import Situation, exporting, next_steps, telling, unfinished
from evalyard.orchestrator.pace import Pace
from evalyard.orchestrator.run import OpenRun
from evalyard.orchestrator.signs import Signs
from evalyard.orchestrator.steps import BRIEF_STEPS, EVERY_STEP, Export, Matter, Step
from evalyard.orchestrator.watch import look
from evalyard.records.observations import Observation
from evalyard.states import JobState
from evalyard.store.history import History

MOST_ROUNDS = 1000
"""More rounds of steps than this in one pass is a loop without progress: a bug, not a long run."""


@define
class Conductor:
    """Conducts one invocation."""

    run: OpenRun
    actor: Actor = field(init=False)
    observations: dict[str, Observation] = field(factory=dict)
    """What the last look saw, by backend name: progress, and what could not be found out."""

    def __attrs_post_init__(self) -> None:
        self.actor = Actor(run=self.run)

    def look(self) -> None:
        """Ask the backend once and record what changed."""
        self.observations = look([self.run])

    def situation(self) -> Situation:
        """Return where things stand on record."""
        return self.actor.situation(self.run.history())

    def export(self) -> None:
        """Send the results that are due, and wait until that has succeeded or failed, once."""
        try:
            self.act((Export,))
            self.actor.outbox.settle(wait=True)
        finally:
            self.actor.outbox.drop()

    def act(self, allowed: tuple[type[Step], ...] = BRIEF_STEPS) -> Situation:
        """Take every step of these kinds that can be taken now, without looking first."""
        with self.run.store.acting(self.run.id):
            for _ in range(MOST_ROUNDS):
                situation = self.situation()
                steps = [step for step in next_steps(situation) if isinstance(step, allowed)]
                if not steps:
                    return situation
                for step in steps:
                    if not self.actor.take(step, situation):
                        break
        raise RuntimeError(f"{MOST_ROUNDS} rounds of steps for {self.run.id} and no end")

    def remains(self, situation: Situation) -> bool:
        """Whether something is left that only a process of ours will do."""
        return unfinished(situation) and not self._given_up(situation)

    def see_through(self, on_change: Callable[[History], None] = lambda _: None) -> History:
        """Advance until every job has ended and nothing is left to do.

        Args:
            on_change: called after every pass.
        """
        try:
            return self._until_done(on_change)
        finally:
            self.actor.outbox.drop()

    def _until_done(self, on_change: Callable[[History], None]) -> History:
        pace, signs = Pace(), Signs()
        interval_s = self.run.invocation.connection.poll_interval_s
        shape: list[JobState] = []
        while True:
            began = time.monotonic()
            self.look()
            took = time.monotonic() - began
            self.actor.outbox.settle()
            situation = self.act(EVERY_STEP)
            on_change(situation.history)
            if situation.history.ended and not self.remains(situation):
                return situation.history
            before, shape = shape, [job.latest.state for job in situation.history.jobs]
            pause_s = pace.pause_s(
                took,
                # Where nothing is there to be asked about, it is we who are not done.
                interval_s=interval_s if self.observations else 0.0,
                changed=shape != before,
                failed=_unanswered(self.observations),
            )
            if interval_s:
                time.sleep(pause_s)
            else:
                signs.rest(pause_s, situation.history)

    def _given_up(self, situation: Situation) -> bool:
        """Whether all that is left was tried as often as it will be."""
        history = situation.history
        if not history.ended or exporting(situation) or telling(situation):
            return False
        matters: list[Matter] = []
        if situation.fetches:
            matters += [("collect", job.number) for job in history.jobs if not job.launched.collected]
        matters += [
            ("release", need.key)
            for need in history.needs
            if need.latest.sent and not need.latest.released and not need.latest.kind.lasting
        ]
        return all(self.actor.patience.spent(matter) for matter in matters)


def _unanswered(observations: Mapping[str, Observation]) -> bool:
    """Whether a look saw nothing of anything, because the backend did not answer."""
    seen = observations.values()
    return bool(seen) and all(one.state is JobState.UNKNOWN and not one.missing for one in seen)
