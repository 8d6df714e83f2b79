"""Which checks precede a run, and which a doctor makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalyard.errors import EvalyardError
from evalyard.exports.variables import wanted
from evalyard.plugins.context import Context
from evalyard.plugins.discovery import LoadFailure, check_executors
from evalyard.plugins.session import Session, open_session
from evalyard.preflight.endpoint import from_elsewhere, reachable
from evalyard.preflight.findings import endpoint_findings, secret_findings
from evalyard.records.connections import Connection
from evalyard.records.findings import Finding, Severity
from evalyard.records.plans import Plan
from evalyard.secrets import SecretSource
from evalyard.specs import RunSpec


def dry_findings(spec: RunSpec, plans: Sequence[Plan], environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return what can be said of a run without asking anybody: which variables are set."""
    return secret_findings(plans, environ, wanted(spec.export_env) if spec.auto_export else ())


def run_findings(
    spec: RunSpec, plans: Sequence[Plan], session: Session, environ: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Return what to know before a run, quickly."""
    found = [*dry_findings(spec, plans, environ), *_backend(plans, session, environ)]
    if spec.deployment is None and spec.endpoint.url:
        finding = reachable(spec.endpoint.url)
        if finding is not None:
            found.append(finding if session.runs_here else from_elsewhere(finding))
    return tuple(found)


def doctor_findings(
    spec: RunSpec, plans: Sequence[Plan], session: Session, environ: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Return everything that can be found out, one real request to the endpoint included."""
    asked = endpoint_findings(spec, environ)
    return (
        *dry_findings(spec, plans, environ),
        *_backend(plans, session, environ, thorough=True),
        *(asked if session.runs_here else map(from_elsewhere, asked)),
    )


def bare_findings(environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return what the installed executors find without a configuration: there are no plans, and no address."""
    found: list[Finding] = []
    for plugin in check_executors():
        if isinstance(plugin, LoadFailure):
            continue  # `executor_findings` tells why
        try:
            session = open_session(Connection(executor=plugin.name))
        except EvalyardError as error:
            found.append(_failure(plugin.name, error))
        else:
            found += _backend((), session, environ, thorough=True)
    return tuple(found)


def _backend(
    plans: Sequence[Plan], session: Session, environ: Mapping[str, str], *, thorough: bool = False
) -> tuple[Finding, ...]:
    context = Context(connection=session.connection, thorough=thorough, secrets=SecretSource(environ=environ))
    try:
        return session.check(context, plans)
    except EvalyardError as error:
        return (_failure(session.connection.executor, error),)


def _failure(executor: str, error: EvalyardError) -> Finding:
    return Finding(
        severity=Severity.ERROR,
        subject=f"executor {executor}",
        message=error.message,
        remedy=error.hint or "",
        unreachable=error.transient,
    )
