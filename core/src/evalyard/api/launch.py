"""Starting a run from Python, and the steps of it for whoever shows more between them. Nothing here prints."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from evalyard.config.loaded import Loaded, load
from evalyard.errors import BackendError, EvalyardError, UsageError
from evalyard.orchestrator.begin import Prepared, begin, prepare, undone_when_interrupted
from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.plan import check_listed, check_trust
from evalyard.orchestrator.run import OpenRun
from evalyard.orchestrator.survey import RunStatus, survey
from evalyard.preflight.checks import run_findings
from evalyard.preflight.endpoint import only_model
from evalyard.records.findings import Finding, Severity
from evalyard.store.history import History
from evalyard.store.lookup import Selection
from evalyard.store.runs import Store


def run(
    config: str | Path,
    overrides: Sequence[str] = (),
    *,
    wait: bool = True,
    tasks: Sequence[str] = (),
    env_file: str | Path | None = None,
    trust_pre_cmd: bool = False,
    allow_unlisted: bool = False,
) -> RunStatus:
    """Run the evaluations of a configuration, as `evalyard run` does, and return where they stand.

    Args:
        config: a file, or the name of an example.
        overrides: changes of it, each as after `-o`.
        wait: whether to stay until every job has ended; an interrupt then ends what was started.
        tasks: only these: `NAME`, or `NAME.0`.
        env_file: a file with variables that the environment lacks; by default `.env` of the current folder.
        trust_pre_cmd: allow pre_cmd and post_cmd.
        allow_unlisted: allow images that no catalogue lists.

    Raises:
        ConfigError: the configuration is wrong.
        UsageError: something has to be mended before it can start.
        BackendError: the backend or the endpoint does not answer.
        EvalyardError: it could not be started. A job that fails is no error: its state says so.
    """
    loaded = load(str(config), overrides=overrides, env_file=Path(env_file) if env_file else None, tasks=tasks)
    check_allowed(loaded, trust_pre_cmd=trust_pre_cmd, allow_unlisted=allow_unlisted)
    store = Store()
    loaded, _ = with_model(loaded)
    prepared, findings = prepared_to_run(loaded, store)
    if errors := [finding for finding in findings if finding.severity is Severity.ERROR]:
        raise refusal(errors)
    opened = begin(store, prepared, environ=loaded.environ, stay=wait, announce=lambda _: None)
    if wait:
        see_through(opened)
    return survey(store, [Selection(invocation=opened.id)])[0]


def check_allowed(loaded: Loaded, *, trust_pre_cmd: bool, allow_unlisted: bool) -> None:
    """Refuse what nobody said is wanted, here or in the environment.

    Raises:
        ConfigError: shell text of the configuration, or images that no catalogue lists.
    """
    check_trust(loaded.spec, trusted=trust_pre_cmd or os.environ.get("EVALYARD_TRUST_PRE_CMD") == "1")
    check_listed(loaded.spec, allowed=allow_unlisted or os.environ.get("EVALYARD_ALLOW_UNLISTED") == "1")


def with_model(loaded: Loaded) -> tuple[Loaded, str]:
    """Return the configuration with the endpoint's only model where it names none, and that model, else "".

    Raises:
        EvalyardError: the endpoint does not say, or serves several.
    """
    endpoint = loaded.spec.endpoint
    if loaded.spec.deployment is not None or endpoint.model_id or not endpoint.url:
        return loaded, ""
    key = loaded.environ.get(endpoint.api_key_name) if endpoint.api_key_name else None
    model = only_model(endpoint.url, key, api_key_name=endpoint.api_key_name)
    return loaded.with_override(f"target.api_endpoint.model_id={model}"), model


def prepared_to_run(loaded: Loaded, store: Store) -> tuple[Prepared, Sequence[Finding]]:
    """Plan a run under a new id, and look whether it can start."""
    prepared = prepare(loaded.spec, store.unused_id())
    return prepared, run_findings(prepared.spec, prepared.plans, prepared.session, loaded.environ)


def refusal(errors: Sequence[Finding]) -> EvalyardError:
    """Return what to raise for findings that are errors."""
    text = "\n".join(f"{error.subject}: {error.message}" for error in errors)
    hint = "\n  ".join(dict.fromkeys(error.remedy for error in errors if error.remedy)) or None
    kind = BackendError if all(error.unreachable for error in errors) else UsageError
    return kind(f"nothing was started\n{text}", hint=hint)


def see_through(opened: OpenRun, tell: Callable[[Conductor, History], None] = lambda _conductor, _: None) -> History:
    """Stay with a run until every job has ended.

    Args:
        tell: called after every look.

    Raises:
        Interrupted: somebody interrupted; what was started is undone, or named.
    """
    conductor = Conductor(opened)
    with undone_when_interrupted(opened), opened.store.keeping(opened.id):
        return conductor.see_through(lambda history: tell(conductor, history))
