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
        ConfigError as ConfigError,
        EvalyardError as EvalyardError,
        InvalidJob as InvalidJob,
        PluginError as PluginError,
        SecretError as SecretError,
        Transient as Transient,
    )
    from evalyard.harness.evidence import (
        StartRecord as StartRecord,
        attempt_folder as attempt_folder,
        attempts_in as attempts_in,
        boot_id as boot_id,
        parse_exit as parse_exit,
        parse_start as parse_start,
        process_table as process_table,
        read_exit as read_exit,
        read_start as read_start,
    )
    from evalyard.harness.logs import (
        read_log as read_log,
    )
    from evalyard.harness.script import (
        DEFAULT_READY_TIMEOUT_S as DEFAULT_READY_TIMEOUT_S,
        REVOKED_FOLDER as REVOKED_FOLDER,
        SERVER_FOLDER as SERVER_FOLDER,
        job_script as job_script,
        server_script as server_script,
        with_server_script as with_server_script,
    )
    from evalyard.plugins.context import (
        Context as Context,
    )
    from evalyard.plugins.markers import (
        API as API,
        hookimpl as hookimpl,
    )
    from evalyard.records import (
        Binding as Binding,
        Connection as Connection,
        ExitRecord as ExitRecord,
        Finding as Finding,
        Handle as Handle,
        Harness as Harness,
        Job as Job,
        LaunchError as LaunchError,
        LogChunk as LogChunk,
        Need as Need,
        NeedKind as NeedKind,
        Observation as Observation,
        Plan as Plan,
        PlannedFile as PlannedFile,
        SecretRef as SecretRef,
        Server as Server,
        Severity as Severity,
    )
    from evalyard.secrets import (
        SECRETS_FILE as SECRETS_FILE,
        quote as quote,
        read_env_file as read_env_file,
        redact as redact,
        render_env_file as render_env_file,
    )
    from evalyard.specs import (
        CommandSpec as CommandSpec,
        DeploymentSpec as DeploymentSpec,
        EndpointSpec as EndpointSpec,
        EnvValue as EnvValue,
        EnvVars as EnvVars,
        ResultFile as ResultFile,
        ResultFormat as ResultFormat,
        Section as Section,
        ServerPaths as ServerPaths,
        TaskSpec as TaskSpec,
        ValueSource as ValueSource,
    )
    from evalyard.states import (
        JobState as JobState,
    )

__version__ = "0.1.0"

_HOMES = {
    "evalyard.errors": "BackendError ConfigError EvalyardError InvalidJob PluginError SecretError Transient",
    "evalyard.harness.evidence": (
        "StartRecord attempt_folder attempts_in boot_id parse_exit parse_start process_table read_exit read_start"
    ),
    "evalyard.harness.logs": "read_log",
    "evalyard.harness.script": (
        "DEFAULT_READY_TIMEOUT_S REVOKED_FOLDER SERVER_FOLDER job_script server_script with_server_script"
    ),
    "evalyard.plugins.context": "Context",
    "evalyard.plugins.markers": "API hookimpl",
    "evalyard.records": (
        "Binding Connection ExitRecord Finding Handle Harness Job LaunchError LogChunk Need NeedKind "
        "Observation Plan PlannedFile SecretRef Server Severity"
    ),
    "evalyard.secrets": "SECRETS_FILE quote read_env_file redact render_env_file",
    "evalyard.specs": (
        "CommandSpec DeploymentSpec EndpointSpec EnvValue EnvVars ResultFile ResultFormat Section ServerPaths "
        "TaskSpec ValueSource"
    ),
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
