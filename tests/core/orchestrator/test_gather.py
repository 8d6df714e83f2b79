"""evalyard.orchestrator.gather: what jobs measured, from records and from folders alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from evalyard.orchestrator.gather import gather, gather_folders
from evalyard.orchestrator.survey import survey
from evalyard.records.handles import Handle
from evalyard.records.invocations import Invocation
from evalyard.records.jobs import JobCard
from evalyard.records.plans import NeedKind, Plan
from evalyard.scoring.card import CARD_FILE, render_card
from evalyard.scoring.document import ResultsError
from evalyard.scoring.records import JobResults
from evalyard.states import JobState
from evalyard.store.journal import Entry, Event
from evalyard.store.lookup import Selection
from evalyard.store.runs import Store
from tests.core.store.records import ID, invocation, plans

RESULTS = "results: {tasks: {t: {metrics: {m: {scores: {m: {value: 0.5, stats: {count: 10, stderr: 0.1}}}}}}}}\n"
IMAGE = "images/harness"


def card(number: int = 1, **fields: Any) -> JobCard:
    return JobCard(**{"job": f"{ID}.{number}", "task": f"task{number}", "created_at": "2026", "image": IMAGE, **fields})


def finish(folder: Path, asked: JobCard | None, *, attempt: int = 1, code: int | None = 0) -> Path:
    """Leave what a job script leaves; without a code, as if it still ran."""
    record = folder / "attempts" / str(attempt)
    for place in (record, folder / "logs", folder / "artifacts"):
        place.mkdir(parents=True, exist_ok=True)
    common = {"attempt": attempt, "mark": "m", "by_hand": False, "started_at": "2026-01-02T03:04:05Z"}
    (record / "started.json").write_text(json.dumps(common | {"pid": 1}))
    if code is not None:
        ended = {"exit_code": code, "signal": "", "reason": "", "results": True, "ended_at": "2026-01-02T04:04:05Z"}
        (record / "exit.json").write_text(json.dumps(common | ended))
    (folder / "logs" / "stdout.log").write_text("said\n")
    (folder / "artifacts" / "results.yml").write_text(RESULTS)
    if asked is not None:
        (folder / CARD_FILE).write_text(render_card(asked))
    return folder


class Recorded:
    """A store with one run, whose directory is on this disk."""

    def __init__(self, folder: Path, jobs: int = 1) -> None:
        self.store = Store(folder / "home")
        self.run_dir = folder / "run"
        self.header: Invocation = invocation(jobs=jobs, run_dir=str(self.run_dir))
        self.entries = [Entry(event=Event.PLANNED, at=1.0, job=job.number) for job in self.header.jobs]

    def end(self, number: int = 1, state: JobState = JobState.SUCCEEDED, **fields: Any) -> None:
        self.entries += [
            Entry(event=Event.SENDING, at=2.0, job=number),
            Entry(event=Event.STATE, at=3.0, job=number, state=state, **fields),
        ]

    def gathered(self, *, cards: bool = True) -> tuple[JobResults, ...]:
        made: list[Plan] = [
            evolve(plan, card=card(number) if cards else None)
            for number, plan in enumerate(plans(self.header), start=1)
        ]
        self.store.create(self.header, "the: whole\n", made, self.entries)
        return gather(self.store, survey(self.store, [Selection(invocation=ID)]))


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def test_scores_come_with_their_files_and_times(recorded: Recorded) -> None:
    folder = finish(recorded.run_dir / "task1", None)
    recorded.end(started_at="a", ended_at="b")
    (found,) = recorded.gathered()
    assert [(score.value, score.stderr, score.n) for score in found.scores] == [(0.5, 0.1, 10)]
    assert (found.card, found.state, found.attempt, found.problem) == (card(), JobState.SUCCEEDED, 1, "")
    assert (found.started_at, found.ended_at) == ("a", "b")
    assert found.artifacts == str(folder / "artifacts")
    assert found.log == str(folder / "logs" / "stdout.log")
    assert found.config == str(recorded.store.folder(ID) / "config.yaml")


def test_a_job_without_success_has_no_scores_whatever_lies_there(recorded: Recorded) -> None:
    finish(recorded.run_dir / "task1", None)
    recorded.end(state=JobState.FAILED, reason="exit code 3")
    (found,) = recorded.gathered()
    assert (found.scores, found.problem, found.reason) == ((), "FAILED: exit code 3", "exit code 3")


def test_a_damaged_result_file_and_a_lost_plan_cost_their_own_job_only(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, jobs=3)
    for number in (1, 2, 3):
        finish(recorded.run_dir / f"task{number}", None)
        recorded.end(number)
    (recorded.run_dir / "task2" / "artifacts" / "results.yml").write_text("nothing")
    recorded.gathered()
    (recorded.store.folder(ID) / "plans" / "3.1.json").unlink()
    found = gather(recorded.store, survey(recorded.store, [Selection(invocation=ID)]))
    assert [bool(job.scores) for job in found] == [True, False, False]
    assert "results.yml: not a result file" in found[1].problem
    assert "3.1.json" in found[2].problem
    assert found[2].card.task == "task3"


def test_a_plan_of_an_older_version_has_scores_too(recorded: Recorded) -> None:
    finish(recorded.run_dir / "task1", None)
    recorded.end()
    (found,) = recorded.gathered(cards=False)
    assert (len(found.scores), found.card.executor, found.card.harness) == (1, "toy", "")


@pytest.mark.parametrize(
    ("outputs", "data", "digest"),
    [
        ({"image": IMAGE, "digest": "sha256:1"}, {}, "sha256:1"),
        ({"digest": "sha256:1"}, {"image": IMAGE}, "sha256:1"),
        ({"image": "another", "digest": "sha256:1"}, {}, ""),
        ({"image": IMAGE}, {}, ""),
    ],
)
def test_the_digest_is_that_of_the_image_that_was_provided(
    recorded: Recorded, outputs: dict[str, str], data: dict[str, str], digest: str
) -> None:
    handle = Handle(name="n", mark="m", kind=NeedKind.ENVIRONMENT, outputs=outputs, data=data)
    recorded.entries += [
        Entry(event=Event.SENDING, at=1.0, need="image", kind=NeedKind.ENVIRONMENT),
        Entry(event=Event.HELD, at=1.0, need="image", handle=handle),
    ]
    recorded.end()
    assert recorded.gathered()[0].image_digest == digest


# --- from folders --------------------------------------------------------------------------------------------------


def test_a_run_directory_from_elsewhere_is_enough(tmp_path: Path) -> None:
    run = tmp_path / "run"
    finish(run / "b", card(10))
    finish(run / "a", card(9, image=f"{IMAGE}@sha256:2"), code=None)
    (run / "config.yaml").write_text("the: whole\n")
    (run / "deployment").mkdir()
    moved = shutil.copytree(run, tmp_path / "moved")
    shutil.rmtree(run)
    first, second = gather_folders([moved])
    assert (first.card.job, first.state, first.scores) == (f"{ID}.9", JobState.UNKNOWN, ())
    assert (first.image_digest, first.problem) == ("sha256:2", "UNKNOWN: it has not recorded an end")
    assert (second.card.job, second.state, len(second.scores)) == (f"{ID}.10", JobState.SUCCEEDED, 1)
    assert (second.started_at, second.ended_at) == ("2026-01-02T03:04:05Z", "2026-01-02T04:04:05Z")
    assert second.config == str(moved / "config.yaml")


def test_a_tasks_folder_is_enough_and_counts_once(tmp_path: Path) -> None:
    folder = finish(tmp_path / "run" / "t", card())
    assert len(gather_folders([folder, tmp_path / "run", folder])) == 1


def test_the_latest_attempt_counts(tmp_path: Path) -> None:
    folder = finish(tmp_path / "t", card())
    finish(folder, card(), attempt=2, code=1)
    (found,) = gather_folders([folder])
    assert (found.attempt, found.state, found.problem) == (2, JobState.FAILED, "FAILED: exit code 1")


def test_a_job_that_never_started_is_pending(tmp_path: Path) -> None:
    (tmp_path / CARD_FILE).write_text(render_card(card()))
    (found,) = gather_folders([tmp_path])
    assert (found.state, found.problem, found.log) == (JobState.PENDING, "PENDING: not started", "")


def test_a_folder_without_jobs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no job has been here"):
        gather_folders([tmp_path])
    (tmp_path / CARD_FILE).write_text("{}")
    with pytest.raises(ResultsError, match="not the card of a job"):
        gather_folders([tmp_path])
