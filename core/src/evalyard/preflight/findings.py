"""What `doctor` and `run` look at before anything is sent. Findings name variables, never their values."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import frozen

from evalyard import __version__
from evalyard.catalogue.resolve import resolve
from evalyard.catalogue.tasks import catalogue
from evalyard.orchestrator.plan import secrets_of
from evalyard.plugins.discovery import LoadFailure, check_executors
from evalyard.preflight.diagnosis import SUBJECT
from evalyard.preflight.endpoint import EndpointError, only_model, probe
from evalyard.records.files import SecretRef
from evalyard.records.findings import Finding, Severity
from evalyard.records.plans import Plan
from evalyard.secrets import SecretSource
from evalyard.specs import EnvValue, RunSpec, TaskSpec, ValueSource
from evalyard.store.home import state_home

OLDEST_PYTHON = (3, 11)
LITTLE_SPACE_BYTES = 100 * 2**20
"""Records take little; what fills the disk is found out here before it costs a run."""
_SEVERITIES = (Severity.OK, Severity.WARNING, Severity.ERROR)


def worst(findings: Iterable[Finding]) -> Severity:
    """Return the gravest severity among findings; OK when there are none."""
    return max((finding.severity for finding in findings), key=_SEVERITIES.index, default=Severity.OK)


def machine_findings() -> tuple[Finding, ...]:
    """Look at what evalyard itself needs on this machine."""
    return (
        python_finding(sys.version_info[:3]),
        _ok("evalyard", __version__),
        _records_finding(state_home()),
    )


def python_finding(running: tuple[int, int, int]) -> Finding:
    """Say whether a Python version is recent enough."""
    text = ".".join(map(str, running))
    if running[:2] >= OLDEST_PYTHON:
        return _ok("python", f"{text} ({sys.executable})")
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return _error("python", f"{text} is older than {wanted}", f"python{wanted} -m pip install evalyard")


def executor_findings() -> tuple[Finding, ...]:
    """Import every installed executor and say which can be used."""
    findings = []
    for found in check_executors():
        if isinstance(found, LoadFailure):
            plugin = found.plugin
            subject = f"executor {plugin.name}"
            remedy = found.remedy or f"pip install --upgrade evalyard {plugin.package}"
            findings.append(_error(subject, found.reason, remedy))
        else:
            findings.append(_ok(f"executor {found.name}", f"{found.package} {found.version}"))
    return tuple(findings) or (_error("executors", "no executor is installed", "pip install evalyard-local"),)


def secret_findings(
    plans: Iterable[Plan], environ: Mapping[str, str], exports: Iterable[SecretRef] = ()
) -> tuple[Finding, ...]:
    """Look for the value of every variable that these plans and exports take from where `run` is called."""
    refs = {ref.variable: ref for ref in (*secrets_of(plans), *exports)}
    return tuple(_secret_finding(ref, environ) for ref in refs.values())


def endpoint_findings(spec: RunSpec, environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Ask the given endpoint one real request for each type that the tasks use.

    Args:
        environ: where the API key is looked up.
    """
    if spec.deployment is not None:
        return (_ok(SUBJECT, f"served by the run itself (deployment type {spec.deployment.type})"),)
    url, name = spec.endpoint.url, spec.endpoint.api_key_name
    if url is None:
        remedy = "-o target.api_endpoint.url=http://HOST:PORT/v1/chat/completions"
        return (_error(SUBJECT, "the configuration gives neither a URL nor a deployment", remedy),)
    findings: list[Finding] = []
    asked: set[tuple[str, str | None]] = set()
    for task in spec.tasks:
        key = _key(task, name, environ)
        kind = resolve(task, spec.endpoint, catalogue(spec.catalogue)).endpoint_type
        if (kind, key.value) in asked:
            continue
        asked.add((kind, key.value))
        findings.append(key.problem or _probe(url, kind, spec.endpoint.model_id, key))
    return tuple(dict.fromkeys(findings))


@frozen(kw_only=True)
class _Key:
    """The API key as far as it can be had here."""

    variable: str | None = None
    value: str | None = None
    problem: Finding | None = None


def _key(task: TaskSpec, name: str | None, environ: Mapping[str, str]) -> _Key:
    if name is None:
        return _Key()
    declared = task.env.get(name) or EnvValue(source=ValueSource.HOST, text=name)
    if declared.source is ValueSource.LITERAL:
        return _Key(variable=name, value=declared.text)
    if declared.source is ValueSource.RUNTIME:
        message = f"{name} has its value only where the job runs, so the endpoint was not asked from here"
        finding = Finding(severity=Severity.WARNING, subject=SUBJECT, message=message)
        return _Key(variable=name, problem=finding)
    ref = SecretRef(name=name, variable=declared.text, where=declared.where)
    if not environ.get(ref.variable):
        return _Key(variable=ref.variable, problem=_secret_finding(ref, environ))
    return _Key(variable=ref.variable, value=SecretSource(environ=environ).value(ref.variable))


def _probe(url: str, kind: str, model_id: str | None, key: _Key) -> Finding:
    if model_id is None:
        try:
            model_id = only_model(url, key.value, api_key_name=key.variable)
        except EndpointError as error:
            return Finding(
                severity=Severity.ERROR,
                subject=SUBJECT,
                message=error.message,
                remedy=error.hint or "",
                unreachable=error.unreachable,
            )
    return probe(url, kind, model_id, key.value, api_key_name=key.variable)


def _secret_finding(ref: SecretRef, environ: Mapping[str, str]) -> Finding:
    subject = f"variable {ref.variable}"
    if environ.get(ref.variable):
        return _ok(subject, "set")
    place = f" (wanted by {ref.where})" if ref.where else ""
    state = "empty" if ref.variable in environ else "not set"
    remedy = f"export {ref.variable}=... or put it into a file and pass --env-file FILE"
    severity = Severity.WARNING if ref.variable in environ else Severity.ERROR
    return Finding(severity=severity, subject=subject, message=f"{state}{place}", remedy=remedy)


def _records_finding(home: Path) -> Finding:
    subject, remedy = "records", "export EVALYARD_HOME=/a/folder/of/yours"
    nearest = home
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        return _error(subject, f"{home} cannot be made: {nearest} is not a folder", remedy)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return _error(subject, f"{home} cannot be written: no permission for {nearest}", remedy)
    free = shutil.disk_usage(nearest).free
    message = f"{home}, {free / 2**30:.1f} GiB free"
    if free < LITTLE_SPACE_BYTES:
        return Finding(severity=Severity.WARNING, subject=subject, message=message, remedy=remedy)
    return _ok(subject, message)


def _ok(subject: str, message: str) -> Finding:
    return Finding(severity=Severity.OK, subject=subject, message=message)


def _error(subject: str, message: str, remedy: str) -> Finding:
    return Finding(severity=Severity.ERROR, subject=subject, message=message, remedy=remedy)
