"""evalyard launches LLM evaluations on whatever backend has a plugin.

What this module exports is all that a plugin needs, and all that it may import. Names are imported when they are first
used, so that `import evalyard` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalyard.errors import (
        BackendError as BackendError,
    )
    from evalyard.errors import (
        ConfigError as ConfigError,
    )
    from evalyard.errors import (
        EvalyardError as EvalyardError,
    )
    from evalyard.errors import (
        InvalidJob as InvalidJob,
    )
    from evalyard.errors import (
        PluginError as PluginError,
    )
    from evalyard.errors import (
        SecretError as SecretError,
    )
    from evalyard.errors import (
        Transient as Transient,
    )
    from evalyard.harness.evidence import (
        StartRecord as StartRecord,
    )
    from evalyard.harness.evidence import (
        attempt_folder as attempt_folder,
    )
    from evalyard.harness.evidence import (
        attempts_in as attempts_in,
    )
    from evalyard.harness.evidence import (
        parse_exit as parse_exit,
    )
    from evalyard.harness.evidence import (
        parse_start as parse_start,
    )
    from evalyard.harness.evidence import (
        read_exit as read_exit,
    )
    from evalyard.harness.evidence import (
        read_start as read_start,
    )
    from evalyard.harness.logs import read_log as read_log
    from evalyard.harness.script import (
        SERVER_FOLDER as SERVER_FOLDER,
    )
    from evalyard.harness.script import (
        job_script as job_script,
    )
    from evalyard.harness.script import (
        server_script as server_script,
    )
    from evalyard.harness.script import (
        with_server_script as with_server_script,
    )
    from evalyard.plugins.context import Context as Context
    from evalyard.plugins.markers import API as API
    from evalyard.plugins.markers import hookimpl as hookimpl
    from evalyard.records import (
        Binding as Binding,
    )
    from evalyard.records import (
        Connection as Connection,
    )
    from evalyard.records import (
        ExitRecord as ExitRecord,
    )
    from evalyard.records import (
        Finding as Finding,
    )
    from evalyard.records import (
        Handle as Handle,
    )
    from evalyard.records import (
        Harness as Harness,
    )
    from evalyard.records import (
        Job as Job,
    )
    from evalyard.records import (
        LaunchError as LaunchError,
    )
    from evalyard.records import (
        LogChunk as LogChunk,
    )
    from evalyard.records import (
        Need as Need,
    )
    from evalyard.records import (
        NeedKind as NeedKind,
    )
    from evalyard.records import (
        Observation as Observation,
    )
    from evalyard.records import (
        Plan as Plan,
    )
    from evalyard.records import (
        PlannedFile as PlannedFile,
    )
    from evalyard.records import (
        SecretRef as SecretRef,
    )
    from evalyard.records import (
        Server as Server,
    )
    from evalyard.records import (
        Severity as Severity,
    )
    from evalyard.secrets import SECRETS_FILE as SECRETS_FILE
    from evalyard.secrets import quote as quote
    from evalyard.specs import (
        CommandSpec as CommandSpec,
    )
    from evalyard.specs import (
        EndpointSpec as EndpointSpec,
    )
    from evalyard.specs import (
        EnvValue as EnvValue,
    )
    from evalyard.specs import (
        TaskSpec as TaskSpec,
    )
    from evalyard.specs import (
        ValueSource as ValueSource,
    )
    from evalyard.states import JobState as JobState

__version__ = "0.1.0"

_HOMES = {
    "evalyard.errors": ("BackendError ConfigError EvalyardError InvalidJob PluginError SecretError Transient"),
    "evalyard.harness.evidence": ("StartRecord attempt_folder attempts_in parse_exit parse_start read_exit read_start"),
    "evalyard.harness.logs": "read_log",
    "evalyard.harness.script": "SERVER_FOLDER job_script server_script with_server_script",
    "evalyard.plugins.context": "Context",
    "evalyard.plugins.markers": "API hookimpl",
    "evalyard.records": (
        "Binding Connection ExitRecord Finding Handle Harness Job LaunchError LogChunk Need NeedKind Observation Plan "
        "PlannedFile SecretRef Server Severity"
    ),
    "evalyard.secrets": "SECRETS_FILE quote",
    "evalyard.specs": "CommandSpec EndpointSpec EnvValue TaskSpec ValueSource",
    "evalyard.states": "JobState",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - computed from the one table


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'evalyard' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
