"""Taking the steps that `decide` names: intent into the journal first, then the backend, then what came of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from attrs import define, evolve, field

from evalyard.errors import EvalyardError, PluginError, StoreError
from evalyard.ids import backend_name, new_mark
from evalyard.orchestrator.decide import Situation, waiting
from evalyard.orchestrator.outbox import Outbox
from evalyard.orchestrator.patience import Patience
from evalyard.orchestrator.plan import merged_needs
from evalyard.orchestrator.run import OpenRun, job_entry, need_entry
from evalyard.orchestrator.steps import (
    Abort,
    Collect,
    Export,
    Launch,
    Provision,
    Release,
    Settle,
    Step,
    Subject,
    Tell,
)
from evalyard.orchestrator.telling import job_end
from evalyard.plugins.context import NOTICES
from evalyard.records.handles import Handle, LaunchError
from evalyard.records.plans import Need, Plan
from evalyard.states import JobState
from evalyard.store.history import Attempt, History, JobHistory
from evalyard.store.journal import Entry, Event
from evalyard.store.layout import job_folder

_log = logging.getLogger(__name__)

UNCLEAR_PAUSE_S = 15.0
"""How long we wait before we look once more for something that may or may not be there."""
ABORT_PAUSE_S = 30.0
PROVISION_TIMEOUT_S = 3600.0
TELL_TIMEOUT_S = 10.0


@define
class Actor:
    """Takes steps for one invocation."""

    run: OpenRun
    patience: Patience = field(factory=Patience)
    remaining: dict[str, str] = field(factory=dict)
    """What could not be released: backend name -> why."""
    outbox: Outbox = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.outbox = Outbox(run=self.run)

    def situation(self, history: History) -> Situation:
        """Return all that a decision about this history rests on."""
        return Situation(
            history=history,
            plans={job.number: plan for job in history.jobs if (plan := self._plan(job))},
            fetches=self.run.session.fetches,
            # Who is told is noted for all at once: one who was left out would never be told.
            listens=self.run.session.listens and not self.run.session.warnings,
            resting=self.patience.resting() | self.outbox.resting(history),
        )

    def _plan(self, job: JobHistory) -> Plan | None:
        """Return the plan of a job's latest attempt; a damaged one costs its job, not the run."""
        try:
            return self.run.plan(job.number, job.launched.number)
        except StoreError as error:
            _log.warning("%s", error)
            return None

    def take(self, step: Step, situation: Situation) -> bool:
        """Take one step. Returns False when it failed, so that what was decided after it no longer holds."""
        match step:
            case Provision():
                return self._provision(step.need, situation)
            case Launch():
                return self._launch(step.jobs, situation)
            case Settle():
                number = situation.history.job(step.job).launched.number
                self.run.record([job_entry(Event.STATE, step.job, number, state=step.state, reason=step.reason)])
                return True
            case Abort():
                return self._abort(step, situation)
            case Collect():
                return self._collect(step.job, situation)
            case Release():
                return self._release(step, situation)
            case Tell():
                return self._tell(step, situation)
            case Export():
                self.outbox.start(step, situation.history)
                return True

    def _provision(self, key: str, situation: Situation) -> bool:
        need = self._named_need(key, situation)
        self.run.record([need_entry(Event.SENDING, key, need.attempt, mark=need.mark, kind=need.kind)])
        try:
            handle = self.run.session.provision(self.run.context(PROVISION_TIMEOUT_S), need)
        except EvalyardError as error:
            if error.transient and self.patience.again(("provision", key)):
                logging.getLogger(NOTICES).info("%s; it is tried again", error.message)
                return False
            failed = need_entry(Event.STATE, key, need.attempt, state=JobState.FAILED, reason=error.message)
            self.run.record([failed])
            return False
        self.patience.done(("provision", key))
        self.run.record([need_entry(Event.HELD, key, need.attempt, handle=handle)])
        return True

    def _named_need(self, key: str, situation: Situation) -> Need:
        """Return what is to be provisioned, under the name and mark of its latest attempt; both settled only once."""
        wanted_by = [situation.plans[job.number] for job in waiting(situation)]
        need = next(need for need in merged_needs(wanted_by) if need.key == key)
        known = situation.history.need(key)
        number = known.latest.number if known else 1
        mark = known.latest.mark if known and known.latest.mark else new_mark()
        return evolve(need, name=backend_name(self.run.id, key, number), mark=mark, attempt=number)

    def _launch(self, numbers: tuple[int, ...], situation: Situation) -> bool:
        history = situation.history
        plans: dict[int, Plan] = {}
        for number in numbers:
            try:
                plans[number] = self._bound(situation.plans[number], history)
            except PluginError as error:
                self._fail(number, situation, error.message)
        self.run.record(
            job_entry(Event.SENDING, number, plan.attempt, mark=plan.mark)
            for number, plan in plans.items()
            if not history.job(number).launched.sent
        )
        answers = self._submit(list(plans.values()))
        entries: list[Entry] = []
        for number, plan in plans.items():
            answer = answers.get(plan.name)
            if answer is None:
                self.patience.rest(("launch", number), UNCLEAR_PAUSE_S)
            elif isinstance(answer, Handle):
                self.patience.done(("launch", number))
                entries.append(job_entry(Event.HELD, number, plan.attempt, handle=answer))
            elif not (answer.transient and self.patience.again(("launch", number))):
                reason = f"not launched: {answer.message}"
                entries.append(job_entry(Event.STATE, number, plan.attempt, state=JobState.FAILED, reason=reason))
        self.run.record(entries)
        return all(isinstance(answers.get(plan.name), Handle) for plan in plans.values())

    def _fail(self, number: int, situation: Situation, reason: str) -> None:
        attempt = situation.history.job(number).launched.number
        self.run.record([job_entry(Event.STATE, number, attempt, state=JobState.FAILED, reason=reason)])

    def _submit(self, plans: list[Plan]) -> dict[str, Handle | LaunchError]:
        """Look up, launch what is not there, and look up again whatever was not taken.

        A name that is left out may or may not have been taken: the look-up failed too. That is no failure of the job,
        however long it lasts.
        """
        session, names = self.run.session, {plan.name: plan.mark for plan in plans}
        answers: dict[str, Handle | LaunchError] = {}
        try:
            answers.update(session.find(self.run.context(), names))
            absent = [plan for plan in plans if plan.name not in answers]
            if absent:
                answers.update(session.launch(self.run.context(), absent))
        except EvalyardError as error:
            refused = LaunchError(message=error.message, transient=error.transient)
            answers.update({name: refused for name in names if name not in answers})
        lost = {name: names[name] for name, answer in answers.items() if not isinstance(answer, Handle)}
        try:
            answers.update(session.find(self.run.context(), lost))
        except EvalyardError:
            return {name: answer for name, answer in answers.items() if name not in lost}
        return answers

    def _bound(self, plan: Plan, history: History) -> Plan:
        values: dict[str, str] = {}
        for variable, binding in plan.bindings.items():
            need = history.need(binding.need)
            handle = need.latest.handle if need else None
            if handle is None or binding.output not in handle.outputs:
                raise PluginError(f"{variable} needs '{binding.output}' of '{binding.need}', which does not give it")
            values[variable] = handle.outputs[binding.output]
        return evolve(plan, environment={**plan.environment, **values})

    def _abort(self, step: Abort, situation: Situation) -> bool:
        attempt = situation.history.job(step.job).launched
        if not attempt.cancel_asked:
            self.run.record([job_entry(Event.CANCEL, step.job, attempt.number, reason=step.reason)])
        # Asked again as long as it lives: the request may be lost.
        self.patience.rest(("abort", step.job), ABORT_PAUSE_S)
        if attempt.handle is not None:
            try:
                self.run.session.cancel(self.run.context(), [attempt.handle])
            except EvalyardError as error:
                self.remaining[attempt.handle.name] = error.message
        return True

    def _collect(self, number: int, situation: Situation) -> bool:
        attempt = situation.history.job(number).launched
        if attempt.handle is None:
            return True
        header = self.run.invocation.job(number)
        try:
            self.run.session.fetch(
                self.run.context(PROVISION_TIMEOUT_S),
                attempt.handle,
                job_folder(self.run.store, self.run.invocation, header),
            )
        except EvalyardError as error:
            if self.patience.again(("collect", number)):
                return False
            self.remaining[attempt.handle.name] = f"its results could not be fetched: {error.message}"
        self.patience.done(("collect", number))
        self.run.record([job_entry(Event.COLLECTED, number, attempt.number)])
        return True

    def _tell(self, step: Tell, situation: Situation) -> bool:
        reason, again = "", set[int]()
        jobs = {number for number, _ in step.ends}
        try:
            self.run.session.ended(
                self.run.context(TELL_TIMEOUT_S),
                [
                    job_end(self.run.store, self.run.invocation, number, situation.history.job(number).attempt(attempt))
                    for number, attempt in step.ends
                ],
            )
        except EvalyardError as error:
            reason = error.message
            again = {number for number in jobs if error.transient and self.patience.again(("tell", number))}
        if again:
            logging.getLogger(NOTICES).info("%s; it is told again", reason)
        elif reason:
            _log.warning("%s", reason)
        for number in jobs - again:
            self.patience.done(("tell", number))
        self.run.record(
            job_entry(Event.TOLD, number, attempt, reason=reason)
            for number, attempt in step.ends
            if number not in again
        )
        return not again

    def _release(self, step: Release, situation: Situation) -> bool:
        history = situation.history
        jobs: dict[Subject, Attempt] = {number: history.job(number).launched for number in step.jobs}
        failed = self._tear_down(jobs)
        self.run.record(
            job_entry(Event.RELEASED, number, history.job(number).launched.number)
            for number in step.jobs
            if number not in failed
        )
        for need in (need for key in step.needs if (need := history.need(key))):
            left = self._tear_down({need.key: need.latest})
            if not left:
                self.run.record([need_entry(Event.RELEASED, need.key, need.latest.number)])
            failed |= left
        for subject in failed:
            self.patience.again(("release", subject))
        return not failed

    def _tear_down(self, attempts: Mapping[Subject, Attempt]) -> set[Subject]:
        """Tear down what these attempts still hold; return the jobs and needs of which something remains."""
        names = {backend_name(self.run.id, subject, attempt.number): subject for subject, attempt in attempts.items()}
        handles = {attempt.handle.name: attempt.handle for attempt in attempts.values() if attempt.handle}
        # Sent and never answered: it may be there under our name and mark, or be about to begin.
        unclear = {name: attempts[subject].mark for name, subject in names.items() if name not in handles}
        for name, mark in unclear.items():
            subject = names[name]
            kind = "job" if isinstance(subject, int) else attempts[subject].kind.value
            handles[name] = Handle(name=name, mark=mark, kind=kind)
        left: dict[str, str] = {}
        try:
            handles.update(self.run.session.find(self.run.context(), unclear))
        except EvalyardError as error:
            left.update(dict.fromkeys(unclear, error.message))
        try:
            remaining = self.run.session.teardown(self.run.context(), list(handles.values()))
            left.update({handle.name: handle.problem or "the backend still has it" for handle in remaining})
        except EvalyardError as error:
            left.update(dict.fromkeys(handles, error.message))
        for name in names:
            self.remaining.pop(name, None)
        self.remaining.update(left)
        return {names[name] for name in left}
