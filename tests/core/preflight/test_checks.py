"""evalyard.preflight.checks: which checks a run makes, and which a doctor."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from evalyard.errors import Transient
from evalyard.plugins.context import Context
from evalyard.plugins.discovery import Installed, LoadFailure
from evalyard.plugins.markers import hookimpl
from evalyard.plugins.session import Session
from evalyard.preflight import checks
from evalyard.preflight.checks import bare_findings, doctor_findings, run_findings
from evalyard.records.connections import Connection
from evalyard.records.findings import Finding, Severity
from evalyard.records.plans import Plan
from evalyard.specs import EndpointSpec, RunSpec, Section, TaskSpec
from tests.core.preflight.endpoint_servers import raw_endpoint, reply, unused_url


class Looking:
    """An executor that tells how it was asked."""

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
        asked = (
            f"{ctx.connection.executor}, thorough {ctx.thorough}, plans {len(plans)}, {dict(ctx.connection.address)}"
        )
        return (Finding(severity=Severity.OK, subject="looked", message=asked),)


class Silent:
    """An executor whose backend does not answer."""

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
        raise Transient("nobody answers", hint="wait")


SPEC = RunSpec(
    source="run.yaml",
    execution=Section(name="toy", path="execution", data={}),
    endpoint=EndpointSpec(),
    deployment=None,
    tasks=(),
)


def looked(findings: Sequence[Finding]) -> list[str]:
    return [finding.message for finding in findings if finding.subject == "looked"]


def test_only_a_doctor_lets_a_check_take_its_time() -> None:
    session = Session(Looking, Connection(executor="toy", address={"host": "far"}))
    assert looked(run_findings(SPEC, (), session, {})) == ["toy, thorough False, plans 0, {'host': 'far'}"]
    assert looked(doctor_findings(SPEC, (), session, {})) == ["toy, thorough True, plans 0, {'host': 'far'}"]


class Far(Looking):
    """One whose jobs are elsewhere."""

    runs_here = False


@pytest.mark.parametrize(("executor", "severity"), [(Looking, Severity.ERROR), (Far, Severity.WARNING)])
def test_a_silent_endpoint_is_an_error_only_where_jobs_would_hear_the_same(
    executor: type[Looking], severity: Severity
) -> None:
    spec = evolve(SPEC, endpoint=EndpointSpec(url=unused_url(), model_id="m"), tasks=(TaskSpec(name="smoke"),))
    found = doctor_findings(spec, (), Session(executor, Connection(executor="toy")), {})
    assert [(one.severity, "where they run" in one.message) for one in found if one.subject == "endpoint"] == [
        (severity, severity is Severity.WARNING)
    ]


def test_what_an_endpoint_answers_here_counts_for_jobs_elsewhere() -> None:
    with raw_endpoint(reply(401, {"error": "who are you"})) as server:
        spec = evolve(SPEC, endpoint=EndpointSpec(url=server.url, model_id="m"), tasks=(TaskSpec(name="smoke"),))
        found = doctor_findings(spec, (), Session(Far, Connection(executor="toy")), {})
    assert [one.severity for one in found if one.subject == "endpoint"] == [Severity.ERROR]


def test_a_run_warns_of_a_silent_endpoint_as_this_machine_hears_it() -> None:
    spec = evolve(SPEC, endpoint=EndpointSpec(url=unused_url(), model_id="m"))
    for executor in (Looking, Far):
        found = run_findings(spec, (), Session(executor, Connection(executor="toy")), {})
        (warning,) = [one for one in found if one.subject == "endpoint"]
        assert (warning.severity, "where they run" in warning.message) == (Severity.WARNING, executor is Far)


def installed(name: str) -> Installed:
    return Installed(group="evalyard.executors", name=name, package=name, version="1", target="m:C")


def test_without_a_configuration_every_usable_executor_looks_around(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = LoadFailure(plugin=installed("broken"), reason="no")
    classes: dict[str, type[object]] = {"toy": Looking, "silent": Silent}
    monkeypatch.setattr(checks, "check_executors", lambda: (broken, *(installed(name) for name in classes)))
    monkeypatch.setattr(checks, "open_session", lambda connection: Session(classes[connection.executor], connection))
    found = bare_findings({})
    assert looked(found) == ["toy, thorough True, plans 0, {}"]
    (silent,) = (finding for finding in found if finding.subject == "executor silent")
    assert (silent.severity, silent.message, silent.remedy) == (Severity.ERROR, "nobody answers", "wait")
    assert silent.unreachable
