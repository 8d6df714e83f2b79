"""`evalyard info`."""

from __future__ import annotations

from typing import Any

from evalyard.cli.options import AsJson
from evalyard.cli.render import put, put_json, status_json
from evalyard.ids import split_job_id
from evalyard.orchestrator.survey import RunStatus, survey
from evalyard.store.layout import artifacts_folder, job_folder
from evalyard.store.lookup import look_up
from evalyard.store.runs import Store


def info(id: str = "latest", /, *, json: AsJson = False) -> None:  # noqa: A002 - shown as ID in the help
    """Show everything that is known of a run or job.

    Args:
        id: A run or job; a whole id or its start; by default the latest run.
    """
    store = Store()
    status = survey(store, [look_up(store, id)])[0]
    data = _data(store, status)
    if json:
        put_json(data)
        return
    for key, value in data.items():
        if key != "jobs":
            put(f"{key:<14} {value}")
    for job in data["jobs"]:
        put("")
        for key, value in job.items():
            put(f"  {key:<14} {value}")


def _data(store: Store, status: RunStatus) -> dict[str, Any]:
    header = status.history.invocation
    jobs = []
    for job in status.jobs:
        _, number = split_job_id(job.job)
        folder = job_folder(store, header, header.job(number))
        handle = status.history.job(number).launched.handle
        jobs.append(
            status_json(job)
            | {
                "backend_id": handle.id if handle else "",
                "log": str(folder / "logs" / "stdout.log"),
                "artifacts": str(artifacts_folder(store, header, header.job(number), job.attempt)),
                "script": str(folder / "run.sh"),
            }
        )
    return {
        "invocation": header.id,
        "created": header.created_at,
        "configuration": header.source,
        "executor": header.connection.executor,
        "run_dir": header.run_dir,
        "records": str(store.folder(header.id)),
        "evalyard": header.evalyard_version,
        "keeper": "at work" if status.kept else "none",
        "jobs": jobs,
    }
