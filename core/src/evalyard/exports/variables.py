"""The variables of exporters: `export.env_vars`, and those that an SDK reads by convention (MLFLOW_TRACKING_URI).

Values that come from the environment of `run` are kept in a 0600 file beside the records of the run, so that its
keeper, and a later command elsewhere, have them too. Nothing else holds them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from evalyard.errors import StoreError
from evalyard.exports.destination import Destination
from evalyard.records.files import SecretRef
from evalyard.secrets import SECRETS_FILE, SecretSource, read_env_file, redact, render_env_file
from evalyard.specs import EnvVars, ValueSource

FOLDER = "exports"
"""Below an invocation's records."""
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)


def wanted(declared: EnvVars) -> tuple[SecretRef, ...]:
    """Return the variables of `export.env_vars` that come from where the command is called.

    An export runs on this machine, so `runtime:` means the same as `host:`.
    """
    return tuple(
        SecretRef(name=name, variable=value.text, where=value.where)
        for name, value in declared.items()
        if value.source is not ValueSource.LITERAL
    )


def environment(
    declared: EnvVars, conventional: Iterable[str], environ: Mapping[str, str], records: Path | None
) -> dict[str, str]:
    """Return the variables of an exporter's process.

    Args:
        declared: `export.env_vars`.
        conventional: the names that the exporter's SDK reads; one that is not set now is what it was for `run`.
        environ: the caller's variables.
        records: the folder of the run's records; None = there are none.

    Raises:
        SecretError: a declared variable has no value, naming it and the place of its declaration.
    """
    saved = read_env_file(records / FOLDER / SECRETS_FILE) if records else {}
    conventions = {name: saved[name] for name in conventional if name in saved and name not in environ}
    literals = {name: value.text for name, value in declared.items() if value.source is ValueSource.LITERAL}
    secrets = SecretSource(environ=environ, run_dir=records).values(wanted(declared), f"{FOLDER}/{SECRETS_FILE}")
    found = {**environ, **conventions, **literals, **secrets}
    redact.add(found[name] for name in conventional if name in found and _SECRET_NAME.search(name))
    return found


def keep_variables(
    records: Path, declared: EnvVars, destinations: Iterable[Destination], environ: Mapping[str, str]
) -> None:
    """Keep what the exporters of a run will need.

    Raises:
        SecretError: a declared variable has no value.
        StoreError: the file cannot be written.
    """
    conventional = {name for one in destinations for name in getattr(one.exporter, "variables", ())}
    values = {name: environ[name] for name in conventional if name in environ}
    values |= SecretSource(environ=environ).values(wanted(declared), "")
    if not values:
        return
    folder = records / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder / SECRETS_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(render_env_file(values))
    except OSError as error:
        raise StoreError(f"cannot keep the variables of exporters in {folder}: {error.strerror}") from error
