"""evalyard.orchestrator.exported: what people are told of exports."""

from __future__ import annotations

from attrs import evolve

from evalyard.orchestrator.exported import ExportStatus, export_lines, export_statuses
from evalyard.states import JobState
from evalyard.store.history import Attempt, Export, History, JobHistory
from tests.core.store.records import ID, invocation

DONE = Attempt(number=1, state=JobState.SUCCEEDED)
AGAIN = f"again: evalyard export {ID} --dest mlflow"


def history(*attempts: Attempt) -> History:
    jobs = tuple(JobHistory(number=number, attempts=(one,)) for number, one in enumerate(attempts, start=1))
    return History(invocation=evolve(invocation(jobs=len(jobs)), auto_export=("mlflow",)), jobs=jobs)


def exported(**export: object) -> Attempt:
    return evolve(DONE, exports={"mlflow": Export(**export)})  # type: ignore[arg-type]


def lines(*attempts: Attempt, kept: bool = False) -> list[str]:
    found = history(*attempts)
    return list(export_lines(found, found.jobs, kept=kept))


def states(attempt: Attempt) -> list[tuple[str, str]]:
    found = history(attempt)
    return [(one.destination, one.state) for one in export_statuses(found, found.job(1))]


def test_a_job_waits_for_its_exports_until_it_has_ended_without_results() -> None:
    assert states(Attempt(number=1, state=JobState.RUNNING)) == [("mlflow", "waiting")]
    assert states(DONE) == [("mlflow", "waiting")]
    assert states(evolve(DONE, state=JobState.FAILED)) == []


def test_exports_that_somebody_asked_for_are_told_too() -> None:
    assert states(evolve(DONE, exports={"local": Export(where="f")})) == [("mlflow", "waiting"), ("local", "exported")]


def test_all_that_is_known_of_an_export_is_told() -> None:
    found = history(exported(failures=3, reason="no answer"))
    assert export_statuses(found, found.job(1)) == (
        ExportStatus(destination="mlflow", state="failing", reason="no answer", tries=3),
    )
    assert states(exported(failures=8, reason="no", given_up=True)) == [("mlflow", "failed")]


def test_one_line_tells_of_all_jobs_whose_results_are_in_one_place() -> None:
    assert lines(exported(where="page"), exported(where="page")) == ["exported to mlflow: page"]
    assert lines(exported(where="a"), exported(where="b")) == [
        "job 1 exported to mlflow: a",
        "job 2 exported to mlflow: b",
    ]
    assert lines(exported(where="a"), exported(where="a"), Attempt(number=1)) == ["jobs 1, 2 exported to mlflow: a"]


def test_a_failure_comes_with_what_will_be_done_or_the_command_that_does_it() -> None:
    failing, given_up = exported(failures=1, reason="x"), exported(failures=8, reason="x", given_up=True)
    assert lines(failing, kept=True) == ["not exported to mlflow: x (tried 1 time, and will be again)"]
    assert lines(failing) == [f"not exported to mlflow: x (tried 1 time; {AGAIN})"]
    assert lines(given_up, kept=True) == [f"not exported to mlflow: x (tried 8 times; {AGAIN})"]


def test_what_nobody_sees_to_is_told_with_the_command() -> None:
    assert lines(DONE) == [f"not exported yet to mlflow: evalyard export {ID}"]
    assert lines(DONE, kept=True) == []


def test_a_failure_after_a_success_is_told() -> None:
    assert lines(exported(where="page", failures=1, reason="x")) == [
        f"not exported to mlflow: x (tried 1 time; {AGAIN})"
    ]
