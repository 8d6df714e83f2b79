"""evalyard.report.content: everything that a report says."""

from __future__ import annotations

import pytest

from evalyard.report.content import Report, describe
from evalyard.report.scores import duration_s, duration_text, moment_text
from evalyard.report.texts import Texts
from evalyard.scoring.records import JobResults
from evalyard.states import JobState
from tests.core.report.made_up import MADE_AT, OTHER_RUN, RUN, job, score


def report_of(*jobs: JobResults, title: str = "", texts: Texts | None = None) -> Report:
    return describe(jobs, texts or Texts(), made_at=MADE_AT, title=title)


@pytest.mark.parametrize(
    ("models", "title"),
    [
        (["a"], "Evaluation of a"),
        (["a", "a"], "Evaluation of a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a and 2 other models"),
        ([""], "Evaluation report"),
    ],
)
def test_a_report_is_called_after_its_models(models: list[str], title: str) -> None:
    assert report_of(*(job(model_id=model) for model in models)).title == title


def test_a_title_of_ones_own_wins() -> None:
    assert report_of(job(), title="For Monday").title == "For Monday"


def test_runs_are_summed_up_in_the_order_given() -> None:
    report = report_of(
        job(run=OTHER_RUN, number=1, source="b.yaml", deployment="vllm", endpoint_url=""),
        job(run=RUN, number=1, limit_samples=5),
        job(run=RUN, number=2, state=JobState.FAILED),
    )
    first, second = report.runs
    assert (first.id, first.states, first.limited) == (OTHER_RUN, ((JobState.SUCCEEDED, 1),), 0)
    assert {("Deployment", "vllm"), ("Configuration", "b.yaml")} <= {(fact.name, fact.value) for fact in first.facts}
    assert "Endpoint" not in {fact.name for fact in first.facts}
    assert (second.states, second.limited) == (((JobState.SUCCEEDED, 1), (JobState.FAILED, 1)), 1)
    assert report.limited == 1


def test_a_failure_has_its_reason_and_the_end_of_its_log() -> None:
    failed = job(state=JobState.FAILED, reason="out of memory", problem="FAILED: out of memory", log="l")
    (found,) = report_of(failed, job(number=2), texts=Texts(logs={"l": "a\nb\n"})).failed
    assert (found.why, found.log) == ("out of memory", "a\nb")


def test_success_without_the_expected_scores_is_among_the_failures() -> None:
    (found,) = report_of(job(problem="there is no result file")).failed
    assert found.why == "there is no result file"


def test_what_has_not_ended_is_no_failure() -> None:
    report = report_of(job(state=JobState.RUNNING, problem="RUNNING"))
    assert (len(report.unfinished), report.failed) == (1, ())


@pytest.mark.parametrize(
    ("limit", "text"), [(None, ""), (1, "1 sample"), (10.0, "10 samples"), (0.05, "5 % of the samples")]
)
def test_a_limit_is_told_in_samples_or_as_a_share(limit: float | None, text: str) -> None:
    (found,) = report_of(job(limit_samples=limit)).jobs
    assert found.limit == text


def test_parameters_are_told_by_their_paths() -> None:
    (found,) = report_of(
        job(parameters={"temperature": 0.0, "extra": {"judge": {"model": "j"}, "stop": ["a", 1], "x": {}}})
    ).jobs
    assert [(fact.name, fact.value) for fact in found.parameters] == [
        ("temperature", "0.0"),
        ("extra.judge.model", "j"),
        ("extra.stop[0]", "a"),
        ("extra.stop[1]", "1"),
        ("extra.x", "{}"),
    ]


def test_a_configuration_that_jobs_share_is_there_once() -> None:
    report = report_of(
        job(config="c"), job(number=2, config="c"), job(run=OTHER_RUN, config="gone"),
        texts=Texts(configurations={"c": "a: 1"}),
    )  # fmt: skip
    assert [(one.path, one.text, one.runs) for one in report.configurations] == [("c", "a: 1", RUN)]
    assert [one.configuration for one in report.jobs] == [0, 0, None]


def test_provenance_names_what_ran_where() -> None:
    (found,) = report_of(job(image="i:1", image_digest="sha256:00", package="p==1", artifacts="/a", log="/l")).jobs
    told = {fact.name: fact.value for fact in found.facts}
    assert {
        "Harness": "nemo-evaluator",
        "Image": "i:1",
        "Image digest": "sha256:00",
        "Package": "p==1",
        "Artifacts": "/a",
        "Log": "/l",
        "evalyard": "0.1.0",
    }.items() <= told.items()
    assert all(told.values())


def test_a_duration_needs_both_ends() -> None:
    assert duration_s(job()) == 61
    assert duration_s(job(state=JobState.RUNNING)) is None
    assert duration_s(job(started_at="yesterday")) is None
    assert duration_s(job(started_at="2026-11-21T20:31:02")) is None  # without a time zone: no telling


@pytest.mark.parametrize(("seconds", "text"), [(None, ""), (0.4, "0:00"), (61, "1:01"), (3723, "1:02:03")])
def test_a_duration_is_told_in_minutes_and_hours(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-11-21T20:28:12.200+00:00", "2026-11-21 20:28 UTC"),
        ("2026-11-21T20:28:12Z", "2026-11-21 20:28 UTC"),
        ("2026-11-21T20:28:12+02:00", "2026-11-21 20:28 UTC+02:00"),
        ("soon", "soon"),
        ("", ""),
    ],
)
def test_a_moment_is_told_to_the_minute(moment: str, text: str) -> None:
    assert moment_text(moment) == text


def test_a_score_knows_its_job_and_its_run() -> None:
    report = report_of(job(), job(score("a"), run=OTHER_RUN), job(score("b"), number=2))
    assert [(one.task, one.run, one.job) for one in report.scores] == [("a", 1, 1), ("b", 0, 2)]
