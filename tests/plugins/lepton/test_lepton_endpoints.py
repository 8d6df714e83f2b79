"""Model servers at the service: why one is not ready is said, none is left, and a stranger's is never touched."""

from __future__ import annotations

import pytest
from attrs import evolve

from evalyard import BackendError, JobState, NeedKind, Observation
from evalyard.orchestrator.steps import Provision
from evalyard.testing.patience import wait_until
from evalyard.testing.rig import BEAT
from evalyard.testing.trial import Trial
from tests.plugins.lepton.desk import LEAVE, SERVE, Desk
from tests.plugins.lepton.service.server import Service


def test_teardown_is_not_done_while_the_endpoint_lives(desk: Desk, service: Service) -> None:
    trial = desk.trial(LEAVE, serve=SERVE)
    trial.provision()
    (handle,) = trial.need_handles(NeedKind.SERVER)
    (endpoint,) = service.endpoints.values()
    endpoint.scenario.survives = True
    assert trial.session.teardown(desk.context(trial, 3), [handle]) == (handle,)
    endpoint.scenario.survives = False
    assert trial.session.teardown(desk.context(trial), [handle]) == ()
    assert trial.session.teardown(desk.context(trial), [handle]) == ()
    assert service.live_endpoints() == []


def observed(desk: Desk, trial: Trial) -> Observation:
    (handle,) = trial.need_handles(NeedKind.SERVER)
    return trial.session.status(desk.context(trial), [handle])[handle.name]


def served(desk: Desk, serve: str = SERVE) -> Trial:
    trial = desk.trial(LEAVE, serve=serve)
    trial.conductor.act((Provision,))
    return trial


@pytest.mark.parametrize("newer", [False, True], ids=["deployments", "endpoints"])
def test_a_crash_loop_fails_the_job_with_the_servers_last_words(desk: Desk, service: Service, newer: bool) -> None:
    service.newer = newer
    trial = desk.trial(BEAT, serve="echo no GPU here; exit 137")
    trial.finish()
    assert trial.attempt().state is JobState.FAILED
    assert "the model server ended: its program ended" in trial.attempt().reason
    if not newer:
        assert "exit code 137: no GPU here" in trial.attempt().reason
    assert service.live_endpoints() == []
    assert service.live_jobs() == []


@pytest.mark.parametrize("reason", ["NoCapacity", "ConfigError"])
def test_what_waiting_does_not_mend_ends_the_run_at_once(desk: Desk, service: Service, reason: str) -> None:
    service.scenario("server", queued=True, readiness=(reason, "no gpu.1xh200 left"))
    trial = desk.trial(BEAT, serve=SERVE)
    trial.finish()
    assert trial.attempt().reason == f"the model server ended: {reason}: no gpu.1xh200 left"
    assert service.live_endpoints() == []


def test_an_endpoint_that_waits_says_for_what(desk: Desk, service: Service) -> None:
    service.scenario("server", queued=True, readiness=("Queueing", "3 before it"))
    trial = served(desk)
    seen = observed(desk, trial)
    assert (seen.state, seen.reason) == (JobState.QUEUED, "Queueing: 3 before it")
    trial.close()


def test_an_endpoint_that_was_put_to_sleep_has_ended(desk: Desk, service: Service) -> None:
    trial = served(desk)
    next(iter(service.endpoints.values())).asleep = True
    seen = observed(desk, trial)
    assert seen.state is JobState.FAILED
    assert "idle_timeout_s" in seen.reason
    trial.close()


def test_an_endpoints_lifetime_ends(desk: Desk, service: Service) -> None:
    desk.settings["max_lifetime_s"] = 60
    trial = served(desk)
    next(iter(service.endpoints.values())).created -= 61
    assert observed(desk, trial).reason == "its lifetime of 60 s is over (execution.max_lifetime_s)"
    trial.close()


def test_an_address_that_comes_late_is_waited_for(desk: Desk, service: Service) -> None:
    service.scenario("server", address_after=2)
    trial = served(desk)
    (handle,) = trial.need_handles(NeedKind.SERVER)
    assert handle.outputs["base_url"].startswith(service.base)
    trial.close()


def test_an_endpoint_of_somebody_else_is_never_adopted_nor_removed(desk: Desk, service: Service) -> None:
    trial = desk.trial(LEAVE, serve=SERVE)
    trial.provision()
    (endpoint,) = service.endpoints.values()
    (handle,) = trial.need_handles(NeedKind.SERVER)
    for env in endpoint.body["spec"]["envs"]:
        if env["name"] == "EVALYARD_LAUNCH":
            env["value"] = "f" * 32
    assert trial.session.find(desk.context(trial), {handle.name: handle.mark}) == {}
    (need,) = (need for need in trial.plans[0].needs if need.kind is NeedKind.SERVER)
    with pytest.raises(BackendError, match="is there and is not ours"):
        trial.session.provision(desk.context(trial), evolve(need, name=handle.name, mark=handle.mark))


def test_early_creation_under_a_name_that_is_still_being_deleted_is_tried_again_later(
    desk: Desk, service: Service
) -> None:
    trial = served(desk)
    next(iter(service.endpoints.values())).deleting.set()
    (need,) = (need for need in trial.plans[0].needs if need.kind is NeedKind.SERVER)
    known = trial.run.history().need("server")
    assert known is not None
    named = evolve(need, name=f"ey-{trial.run.id}-server-1", mark=known.latest.mark)
    wait_until(lambda: not service.live_endpoints(), "it is gone")
    assert trial.session.provision(desk.context(trial), named).outputs["base_url"]
    trial.close()


def test_an_endpoint_that_is_refused_fails_its_jobs_with_the_services_words(desk: Desk, service: Service) -> None:
    service.quota = 0
    trial = desk.trial(LEAVE, serve=SERVE)
    trial.finish()
    assert trial.attempt().state is JobState.FAILED
    assert "the service says 403: " in trial.attempt().reason
    assert (service.jobs, service.secrets) == ({}, {})


def test_an_unknown_node_group_of_a_server_fails_its_jobs_with_the_list(desk: Desk, service: Service) -> None:
    desk.settings["lepton_platform"] = {"deployment": {"node_group": "grup"}}
    trial = desk.trial(LEAVE, serve=SERVE)
    trial.finish()
    assert "there is no node group 'grup'; there are: group, other" in trial.attempt().reason
    assert (service.jobs, service.endpoints, service.secrets) == ({}, {}, {})
