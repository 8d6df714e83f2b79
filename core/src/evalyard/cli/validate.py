"""`evalyard validate`."""

from __future__ import annotations

from evalyard.cli import hints
from evalyard.cli.options import AsJson, NoDocker, Overrides
from evalyard.cli.render import put, put_json, say
from evalyard.config.loaded import load
from evalyard.errors import EXIT_OK, ConfigError
from evalyard.orchestrator.begin import prepare


def validate(config: str, /, *, override: Overrides = (), no_docker: NoDocker = False, json: AsJson = False) -> int:
    """Check a configuration without running anything, without the network, writing nothing.

    Args:
        config: The configuration file.
    """
    try:
        loaded = load(config, overrides=override, no_docker=no_docker)
        prepared = prepare(loaded.spec)
    except ConfigError as error:
        if not json:
            raise
        put_json({"valid": False, "problems": list(error.problems)})
        return error.exit_code
    executor, jobs = prepared.invocation.connection.executor, len(prepared.plans)
    if json:
        put_json({"valid": True, "problems": [], "executor": executor, "jobs": jobs})
    else:
        put(f"valid: {jobs} job{'s' if jobs != 1 else ''} on {executor}")
        if loaded.spec.deprecations:
            say(f"note: {hints.older_spellings(loaded.path, len(loaded.spec.deprecations))}")
    return EXIT_OK
