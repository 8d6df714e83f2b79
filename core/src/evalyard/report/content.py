"""Everything that the report says, in the order in which it says it. Pure: the page only lays it out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

import evalyard
from evalyard.report.comparison import ComparedRun, compared_runs
from evalyard.report.plots import Panel, panels
from evalyard.report.scores import ShownScore, duration_s, duration_text, moment_text, shown_scores
from evalyard.report.texts import TAIL_LINES, Texts, last_lines, went_wrong
from evalyard.scoring.records import JobResults
from evalyard.specs import ResultFile
from evalyard.states import JobState


@frozen(kw_only=True)
class Fact:
    """A line of a list of facts."""

    name: str
    value: str


@frozen(kw_only=True)
class JobPart:
    """A job: how it went, and where its numbers come from."""

    anchor: str
    """What links within the page call it."""
    id: str
    task: str
    state: JobState
    limit: str
    """How many samples it was limited to (`10 samples`, `5 % of the samples`); empty = it was not."""
    failed: bool
    """Whether it ended without success, or without the scores that were expected of it."""
    why: str
    """The reason of its state, or why it has no scores."""
    log: str
    """The end of its log, where it failed."""
    duration_s: float | None
    duration: str
    facts: tuple[Fact, ...]
    parameters: tuple[Fact, ...]
    configuration: int | None
    """The place of its configuration in the report; None = not known."""


@frozen(kw_only=True)
class RunPart:
    """A run in the summary."""

    id: str
    facts: tuple[Fact, ...]
    states: tuple[tuple[JobState, int], ...]
    jobs: int
    limited: int
    label: str
    """What tells it from the other runs in a legend."""


@frozen(kw_only=True)
class Configuration:
    """A resolved configuration, and the jobs that ran with it."""

    path: str
    text: str
    runs: str


@frozen(kw_only=True)
class Report:
    """The whole report."""

    title: str
    made_at: str
    version: str
    tail_lines: int
    runs: tuple[RunPart, ...]
    jobs: tuple[JobPart, ...]
    scores: tuple[ShownScore, ...]
    comparisons: tuple[ComparedRun, ...]
    """Of every run but the first with the first."""
    panels: tuple[Panel, ...]
    configurations: tuple[Configuration, ...]

    @property
    def states(self) -> tuple[tuple[JobState, int], ...]:
        """How many jobs are in each state."""
        return _counts(job.state for job in self.jobs)

    @property
    def limited(self) -> int:
        """How many jobs were asked only a part of their benchmark."""
        return sum(bool(job.limit) for job in self.jobs)

    @property
    def unfinished(self) -> tuple[JobPart, ...]:
        """Jobs that may still end differently."""
        return tuple(job for job in self.jobs if not job.state.final)

    @property
    def failed(self) -> tuple[JobPart, ...]:
        """Jobs that ended without success, or without the scores that were expected of them."""
        return tuple(job for job in self.jobs if job.failed)


def describe(jobs: Sequence[JobResults], texts: Texts, *, made_at: datetime, title: str = "") -> Report:
    """Return the report of these jobs; the first one's run is the baseline that others are compared with.

    Args:
        title: what it is called; empty = after the models.
    """
    runs = tuple(dict.fromkeys(job.card.invocation for job in jobs))
    scores = shown_scores(jobs, runs)
    of_run = {run: [job for job in jobs if job.card.invocation == run] for run in runs}
    paths = list(dict.fromkeys(job.config for job in jobs if job.config in texts.configurations))
    return Report(
        title=title or _title(jobs),
        made_at=moment_text(made_at.isoformat()),
        version=evalyard.__version__,
        tail_lines=TAIL_LINES,
        runs=tuple(_run(run, of_run[run]) for run in runs),
        jobs=tuple(_job(index, job, texts, paths) for index, job in enumerate(jobs)),
        scores=scores,
        comparisons=compared_runs(of_run),
        panels=panels(scores),
        configurations=tuple(
            Configuration(
                path=path,
                text=texts.configurations[path],
                runs=_all_of(job.card.invocation for job in jobs if job.config == path),
            )
            for path in paths
        ),
    )


def _title(jobs: Sequence[JobResults]) -> str:
    models = list(dict.fromkeys(job.card.model_id for job in jobs if job.card.model_id))
    match models:
        case [model]:
            return f"Evaluation of {model}"
        case [first, second]:
            return f"{first} and {second}"
        case [first, *others]:
            return f"{first} and {len(others)} other models"
    return "Evaluation report"


def _run(run: str, jobs: Sequence[JobResults]) -> RunPart:
    cards = [job.card for job in jobs]
    models = _all_of(card.model_id for card in cards)
    return RunPart(
        id=run,
        facts=_facts(
            ("Model", models),
            ("Endpoint", _all_of(card.endpoint_url for card in cards)),
            ("Deployment", _all_of(card.deployment for card in cards)),
            ("Executor", _all_of(card.executor for card in cards)),
            ("Started", moment_text(cards[0].created_at)),
            ("Configuration", _all_of(card.source for card in cards)),
        ),
        states=_counts(job.state for job in jobs),
        jobs=len(jobs),
        limited=sum(job.limited for job in jobs),
        label=f"{run} {models}".strip(),
    )


def _job(index: int, job: JobResults, texts: Texts, configurations: Sequence[str]) -> JobPart:
    card = job.card
    failed = went_wrong(job)
    took = duration_s(job)
    results = card.results or ResultFile(file="")
    return JobPart(
        anchor=f"job-{index + 1}",
        id=card.job,
        task=card.task,
        state=job.state,
        limit=_limit(card.limit_samples),
        failed=failed,
        why=job.reason if failed and job.state is not JobState.SUCCEEDED else job.problem or job.reason,
        log=last_lines(texts.logs.get(job.log, "")) if failed else "",
        duration_s=took,
        duration=duration_text(took),
        facts=_facts(
            ("Harness", card.harness),
            ("Image", card.image),
            ("Image digest", job.image_digest),
            ("Package", card.package),
            ("Model", card.model_id),
            ("Endpoint", card.endpoint_url),
            ("Endpoint type", card.endpoint_type),
            ("Deployment", card.deployment),
            ("Executor", card.executor),
            ("Limited to", _limit(card.limit_samples)),
            ("Attempt", str(job.attempt)),
            ("Started", moment_text(job.started_at)),
            ("Ended", moment_text(job.ended_at)),
            ("Took", duration_text(took)),
            ("Result file", results.file),
            ("Artifacts", job.artifacts),
            ("Log", job.log),
            ("evalyard", card.evalyard_version),
        ),
        parameters=tuple(Fact(name=name, value=value) for name, value in _flat(card.parameters)),
        configuration=configurations.index(job.config) if job.config in configurations else None,
    )


def _counts(states: Iterable[JobState]) -> tuple[tuple[JobState, int], ...]:
    counted = Counter(states)
    ended_first = sorted(JobState, key=lambda state: not state.final)
    return tuple((state, counted[state]) for state in ended_first if counted[state])


def _facts(*named: tuple[str, str]) -> tuple[Fact, ...]:
    return tuple(Fact(name=name, value=value) for name, value in named if value)


def _all_of(values: Iterable[str]) -> str:
    """Return the different values, in their order, as one text."""
    return ", ".join(dict.fromkeys(value for value in values if value))


def _limit(limit: float | None) -> str:
    if limit is None:
        return ""
    if 0 < limit < 1:
        return f"{100 * limit:g} % of the samples"
    return f"{limit:g} sample{'' if limit == 1 else 's'}"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Give the leaves of nested parameters by their dotted paths. A text stays as it is, so that it can be redacted."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{index}]")
    elif isinstance(value, str):
        yield path, value
    elif path:
        yield path, json.dumps(value, default=str, ensure_ascii=False)
