"""Many jobs, and endpoints that live too long: few requests, and no money spent that nobody wants to spend."""

from __future__ import annotations

import json
import signal

from evalyard import JobState, NeedKind
from evalyard.testing.patience import wait_until
from tests.cli.yard import Yard, until
from tests.plugins.lepton.desk import LEAVE, SERVE, Desk, config
from tests.plugins.lepton.service.server import Service
from tests.plugins.lepton.service.wire import Fault

DEMO = {"type": "demo", "image": "i", "lepton_config": {"resource_shape": "gpu.1xh200"}}


def test_a_look_at_a_hundred_jobs_is_one_request_and_all_of_them_run_once(desk: Desk, service: Service) -> None:
    waiting = service.scenario("ey-", queued=True)
    trial = desk.trial(*([LEAVE] * 100))
    handles = trial.begin()
    assert len(service.asked("POST", "/jobs")) == len(service.jobs) == 100
    for _ in range(3):
        before = len(service.requests)
        seen = trial.session.status(desk.context(trial), handles)
        assert {one.state for one in seen.values()} == {JobState.QUEUED}
        assert [request.path for request in service.requests[before:]] == ["/jobs"]
    waiting.queued = False
    before = len(service.requests)
    trial.finish()
    assert {trial.attempt(number).state for number in range(1, 101)} == {JobState.SUCCEEDED}
    assert len(service.jobs) == 100
    # For each job: its last line, its files, its log. Looks and releases are few, however many jobs there are.
    rest = [request for request in service.requests[before:] if request.path != "/logs"]
    assert len(service.requests[before:]) - len(rest) <= 3 * 100
    assert {request.path for request in rest} <= {"/jobs", "/usersecrets"}
    assert service.live_jobs() == []


def test_a_whole_run_of_ten_tasks_makes_few_requests(service: Service, yard: Yard) -> None:
    tasks = [{"name": f"t{number}", "container": "i", "harness": {"command": LEAVE}} for number in range(10)]
    yard.run(config(yard, *tasks, deployment=DEMO), "--wait", "--allow-unlisted")
    polls = [*service.asked("GET", "/jobs"), *service.asked("GET", "/deployments/.*")]
    rest = len(service.requests) - len(polls)
    # Ten creations, ten last lines, ten archives; the rest is the endpoint with its key, and what is checked before.
    assert rest <= 10 * 3 + 25, [f"{request.method} {request.path}" for request in service.requests]


def test_one_endpoint_that_cannot_be_asked_for_says_nothing_of_the_others(desk: Desk, service: Service) -> None:
    desk.settings["share_endpoint"] = False
    trial = desk.trial(LEAVE, LEAVE, serve=SERVE)
    trial.provision()
    one, other = trial.need_handles(NeedKind.SERVER)
    service.faults.append(Fault(method="GET", path=f"/deployments/{one.id}$", status=403, body={"message": "not now"}))
    seen = trial.session.status(desk.context(trial), [one, other])
    assert seen[one.name].state is JobState.UNKNOWN
    assert "403: not now" in seen[one.name].reason
    assert seen[other.name].state in (JobState.QUEUED, JobState.RUNNING)
    trial.close()


def test_the_keeper_ends_an_endpoint_whose_lifetime_is_over(service: Service, yard: Yard) -> None:
    task = {"name": "long", "container": "i", "harness": {"command": "sleep 600"}}
    lifetime = {"max_lifetime_s": 30}
    invocation = yard.run(config(yard, task, deployment=DEMO, execution=lifetime), "--allow-unlisted")
    until(lambda: any(job.replicas for job in service.jobs.values()), "the job runs")
    next(iter(service.endpoints.values())).created -= 31
    until(lambda: not service.live_endpoints(), "the endpoint is gone")
    (row,) = yard.await_states(invocation, "FAILED")
    assert row["reason"] == "the model server ended: its lifetime of 30 s is over (execution.max_lifetime_s)"
    until(lambda: not service.live_jobs() and not service.secrets, "nothing is left")


def test_without_a_keeper_the_next_command_ends_it(service: Service, yard: Yard) -> None:
    task = {"name": "long", "container": "i", "harness": {"command": "sleep 600"}}
    words = ("-c", config(yard, task, deployment=DEMO, execution={"max_lifetime_s": 30}), "--wait", "--allow-unlisted")
    with yard.start("evalyard", "run", *words) as process:
        until(lambda: any(job.replicas for job in service.jobs.values()), "the job runs", process=process)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=90)
    next(iter(service.endpoints.values())).created -= 31
    rows = json.loads(yard.call("status", "--json", code=None).out)
    until(lambda: not service.live_endpoints(), "the endpoint is gone")
    yard.call("kill", rows[0]["job"].split(".")[0])
    assert (service.live_jobs(), service.secrets) == ([], {})


def test_an_endpoint_that_lives_on_is_asked_for_once_a_look(desk: Desk, service: Service) -> None:
    trial = desk.trial(LEAVE, serve=SERVE)
    trial.provision()
    handles = trial.need_handles(NeedKind.SERVER)
    (endpoint,) = service.endpoints.values()
    wait_until(lambda: endpoint.state() == "Ready", "it is ready")
    before = len(service.requests)
    trial.session.status(desk.context(trial), handles)
    assert [request.path for request in service.requests[before:]] == [f"/deployments/{handles[0].id}"]
    trial.close()
