"""Watching: what the backend says, weighed as evidence, becomes states in the journal.

Best evidence first: the exit file that the job wrote; the backend's word; silence. A query that fails says nothing: the
job stays where it was and is shown as UNKNOWN with the cause. Only answers that succeed and omit a job count against
it, and only after a grace.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import evolve

from evalyard.errors import EvalyardError
from evalyard.harness.evidence import attempt_folder
from evalyard.ids import backend_name, server_folder, server_of, server_title
from evalyard.orchestrator.run import OpenRun, job_entry, known_handles
from evalyard.records.observations import ExitRecord, Observation
from evalyard.secrets import redact
from evalyard.states import JobState, may_follow
from evalyard.store.history import Attempt, History
from evalyard.store.journal import Entry, Event

SILENCE_GRACE_S = 270.0
"""How long a backend may answer without a job before it is LOST: longer than schedulers and accounting lag."""
TAIL_BYTES = 4096
SERVER_ENDED_CODES = (70, 72)
"""Exit codes by which the job script says that the model server ended, before or during the evaluation."""
_BACKENDS_ENDS = (JobState.FAILED, JobState.TIMED_OUT, JobState.CANCELLED)
"""How a backend ends jobs that we did not ask it to end: a time limit, preemption, somebody's wish."""


def look(runs: Sequence[OpenRun]) -> dict[str, Observation]:
    """Ask a backend once about everything of these invocations that is not known to have ended; record what changed.

    All of them share one session's executor and connection. Returns what was seen, by backend name.
    """
    for run in runs:
        _adopt(run)
    histories = [run.history() for run in runs]
    handles = {name: handle for history in histories for name, handle in known_handles(history).items()}
    observations = runs[0].session.status(runs[0].context(), list(handles.values())) if handles else {}
    now = time.time()
    for run, history in zip(runs, histories, strict=True):
        run.record(changes(history, observations, now))
    return observations


def _adopt(run: OpenRun) -> None:
    """Put on record what the backend holds of requests that were sent and never answered; starts nothing."""
    unanswered = {
        backend_name(run.id, job.number, job.launched.number): job
        for job in run.history().jobs
        if job.launched.live and job.launched.handle is None
    }
    if not unanswered:
        return
    try:
        found = run.session.find(run.context(), {name: job.launched.mark for name, job in unanswered.items()})
    except EvalyardError:
        return  # not known yet; whoever launches asks again
    run.record(
        job_entry(Event.HELD, unanswered[name].number, unanswered[name].launched.number, handle=handle)
        for name, handle in found.items()
    )


def changes(history: History, observations: Mapping[str, Observation], now: float) -> list[Entry]:
    """Return what these observations change, as journal entries; needs first, since jobs' reasons may rest on them."""
    entries: list[Entry] = []
    servers_end = ""
    for need in history.needs:
        attempt = need.latest
        name = server_of(need.key)
        log = Path(history.invocation.run_dir) / server_folder(name) / "logs" / "server.log"
        for entry in _changed(attempt, observations, now, log):
            entries.append(evolve(entry, need=need.key))
            if entry.state and entry.state.final:
                servers_end = f"{server_title(name)} ended: {entry.reason}"
        if attempt.state.final and not attempt.released:
            servers_end = f"{server_title(name)} ended: {attempt.reason}"
    for job in history.jobs:
        if not job.launched.live:
            continue
        directory = Path(history.invocation.run_dir) / history.invocation.job(job.number).folder
        log = attempt_folder(directory, job.launched.number) / "logs" / "stdout.log"
        changed = _changed(job.launched, observations, now, log, servers_end)
        entries += [evolve(entry, job=job.number) for entry in changed]
    return entries


def verdict(attempt: Attempt, record: ExitRecord, last_line: str = "") -> tuple[JobState, str]:
    """Return the state and reason that an exit file proves."""
    if record.exit_code == 0 and record.results:
        return JobState.SUCCEEDED, ""
    if attempt.cancel_asked and record.signal:
        return _cancelled(attempt)
    if record.exit_code == 0:
        return JobState.FAILED, "the harness exited with code 0 and left no result file"
    if record.reason:
        return JobState.FAILED, record.reason
    if record.signal:
        return JobState.FAILED, f"stopped by SIG{record.signal} from outside"
    return JobState.FAILED, f"exit code {record.exit_code}" + (f": {last_line}" if last_line else "")


def _changed(
    attempt: Attempt, observations: Mapping[str, Observation], now: float, log: Path, servers_end: str = ""
) -> Iterable[Entry]:
    observation = observations.get(attempt.handle.name) if attempt.handle else None
    if observation is None or not attempt.live:
        return
    if observation.missing:
        yield from _silence(attempt, now)
        return
    if attempt.silent_answers and observation.state is not JobState.UNKNOWN:
        yield _entry(Event.SEEN, attempt, now)
    if observation.handle is not None and observation.handle != attempt.handle:
        yield _entry(Event.HELD, attempt, now, handle=observation.handle)
    record = observation.exit
    if record is not None and (record.attempt, record.mark) == (attempt.number, attempt.mark):
        state, reason = verdict(attempt, record, "" if record.exit_code == 0 else _last_line(log))
        if servers_end and record.exit_code in SERVER_ENDED_CODES:
            reason = servers_end
        elif (
            state is JobState.FAILED
            and observation.state in _BACKENDS_ENDS
            and observation.reason not in ("", record.reason)
            and not attempt.cancel_asked
        ):
            # The job knows that it was stopped; whoever stopped it knows why.
            state, reason = observation.state, observation.reason
        yield _entry(
            Event.STATE,
            attempt,
            now,
            state=state,
            reason=reason,
            exit_code=record.exit_code,
            started_at=record.started_at,
            ended_at=record.ended_at,
        )
        return
    state, reason = observation.state, observation.reason
    if state.final and state is not JobState.SUCCEEDED and attempt.cancel_asked:
        state, reason = _cancelled(attempt)
    if may_follow(attempt.state, state) or (state is attempt.state and reason != attempt.reason):
        yield _entry(Event.STATE, attempt, now, state=state, reason=reason, started_at=observation.started_at)


def _silence(attempt: Attempt, now: float) -> Iterable[Entry]:
    if not attempt.silent_answers:
        yield _entry(Event.SILENT, attempt, now)
    elif now - attempt.silent_since >= SILENCE_GRACE_S:
        if attempt.cancel_asked:
            state, reason = _cancelled(attempt)
        else:
            state, reason = JobState.LOST, f"the backend has not mentioned it for {now - attempt.silent_since:.0f} s"
        yield _entry(Event.STATE, attempt, now, state=state, reason=reason)


def _cancelled(attempt: Attempt) -> tuple[JobState, str]:
    if attempt.cancel_reason:
        return JobState.FAILED, attempt.cancel_reason
    return JobState.CANCELLED, "cancelled"


def _entry(event: Event, attempt: Attempt, now: float, **fields: object) -> Entry:
    return Entry(event=event, at=now, attempt=attempt.number, **fields)  # type: ignore[arg-type]


def _last_line(log: Path) -> str:
    """Return the last line of a log that the harness itself wrote, when the log is on this machine's disk."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
            lines = stream.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    written = [line.strip() for line in lines if line.strip() and " evalyard: " not in line]
    # Redacted first: a cut could leave half of a key, which nobody would recognise.
    return redact(written[-1])[:300] if written else ""
