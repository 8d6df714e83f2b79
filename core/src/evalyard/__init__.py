"""evalyard launches LLM evaluations on whatever backend has a plugin.

What this module exports is all that a plugin needs, and all that it may import; `run`, `status`, `results` and
`scores` are for programs. Names are imported when they are first used, so that `import evalyard` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalyard.api.launch import (
        run as run,
    )
    from evalyard.api.look import (
        results as results,
        scores as scores,
        status as status,
    )
    from evalyard.batch.answers import (
        BatchAnswer as BatchAnswer,
    )
    from evalyard.batch.cluster import (
        Cluster as Cluster,
    )
    from evalyard.batch.executor import (
        BatchExecutor as BatchExecutor,
    )
    from evalyard.batch.plans import (
        batch_plan as batch_plan,
    )
    from evalyard.batch.settings import (
        BatchSettings as BatchSettings,
    )
    from evalyard.batch.system import (
        BatchSystem as BatchSystem,
        JobRow as JobRow,
    )
    from evalyard.config.typed import (
        structure as structure,
    )
    from evalyard.errors import (
        BackendError as BackendError,
        ConfigError as ConfigError,
        EvalyardError as EvalyardError,
        InvalidJob as InvalidJob,
        PluginError as PluginError,
        SecretError as SecretError,
        Transient as Transient,
    )
    from evalyard.exports.context import (
        ExportContext as ExportContext,
    )
    from evalyard.exports.files import (
        ExportFile as ExportFile,
        export_files as export_files,
        task_folder as task_folder,
    )
    from evalyard.exports.records import (
        Exported as Exported,
    )
    from evalyard.exports.settings import (
        ExportSettings as ExportSettings,
    )
    from evalyard.harness.carried import (
        PLACE_VARIABLE as PLACE_VARIABLE,
        STORAGE_VARIABLE as STORAGE_VARIABLE,
        Home as Home,
        carried_job as carried_job,
        carried_server as carried_server,
        is_for_home as is_for_home,
        read_home as read_home,
        unpack_home as unpack_home,
    )
    from evalyard.harness.contained import (
        INSIDE_SCRIPT as INSIDE_SCRIPT,
        harness_mounts as harness_mounts,
        inside_script as inside_script,
        inside_server_script as inside_server_script,
        server_mounts as server_mounts,
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
        cut_log as cut_log,
        read_log as read_log,
    )
    from evalyard.harness.places import (
        HARNESS_INSIDE as HARNESS_INSIDE,
        INSIDE as INSIDE,
        JOB_INSIDE as JOB_INSIDE,
        LOG_INSIDE as LOG_INSIDE,
        Places as Places,
    )
    from evalyard.harness.rundir import (
        write_run_dir as write_run_dir,
    )
    from evalyard.harness.script import (
        DEFAULT_READY_TIMEOUT_S as DEFAULT_READY_TIMEOUT_S,
        REVOKED_FOLDER as REVOKED_FOLDER,
        job_script as job_script,
        job_variables as job_variables,
        server_script as server_script,
        server_step_script as server_step_script,
        server_variables as server_variables,
        with_server_script as with_server_script,
    )
    from evalyard.ids import (
        SERVER_FOLDER as SERVER_FOLDER,
        server_folder as server_folder,
        server_of as server_of,
    )
    from evalyard.orchestrator.survey import (
        JobStatus as JobStatus,
        RunStatus as RunStatus,
    )
    from evalyard.plugins.context import (
        Context as Context,
    )
    from evalyard.plugins.markers import (
        API as API,
        hookimpl as hookimpl,
    )
    from evalyard.records.connections import (
        Connection as Connection,
    )
    from evalyard.records.files import (
        PlannedFile as PlannedFile,
        SecretRef as SecretRef,
    )
    from evalyard.records.findings import (
        Finding as Finding,
        Severity as Severity,
    )
    from evalyard.records.handles import (
        Handle as Handle,
        LaunchError as LaunchError,
    )
    from evalyard.records.jobs import (
        Job as Job,
        JobCard as JobCard,
    )
    from evalyard.records.observations import (
        ExitRecord as ExitRecord,
        JobEnd as JobEnd,
        LogChunk as LogChunk,
        Observation as Observation,
    )
    from evalyard.records.plans import (
        Binding as Binding,
        Need as Need,
        NeedKind as NeedKind,
        Plan as Plan,
    )
    from evalyard.records.programs import (
        Harness as Harness,
        Mount as Mount,
        Server as Server,
    )
    from evalyard.scoring.records import (
        JobResults as JobResults,
        Score as Score,
    )
    from evalyard.scoring.select import (
        full_name as full_name,
        label as label,
    )
    from evalyard.secrets import (
        SECRETS_FILE as SECRETS_FILE,
        quote as quote,
        read_env_file as read_env_file,
        redact as redact,
        render_env_file as render_env_file,
    )
    from evalyard.settings.mounts import (
        Mounts as Mounts,
        mounts_of as mounts_of,
    )
    from evalyard.settings.resources import (
        Compute as Compute,
        Disk as Disk,
        Gpus as Gpus,
        Resources as Resources,
        Walltime as Walltime,
        is_line as is_line,
        is_size as is_size,
        is_walltime as is_walltime,
        is_word as is_word,
        size_bytes as size_bytes,
        walltime_seconds as walltime_seconds,
    )
    from evalyard.settings.surroundings import (
        Credentials as Credentials,
        Network as Network,
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
    "evalyard.api.launch": "run",
    "evalyard.api.look": "results scores status",
    "evalyard.batch.answers": "BatchAnswer",
    "evalyard.batch.cluster": "Cluster",
    "evalyard.batch.executor": "BatchExecutor",
    "evalyard.batch.plans": "batch_plan",
    "evalyard.batch.settings": "BatchSettings",
    "evalyard.batch.system": "BatchSystem JobRow",
    "evalyard.config.typed": "structure",
    "evalyard.errors": "BackendError ConfigError EvalyardError InvalidJob PluginError SecretError Transient",
    "evalyard.exports.context": "ExportContext",
    "evalyard.exports.files": "ExportFile export_files task_folder",
    "evalyard.exports.records": "Exported",
    "evalyard.exports.settings": "ExportSettings",
    "evalyard.harness.evidence": (
        "StartRecord attempt_folder attempts_in boot_id parse_exit parse_start process_table read_exit read_start"
    ),
    "evalyard.harness.carried": (
        "PLACE_VARIABLE STORAGE_VARIABLE Home carried_job carried_server is_for_home read_home unpack_home"
    ),
    "evalyard.harness.contained": "INSIDE_SCRIPT harness_mounts inside_script inside_server_script server_mounts",
    "evalyard.harness.logs": "cut_log read_log",
    "evalyard.harness.places": "HARNESS_INSIDE INSIDE JOB_INSIDE LOG_INSIDE Places",
    "evalyard.harness.rundir": "write_run_dir",
    "evalyard.harness.script": (
        "DEFAULT_READY_TIMEOUT_S REVOKED_FOLDER job_script job_variables server_script "
        "server_step_script server_variables with_server_script"
    ),
    "evalyard.ids": "SERVER_FOLDER server_folder server_of",
    "evalyard.orchestrator.survey": "JobStatus RunStatus",
    "evalyard.plugins.context": "Context",
    "evalyard.plugins.markers": "API hookimpl",
    "evalyard.records.connections": "Connection",
    "evalyard.records.files": "PlannedFile SecretRef",
    "evalyard.records.findings": "Finding Severity",
    "evalyard.records.handles": "Handle LaunchError",
    "evalyard.records.jobs": "Job JobCard",
    "evalyard.records.observations": "ExitRecord JobEnd LogChunk Observation",
    "evalyard.records.plans": "Binding Need NeedKind Plan",
    "evalyard.records.programs": "Harness Mount Server",
    "evalyard.scoring.records": "JobResults Score",
    "evalyard.scoring.select": "full_name label",
    "evalyard.secrets": "SECRETS_FILE quote read_env_file redact render_env_file",
    "evalyard.settings.mounts": "Mounts mounts_of",
    "evalyard.settings.resources": (
        "Compute Disk Gpus Resources Walltime is_line is_size is_walltime is_word size_bytes walltime_seconds"
    ),
    "evalyard.settings.surroundings": "Credentials Network",
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
