"""`evalyard run`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from evalyard.api.launch import check_allowed, prepared_to_run, with_model
from evalyard.cli import hints
from evalyard.cli.options import AsJson, ConfigDir, ConfigFile, ConfigName, EnvFile, NoDocker, Overrides
from evalyard.cli.planned import plans_json, show_plans
from evalyard.cli.render import put, put_json, say, show_findings, show_notices
from evalyard.cli.waiting import launched, see_through
from evalyard.config.loaded import Loaded, load
from evalyard.errors import EXIT_BACKEND, EXIT_OK, EXIT_USAGE, UsageError
from evalyard.orchestrator.begin import Prepared, begin, prepare
from evalyard.orchestrator.run import OpenRun
from evalyard.preflight.checks import dry_findings
from evalyard.preflight.findings import worst
from evalyard.records.findings import Finding, Severity
from evalyard.store.runs import Store

ConfigArgument = Annotated[str | None, Parameter(help="The configuration, as with --config.")]
Tasks = Annotated[
    tuple[str, ...],
    Parameter(
        name=["--task", "-t"],
        consume_multiple=False,
        negative=(),
        show_default=False,
        help="Only this task: NAME, or NAME.0.",
    ),
]
DryRun = Annotated[
    bool, Parameter(name="--dry-run", negative=(), show_default=False, help="Print what would be sent; write nothing.")
]
Wait = Annotated[
    bool, Parameter(name="--wait", negative=(), show_default=False, help="Stay until every job has ended.")
]
Trust = Annotated[
    bool, Parameter(name="--trust-pre-cmd", negative=(), show_default=False, help="Allow pre_cmd and post_cmd.")
]

Unlisted = Annotated[
    bool,
    Parameter(name="--allow-unlisted", negative=(), show_default=False, help="Allow images that no catalogue lists."),
]


def run(
    file: ConfigArgument = None,
    /,
    *,
    config: ConfigFile = None,
    config_dir: ConfigDir = None,
    config_name: ConfigName = None,
    override: Overrides = (),
    task: Tasks = (),
    no_docker: NoDocker = False,
    dry_run: DryRun = False,
    wait: Wait = False,
    env_file: EnvFile = None,
    trust_pre_cmd: Trust = False,
    allow_unlisted: Unlisted = False,
    json: AsJson = False,
) -> int:
    """Run the evaluations of a configuration.

    Prints the id of the run on stdout, everything else on stderr, and returns once the backend or a keeper holds the
    jobs.
    """
    if file and (config or config_name):
        raise UsageError(f"two configurations are given: {file} and {config or config_name}")
    loaded = load(
        file or config,
        config_dir,
        config_name,
        overrides=override,
        no_docker=no_docker,
        env_file=env_file,
        tasks=task,
    )
    check_allowed(loaded, trust_pre_cmd=trust_pre_cmd, allow_unlisted=allow_unlisted)
    if loaded.names_from_file:
        say(f"from the env file: {', '.join(loaded.names_from_file)}")
    _show_notes(loaded)
    if dry_run:
        return _dry_run(loaded, as_json=json)
    return _launch(loaded, wait=wait, as_json=json)


def _show_notes(loaded: Loaded) -> None:
    count = len(loaded.spec.deprecations)
    if count:
        say(f"note       {hints.older_spellings(loaded.path, count)}")


def _launch(loaded: Loaded, *, wait: bool, as_json: bool) -> int:
    store = Store()
    loaded, model = with_model(loaded)
    if model:
        say(f"model      {model} (the only one that the endpoint serves)")
    prepared, findings = prepared_to_run(loaded, store)
    _show_problems(findings)
    if worst(findings) is Severity.WARNING:
        say("the run starts all the same")
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        return _refusal(errors)
    show_notices()
    opened = begin(
        store, prepared, environ=loaded.environ, stay=wait, announce=lambda run: _announce(run, as_json=as_json)
    )
    _show_where(opened, prepared)
    return see_through(opened) if wait else launched(opened)


def _refusal(errors: list[Finding]) -> int:
    say("nothing was started")
    return EXIT_BACKEND if all(error.unreachable for error in errors) else EXIT_USAGE


def _announce(run: OpenRun, *, as_json: bool) -> None:
    """Give the id at once: whoever captures stdout can go on from here."""
    if as_json:
        jobs = [f"{run.id}.{header.number}" for header in run.invocation.jobs]
        put_json({"invocation": run.id, "run_dir": run.invocation.run_dir, "jobs": jobs})
    else:
        put(run.id)


def _show_where(run: OpenRun, prepared: Prepared) -> None:
    header = run.invocation
    count = len(header.jobs)
    say(f"run        {run.id}: {count} job{'s' if count > 1 else ''} on {header.connection.executor}")
    say(f"directory  {header.run_dir}")
    _show_plan_notes(prepared)
    log = Path(header.run_dir) / header.jobs[0].folder / "logs" / "stdout.log"
    if Path(header.run_dir).is_dir() and not run.session.fetches:
        say(f"log        {hints.tail(log)}")
    say(f"follow     {hints.logs(run.id)}")
    say(f"status     {hints.status(run.id)}")


def _show_plan_notes(prepared: Prepared) -> None:
    for note in prepared.notes:
        say(f"note       {note}")


def _dry_run(loaded: Loaded, *, as_json: bool) -> int:
    prepared = prepare(loaded.spec)
    findings = dry_findings(prepared.spec, prepared.plans, loaded.environ)
    if as_json:
        put_json(plans_json(prepared))
    else:
        show_plans(prepared, to=sys.stdout)
    _show_plan_notes(prepared)
    _show_problems(findings)
    return EXIT_OK


def _show_problems(findings: Sequence[Finding]) -> None:
    problems = [finding for finding in findings if finding.severity is not Severity.OK]
    if problems:
        show_findings(problems, to=sys.stderr)
