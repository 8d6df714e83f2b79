"""evalyard.report.comparison: what was compared, in words."""

from __future__ import annotations

from evalyard.report.comparison import ComparedScore, compared_runs
from evalyard.scoring.records import JobResults
from tests.core.report.made_up import OTHER_RUN, RUN, job, score


def compared(before: JobResults, after: JobResults) -> ComparedScore:
    (run,) = compared_runs({RUN: [before], OTHER_RUN: [after]})
    (found,) = run.scores
    return found


def test_a_difference_is_shown_with_its_sign_its_error_and_its_chance() -> None:
    found = compared(job(score(value=0.80, stderr=0.01)), job(score(value=0.75, stderr=0.01), run=OTHER_RUN))
    assert (found.difference_text, found.stderr_text, found.p_text, found.change) == (
        "−0.0500",
        "± 0.0141",
        "< 0.001",
        "worse",
    )


def test_without_standard_errors_nothing_is_marked() -> None:
    found = compared(job(score(value=0.8)), job(score(value=0.1), run=OTHER_RUN))
    assert (found.difference_text, found.stderr_text, found.p_text, found.change) == ("−0.7000", "", "", "")


def test_less_of_a_perplexity_is_better() -> None:
    found = compared(
        job(score(value=12.0, stderr=0.1, metric="perplexity")),
        job(score(value=9.0, stderr=0.1, metric="perplexity"), run=OTHER_RUN),
    )
    assert (found.lower_is_better, found.change) == (True, "better")


def test_what_only_one_run_measured_has_one_side() -> None:
    (run,) = compared_runs({RUN: [job(score("a"))], OTHER_RUN: [job(score("b"), run=OTHER_RUN)]})
    assert [(one.task, one.baseline is None, one.other is None, one.change) for one in run.scores] == [
        ("a", False, True, "missing"),
        ("b", True, False, "new"),
    ]


def test_what_holds_for_every_score_is_noted_once() -> None:
    before = [job(score("a", n=10), score("b", n=10), harness="old")]
    after = [job(score("a", n=10), score("b", n=20), harness="new", run=OTHER_RUN)]
    (run,) = compared_runs({RUN: before, OTHER_RUN: after})
    assert len(run.notes) == 1
    assert "harness" in run.notes[0]
    assert [len(one.notes) for one in run.scores] == [0, 1]


def test_one_run_is_compared_with_nothing() -> None:
    assert compared_runs({RUN: [job(score())]}) == ()
    assert compared_runs({}) == ()
