"""evalyard_lepton.gateway: the only user of the SDK, and what of the SDK's ways it keeps from everybody else."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import evalyard_lepton
from evalyard import BackendError, Context, InvalidJob, NeedKind, Transient
from evalyard_lepton import jobs
from evalyard_lepton.gateway import Gateway, bodies, errors, refused_job
from tests.plugins.lepton.desk import BEAT_ONCE, LEAVE, SERVE, Desk
from tests.plugins.lepton.service.server import Service
from tests.plugins.lepton.service.wire import TOKEN, Fault
from tests.plugins.lepton.service.workloads import until

SOURCE = Path(evalyard_lepton.__file__).parent


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_one_package_alone_imports_the_sdk() -> None:
    users = {
        file.relative_to(SOURCE).parts[0]
        for file in SOURCE.rglob("*.py")
        if any(name.partition(".")[0] == "leptonai" for name in imported(file))
    }
    assert users == {"gateway"}


def test_nothing_of_the_sdk_is_imported_before_it_is_asked_for_something() -> None:
    modules = [f"evalyard_lepton.{file.stem}" for file in SOURCE.glob("*.py") if file.stem != "__init__"]
    heavy = "{'leptonai', 'requests', 'pydantic', 'fastapi', 'httpx'}"
    program = f"import sys, {', '.join(modules)}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def gateway_of(desk: Desk, seconds: float = 20.0) -> tuple[Gateway, Context]:
    context = desk.context(desk.trial(LEAVE), seconds)
    return Gateway(context), context


def test_a_netrc_line_for_the_host_does_not_take_the_tokens_place(
    desk: Desk, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with requests.Session() as session:  # what would be sent without our care
        url = f"{service.base}{service.prefix}/workspace"
        assert session.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 401
    assert gateway_of(desk)[0].workspace() == "standin-ws"


@pytest.mark.parametrize("after", [0, 1], ids=["to us", "to the SDK"])
def test_which_api_a_workspace_has_is_never_guessed(desk: Desk, service: Service, after: int) -> None:
    """The SDK takes no answer for the older API, for as long as the process lives."""
    service.newer = True
    service.faults.append(Fault(method="GET", path="/workspace", after=after, times=3, status=503))
    gateway, _ = gateway_of(desk)
    assert gateway.endpoints() == []
    assert [request.path for request in service.requests][-1] == "/endpoints"
    assert service.faults[0].hits == 3


def test_a_service_that_never_says_which_api_it_has_is_asked_for_no_endpoint(desk: Desk, service: Service) -> None:
    service.newer = True
    service.faults.append(Fault(method="GET", path="/workspace", times=99, status=503))
    gateway, _ = gateway_of(desk, 3)
    with pytest.raises(Transient, match="the workspace: the service says 503"):
        gateway.endpoints()
    assert {request.path for request in service.requests} == {"/workspace"}


def test_the_sdks_own_stream_breaks_at_a_character_and_our_reader_does_not(desk: Desk, service: Service) -> None:
    trial = desk.trial(f"echo 'größe 你好 🦙'; {LEAVE}")
    (handle,) = trial.begin()
    trial.await_end(handle)
    gateway = Gateway(desk.context(trial))
    api = gateway._client.job
    (replica,) = api.get_replicas(handle.id)
    with pytest.raises(UnicodeDecodeError):
        list(api.get_log(handle.id, replica.metadata.id_, timeout=20))
    before = len(service.requests)
    assert "größe 你好 🦙" in jobs.read_log(gateway, handle, "", 1 << 20).lines
    assert {request.path for request in service.requests[before:]} == {"/logs"}


def test_a_log_in_which_nothing_happens_keeps_nobody_waiting(desk: Desk, service: Service) -> None:
    service.scenario("ey-", silent=True)
    trial = desk.trial(BEAT_ONCE)
    (handle,) = trial.begin()
    job = service.jobs[handle.id]
    assert until(lambda: job.replicas, 30)
    gateway = Gateway(desk.context(trial))
    with pytest.raises(requests.RequestException):  # for ever, had it not been told how long
        list(gateway._client.job.get_log(handle.id, job.replicas[0].name, timeout=0.2))
    chunk = jobs.read_log(gateway, handle, "", 1 << 20)
    assert (chunk.lines, chunk.ended) == ((), False)
    trial.close()


def test_a_log_that_is_cut_within_its_answer_is_asked_for_again(desk: Desk, service: Service) -> None:
    trial = desk.trial(f"echo one line; {LEAVE}")
    (handle,) = trial.begin()
    trial.await_end(handle)
    service.faults.append(Fault(method="GET", path="/logs", cut="within"))
    assert "one line" in jobs.read_log(Gateway(desk.context(trial)), handle, "", 1 << 20).lines
    assert service.faults[0].hits == 1


def test_a_field_that_the_sdks_types_would_swallow_is_refused_by_name() -> None:
    body: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {"container": {"image": "i"}, "enable_rdma": True}}
    assert refused_job(body) == "the service has no field spec.enable_rdma"
    del body["spec"]["enable_rdma"]
    assert refused_job(body) == ""
    body["metadata"]["name"] = "Not A Name"
    assert refused_job(body) == "Job name must start with a lowercase letter."


def test_a_type_that_does_not_fit_is_told_in_the_sdks_words() -> None:
    from tests.plugins.lepton.service.sdk import LeptonJob

    with pytest.raises(InvalidJob, match="completions"):
        bodies.typed(LeptonJob, {"metadata": {"name": "a"}, "spec": {"completions": "many"}})


def test_an_endpoint_always_has_a_key_of_ours(desk: Desk, service: Service) -> None:
    for told, expected in (({}, None), ({"api_token": "mine"}, ["mine"]), ({"api_tokens": [{"value": "a"}]}, ["a"])):
        trial = desk.trial(LEAVE, serve=SERVE, told=told)
        trial.provision()
        (handle,) = trial.need_handles(NeedKind.SERVER)
        keys = [token["value"] for token in service.endpoints[handle.id].body["spec"]["api_tokens"]]
        assert keys == expected if expected else len(keys[0]) > 30
        trial.close()


@pytest.mark.parametrize("url", ["127.0.0.1:9/api", "ftp://h/api", "http://"])
def test_an_address_that_is_none_is_no_outage(desk: Desk, url: str) -> None:
    desk.settings["workspace_url"] = url
    with pytest.raises(BackendError, match="workspace_url") as caught:
        gateway_of(desk)[0].workspace()
    assert not isinstance(caught.value, Transient)


def test_a_network_error_names_the_address_and_the_cause(desk: Desk) -> None:
    desk.settings["workspace_url"] = "http://127.0.0.1:9/api/v2/workspaces/w"
    with pytest.raises(Transient) as caught:
        gateway_of(desk, 1)[0].workspace()
    assert str(caught.value).startswith("the workspace: no answer from http://127.0.0.1:9: ")
    assert "HTTPConnectionPool" not in str(caught.value)


def test_nothing_of_a_token_is_in_a_message_of_a_refused_workspace() -> None:
    class WorkspaceForbiddenError(RuntimeError):
        """As the SDK's: its text holds a part of the token."""

    told = errors.told("the workspace", WorkspaceForbiddenError("token se****et"))
    assert isinstance(told, BackendError)
    assert "se****et" not in str(told)
    assert "lep login" in str(told.hint)
