"""Which checks precede a run, and which a doctor makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalyard.errors import EvalyardError
from evalyard.plugins.context import Context
from evalyard.plugins.session import Session
from evalyard.preflight.endpoint import reachable
from evalyard.preflight.findings import endpoint_findings, secret_findings
from evalyard.records import Finding, Plan, Severity
from evalyard.secrets import SecretSource
from evalyard.specs import RunSpec


def dry_findings(plans: Sequence[Plan], environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return what can be said of a run without asking anybody: which variables are set."""
    return secret_findings(plans, environ)


def run_findings(
    spec: RunSpec, plans: Sequence[Plan], session: Session, environ: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Return what to know before a run: quick, and silent about an endpoint that only the backend may reach."""
    found = [*secret_findings(plans, environ), *_backend(plans, session, environ)]
    if spec.deployment is None and spec.endpoint.url:
        finding = reachable(spec.endpoint.url)
        if finding is not None:
            found.append(finding)
    return tuple(found)


def doctor_findings(
    spec: RunSpec, plans: Sequence[Plan], session: Session, environ: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Return everything that can be found out, one real request to the endpoint included."""
    return (
        *secret_findings(plans, environ),
        *_backend(plans, session, environ),
        *endpoint_findings(spec, environ),
    )


def _backend(plans: Sequence[Plan], session: Session, environ: Mapping[str, str]) -> tuple[Finding, ...]:
    context = Context(connection=session.connection, secrets=SecretSource(environ=environ))
    try:
        return session.check(context, plans)
    except EvalyardError as error:
        subject = f"executor {session.connection.executor}"
        return (
            Finding(
                severity=Severity.ERROR,
                subject=subject,
                message=error.message,
                remedy=error.hint or "",
                unreachable=error.transient,
            ),
        )
