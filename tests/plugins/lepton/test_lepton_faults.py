"""What goes wrong at the service: nothing twice, nothing left, nothing invented, and every message says what to do."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from evalyard import BackendError, Handle, JobState, LaunchError, NeedKind, Transient
from evalyard.testing.patience import wait_until
from evalyard.testing.rig import BEAT
from evalyard.testing.trial import Trial
from evalyard_lepton import jobs
from evalyard_lepton.gateway import workspace
from tests.plugins.lepton.desk import LEAVE, SERVE, Desk
from tests.plugins.lepton.service.server import Service
from tests.plugins.lepton.service.wire import Fault

LOST = [
    Fault(method="POST", cut="after"),
    Fault(method="POST", cut="before"),
    Fault(method="POST", status=500, body="<html>oops</html>"),
    Fault(method="POST", status=503, body="<html>no upstream</html>"),
    Fault(method="POST", status=200, body="no JSON"),
    Fault(method="POST", status=429, body={"message": "slow down"}, headers={"Retry-After": "1"}),
]
WORDS = ["answer lost", "reset", "500", "503 HTML", "200 no JSON", "429"]


def launched(desk: Desk, trial: Trial, seconds: float = 30.0) -> Handle | LaunchError:
    trial.provision()
    return trial.session.launch(desk.context(trial, seconds), trial.plans)[trial.plans[0].name]


@pytest.mark.parametrize("fault", LOST, ids=WORDS)
def test_a_create_that_goes_wrong_once_makes_one_job(desk: Desk, service: Service, fault: Fault) -> None:
    trial = desk.trial(LEAVE)
    trial.provision()
    service.faults.append(Fault(method="POST", path=r"/jobs", **_same(fault)))
    handle = launched(desk, trial)
    assert isinstance(handle, Handle), handle
    assert trial.await_end(handle).state is JobState.SUCCEEDED
    assert len(service.jobs) == 1


@pytest.mark.parametrize("fault", [LOST[0], LOST[3]], ids=[WORDS[0], WORDS[3]])
def test_a_create_that_goes_wrong_once_makes_one_endpoint(desk: Desk, service: Service, fault: Fault) -> None:
    trial = desk.trial(LEAVE, serve=SERVE)
    service.faults.append(Fault(method="POST", path=r"/deployments", **_same(fault)))
    trial.provision()
    assert len(service.endpoints) == 1
    (handle,) = trial.need_handles(NeedKind.SERVER)
    assert trial.session.teardown(desk.context(trial), [handle]) == ()
    assert service.live_endpoints() == []
    assert service.secrets == {}


def _same(fault: Fault) -> dict[str, Any]:
    return {"cut": fault.cut, "status": fault.status, "body": fault.body, "headers": fault.headers}


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_fails_for_long_is_no_news(desk: Desk, service: Service, status: int) -> None:
    trial = desk.trial(BEAT)
    (handle,) = trial.begin()
    service.faults.append(Fault(method="GET", path=r"/jobs", times=1000, status=status, body="<html></html>"))
    seen = trial.session.status(desk.context(trial, 2), [handle])[handle.name]
    assert (seen.state, seen.missing) == (JobState.UNKNOWN, False)
    assert str(status) in seen.reason
    service.faults.clear()
    wait_until(lambda: trial.observe(handle).state is JobState.RUNNING, "it runs")


def test_a_reset_while_polling_is_tried_again(desk: Desk, service: Service) -> None:
    trial = desk.trial(BEAT)
    (handle,) = trial.begin()
    service.faults += [
        Fault(method="GET", path=r"/jobs/", cut="before"),
        Fault(method="GET", path=r"/jobs/", status=500),
    ]
    assert trial.observe(handle).state in (JobState.QUEUED, JobState.RUNNING)
    assert [fault.hits for fault in service.faults] == [1, 1]


def test_retry_after_is_honoured(desk: Desk, service: Service) -> None:
    trial = desk.trial(BEAT)
    (handle,) = trial.begin()
    asked = time.monotonic()
    service.faults.append(Fault(method="GET", path=r"/jobs/", status=429, headers={"Retry-After": "2"}))
    trial.observe(handle)
    assert time.monotonic() - asked >= 2  # never sooner; how much later is the machine's business


def test_one_that_asks_to_wait_longer_than_we_may_is_an_answer_of_its_own(desk: Desk, service: Service) -> None:
    trial = desk.trial(BEAT)
    (handle,) = trial.begin()
    service.faults.append(
        Fault(path=r"/jobs", times=9, status=429, body={"message": "later"}, headers={"Retry-After": "900"})
    )
    with pytest.raises(Transient, match="429: later"):
        trial.session.find(desk.context(trial, 3), trial.marks)
    assert service.faults[0].hits == 1
    assert handle.id


def test_a_wrong_token_says_what_to_do_and_nothing_of_itself(desk: Desk, service: Service) -> None:
    trial = desk.trial(LEAVE)
    assert trial.run.environ is not None
    trial.run.environ["LEPTON_WORKSPACE_TOKEN"] = "wrong-secret-token"  # type: ignore[index]
    with pytest.raises(BackendError) as caught:
        trial.session.find(desk.context(trial), trial.marks)
    assert "401: invalid token" in str(caught.value)
    assert "lep login" in str(caught.value)
    assert "wrong-secret" not in str(caught.value)
    (finding,) = trial.session.check(desk.context(trial), trial.plans)
    assert "lep login" in finding.remedy
    assert service.jobs == {}


def test_a_refusal_has_the_services_words(desk: Desk, service: Service) -> None:
    service.faults.append(
        Fault(
            method="POST",
            path="/jobs",
            status=403,
            body={"code": "StatusForbidden", "message": "quota of gpu is used up"},
        )
    )
    answer = launched(desk, desk.trial(LEAVE))
    assert isinstance(answer, LaunchError)
    assert not answer.transient
    assert "403: quota of gpu is used up" in answer.message
    assert len(service.asked("POST", "/jobs")) == 1


def test_an_unknown_node_group_is_refused_with_the_list(desk: Desk, service: Service) -> None:
    desk.settings["lepton_platform"] = {"tasks": {"node_group": "grup"}}
    trial = desk.trial(LEAVE)
    answer = launched(desk, trial)
    assert isinstance(answer, LaunchError)
    assert "no node group 'grup'; there are: group, other" in answer.message
    assert any(
        "there are: group, other" in finding.message
        for finding in trial.session.check(desk.context(trial), trial.plans)
    )
    assert service.jobs == {}


@pytest.mark.parametrize("wanted", ["group", "group-id-1"], ids=["by name", "by id"])
def test_a_node_group_is_sent_by_its_id(desk: Desk, service: Service, wanted: str) -> None:
    desk.settings["lepton_platform"] = {"tasks": {"node_group": wanted}}
    assert isinstance(launched(desk, desk.trial(LEAVE)), Handle)
    (job,) = service.jobs.values()
    assert job.body["spec"]["affinity"] == {"allowed_dedicated_node_groups": ["group-id-1"]}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Queueing", JobState.QUEUED),
        ("Awaiting", JobState.QUEUED),
        ("Stopping", JobState.RUNNING),
        ("UNK", JobState.UNKNOWN),
        ("SomethingNew", JobState.UNKNOWN),
    ],
)
def test_a_word_for_a_live_job_is_what_the_table_says(desk: Desk, service: Service, word: str, state: JobState) -> None:
    trial = desk.trial(BEAT)
    (handle,) = trial.begin()
    service.jobs[handle.id].scenario.state = word
    assert trial.observe(handle).state is state


@pytest.mark.parametrize("forgets", [False, True])
def test_an_archived_job_keeps_its_true_result(desk: Desk, service: Service, forgets: bool) -> None:
    service.forgets_ends = forgets
    trial = desk.trial("exit 3", LEAVE)
    handles = trial.begin()
    for handle in handles:
        trial.await_end(handle)
        service.jobs[handle.id].archived = True
    jobs._homes.clear()  # another process asks
    seen = trial.session.status(desk.context(trial), handles)
    assert [seen[handle.name].state for handle in handles] == [JobState.FAILED, JobState.SUCCEEDED]
    assert [getattr(seen[handle.name].exit, "exit_code", None) for handle in handles] == [3, 0]
    assert set(trial.session.find(desk.context(trial), trial.marks)) == set(trial.marks)


def test_an_archived_job_whose_log_is_gone_is_lost_and_never_succeeded(desk: Desk, service: Service) -> None:
    service.forgets_ends = True
    trial = desk.trial(LEAVE)
    (handle,) = trial.begin()
    job = service.jobs[handle.id]
    wait_until(lambda: job.completed > 0, "it has ended")
    job.archived, job.scenario.silent, job.completed = True, True, 1.0
    assert trial.observe(handle).state is JobState.LOST


def test_a_job_that_somebody_stopped_has_failed_and_one_that_we_stopped_is_cancelled(
    desk: Desk, service: Service
) -> None:
    trial = desk.trial(BEAT)
    (handle,) = trial.begin()
    wait_until(lambda: trial.observe(handle).state is JobState.RUNNING, "it runs")
    service.jobs[handle.id].stop.set()
    assert trial.await_end(handle).state is JobState.FAILED


def test_a_container_that_is_killed_has_failed_with_what_the_service_knows(desk: Desk, service: Service) -> None:
    trial = desk.trial(BEAT)
    (handle,) = trial.begin()
    job = service.jobs[handle.id]
    wait_until(lambda: bool(job.replicas), "it runs")
    job.replicas[0].kill(signal.SIGKILL)
    wait_until(lambda: job.completed > 0, "it has ended")
    assert trial.observe(handle).state is JobState.RUNNING  # the last lines of its log may be on their way
    job.completed = 1.0
    seen = trial.observe(handle)
    assert seen.state is JobState.FAILED
    assert seen.reason == "the service says Failed, and its script left no record: BackOff"


def test_a_timeout_is_applied_and_named(desk: Desk) -> None:
    desk.settings["evaluation_tasks"] = {"timeout": 1}
    trial = desk.trial("sleep 60")
    trial.finish()
    assert (trial.attempt().state, trial.attempt().reason) == (
        JobState.TIMED_OUT,
        "its time was up (execution.evaluation_tasks.timeout)",
    )


def test_a_service_without_pages_does_not_keep_us_for_ever(desk: Desk, service: Service) -> None:
    service.pages = False
    trial = desk.trial(LEAVE, LEAVE, LEAVE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace, "PAGE", 2)
        trial.begin()
        assert len(trial.session.find(desk.context(trial), trial.marks)) == 3
    assert len(service.jobs) == 3


def test_an_answer_that_does_not_come_in_time_is_no_news(desk: Desk, service: Service) -> None:
    trial = desk.trial(BEAT)
    (handle,) = trial.begin()
    service.faults.append(Fault(method="GET", path=r"/jobs/", times=9, delay_s=3))
    seen = trial.session.status(desk.context(trial, 1), [handle])[handle.name]
    assert seen.state is JobState.UNKNOWN
    assert f"no answer from {service.base}" in seen.reason
