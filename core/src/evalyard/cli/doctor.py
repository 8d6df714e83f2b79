"""`evalyard doctor`."""

from __future__ import annotations

import os
import sys

from evalyard.cli.options import AsJson, ConfigDir, ConfigFile, ConfigName, EnvFile, NoDocker, Overrides
from evalyard.cli.render import finding_json, put_json, show_findings
from evalyard.config.loaded import load
from evalyard.errors import EXIT_BACKEND, EXIT_OK, EXIT_USAGE
from evalyard.orchestrator.begin import prepare
from evalyard.preflight.checks import bare_findings, doctor_findings
from evalyard.preflight.findings import executor_findings, machine_findings
from evalyard.records.findings import Finding, Severity


def doctor(
    *,
    config: ConfigFile = None,
    config_dir: ConfigDir = None,
    config_name: ConfigName = None,
    override: Overrides = (),
    no_docker: NoDocker = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> int:
    """Check this machine, and what a configuration needs: its executor, its endpoint (one request), its secrets.

    Exits 0 when nothing stands in the way, 2 when something has to be mended, 3 when only something does not answer.
    """
    findings: list[Finding] = [*machine_findings(), *executor_findings()]
    if config or config_name:
        loaded = load(config, config_dir, config_name, overrides=override, no_docker=no_docker, env_file=env_file)
        prepared = prepare(loaded.spec)
        findings += doctor_findings(prepared.spec, prepared.plans, prepared.session, loaded.environ)
    else:
        findings += bare_findings(os.environ)
    if json:
        put_json([finding_json(finding) for finding in findings])
    else:
        show_findings(findings, to=sys.stdout)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if not errors:
        return EXIT_OK
    return EXIT_BACKEND if all(error.unreachable for error in errors) else EXIT_USAGE
