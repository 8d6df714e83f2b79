"""What jobs measured, and where it comes from: gathered from the records of runs, or from their folders alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalyard.errors import EvalyardError
from evalyard.harness.evidence import attempt_folder, attempts_in, read_exit, read_start
from evalyard.ids import split_job_id
from evalyard.orchestrator.survey import JobStatus, RunStatus
from evalyard.orchestrator.watch import verdict
from evalyard.records.jobs import JobCard
from evalyard.records.plans import NeedKind
from evalyard.scoring.card import CARD_FILE, card_of, parse_card
from evalyard.scoring.document import ResultsError
from evalyard.scoring.parse import read_results
from evalyard.scoring.records import JobResults, Score
from evalyard.states import JobState
from evalyard.store.history import Attempt, History
from evalyard.store.layout import job_folder
from evalyard.store.runs import Store

UNFINISHED = "it has not recorded an end"


def gather(store: Store, statuses: Sequence[RunStatus]) -> tuple[JobResults, ...]:
    """Return what each of these jobs measured, in their order. One without scores says why in `problem`."""
    return tuple(_recorded(store, status.history, job) for status in statuses for job in status.jobs)


def gather_folders(folders: Sequence[Path]) -> tuple[JobResults, ...]:
    """Return what jobs measured whose folders these are, or lie right below these: run directories, from anywhere.

    Raises:
        ResultsError: there is no job in one of them.
    """
    found: dict[Path, None] = {}
    for folder in folders:
        inside = [folder] if (folder / CARD_FILE).is_file() else [path.parent for path in folder.glob(f"*/{CARD_FILE}")]
        if not inside:
            raise ResultsError(
                f"{folder}: no job has been here: there is no {CARD_FILE} in it or in a folder of it",
                hint="give a run directory or the folder of one of its tasks",
            )
        found.update(dict.fromkeys(path.resolve() for path in inside))
    results = [_left_behind(folder) for folder in found]
    return tuple(sorted(results, key=_run_and_number))


def planned_card(store: Store, history: History, job: JobStatus) -> JobCard:
    """Return the card of a job on record. Raises StoreError when its plan cannot be read."""
    _, number = split_job_id(job.job)
    plan = store.plan(history.invocation.id, number, history.job(number).launched.number)
    return card_of(plan, history.invocation)


def _recorded(store: Store, history: History, job: JobStatus) -> JobResults:
    invocation, (_, number) = history.invocation, split_job_id(job.job)
    header = invocation.job(number)
    folder = job_folder(store, invocation, header)
    problem = "" if job.state is JobState.SUCCEEDED else _why_none(job.state, job.reason)
    try:
        card = planned_card(store, history, job)
    except EvalyardError as error:
        problem = problem or error.message
        card = JobCard(job=job.job, task=job.task, executor=job.executor, source=invocation.source, results=None)
    config = store.folder(invocation.id) / "config.yaml"
    return _measured(
        card,
        folder,
        job.attempt,
        state=job.state,
        reason=job.reason,
        problem=problem,
        times=(job.started_at, job.ended_at),
        digest=_digest(history, card),
        config=config,
    )


def _left_behind(folder: Path) -> JobResults:
    """Return what a task's folder tells by itself."""
    try:
        text = (folder / CARD_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ResultsError(f"{folder / CARD_FILE}: cannot be read: {error.strerror}") from error
    card = parse_card(text)
    if card is None:
        raise ResultsError(f"{folder / CARD_FILE}: not the card of a job")
    number = max(attempts_in(folder), default=0)
    start, end = read_start(folder, number), read_exit(folder, number)
    if end is not None:
        state, reason = verdict(Attempt(number=number), end)
    else:
        state, reason = (JobState.UNKNOWN, UNFINISHED) if number else (JobState.PENDING, "not started")
    return _measured(
        card,
        folder,
        number or 1,
        state=state,
        reason=reason,
        problem="" if state is JobState.SUCCEEDED else _why_none(state, reason),
        times=(start.started_at if start else "", end.ended_at if end else ""),
        digest=_pinned(card.image),
        config=folder.parent / "config.yaml",
    )


def _measured(
    card: JobCard,
    folder: Path,
    attempt: int,
    *,
    state: JobState,
    reason: str,
    problem: str,
    times: tuple[str, str],
    digest: str,
    config: Path,
) -> JobResults:
    place = attempt_folder(folder, attempt)
    artifacts, log = place / "artifacts", place / "logs" / "stdout.log"
    scores: tuple[Score, ...] = ()
    if not problem and card.results is None:
        problem = "its harness leaves no result file"
    elif not problem and card.results is not None:
        try:
            scores = read_results(artifacts, card.results, task=card.task)
        except EvalyardError as error:
            problem = error.message
    return JobResults(
        card=card,
        state=state,
        attempt=attempt,
        reason=reason,
        scores=scores,
        problem=problem,
        started_at=times[0],
        ended_at=times[1],
        image_digest=digest,
        artifacts=str(artifacts),
        log=str(log) if log.is_file() else "",
        config=str(config) if config.is_file() else "",
    )


def _digest(history: History, card: JobCard) -> str:
    """Return the digest of the image that a job ran in: what was provided for it, else what it was pinned to."""
    handles = [need.latest.handle for need in history.needs if need.latest.kind is NeedKind.ENVIRONMENT]
    for handle in (handle for handle in handles if handle and card.image):
        if card.image in (handle.outputs.get("image"), handle.data.get("image")) and handle.outputs.get("digest"):
            return handle.outputs["digest"]
    return _pinned(card.image)


def _pinned(image: str) -> str:
    return image.partition("@")[2]


def _why_none(state: JobState, reason: str) -> str:
    return f"{state.value}{': ' + reason if reason else ''}"


def _run_and_number(result: JobResults) -> tuple[str, str, int]:
    _, _, number = result.card.job.partition(".")
    return result.card.created_at, result.card.invocation, int(number) if number.isdecimal() else 0
