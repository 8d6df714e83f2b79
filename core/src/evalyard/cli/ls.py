"""`evalyard ls runs|examples|executors`."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from evalyard import config as configuration
from evalyard.cli.options import AsJson
from evalyard.cli.render import put_json, say, show_table
from evalyard.store.history import History
from evalyard.store.runs import Store

if TYPE_CHECKING:
    from evalyard.plugins.listing import Listed


def runs(
    *,
    limit: Annotated[int | None, Parameter(name=["--limit", "-n"], help="Only the latest ones.")] = None,
    json: AsJson = False,
) -> None:
    """List runs, newest first, as they were last seen: asks no backend."""
    histories, damage = Store().read_all()
    shown = histories if limit is None else histories[: max(0, limit)]
    if json:
        put_json([_json(history) for history in shown])
    else:
        rows = [
            (
                history.invocation.id,
                history.invocation.created_at[:19].replace("T", " "),
                history.invocation.connection.executor,
                _states(history),
                ", ".join(dict.fromkeys(header.task for header in history.invocation.jobs[:4])),
                history.invocation.run_dir,
            )
            for history in shown
        ]
        show_table(("run", "started (UTC)", "executor", "jobs", "tasks", "directory"), rows, {}, to=sys.stdout)
    for record in [*damage, *(record for history in histories for record in history.damage)]:
        say(f"damaged record: {record}")


def executors(*, json: AsJson = False) -> None:
    """List installed executors: what they offer, or why one cannot be used."""
    from evalyard.plugins.listing import list_executors

    with contextlib.redirect_stdout(sys.stderr):  # what a stranger's import prints is not what was asked for
        found = list_executors()
    if json:
        put_json([_executor_json(listed) for listed in found])
        return
    rows = [
        (
            listed.plugin.name,
            listed.plugin.package,
            listed.plugin.version,
            "" if listed.api is None else str(listed.api),
            ", ".join(listed.capabilities),
            listed.problem,
        )
        for listed in found
    ]
    columns = ("executor", "package", "version", "api", "capabilities", "problem")
    shown = len(columns) if any(listed.problem for listed in found) else len(columns) - 1
    show_table(columns[:shown], [row[:shown] for row in rows], {}, to=sys.stdout)
    if not found:
        say("no executor is installed: pip install evalyard-local")


def examples(*, json: AsJson = False) -> None:
    """List the configurations that come with evalyard: `run --config NAME` runs one, `init NAME` copies it."""
    found = configuration.examples()
    if json:
        put_json([{"example": one.name, "description": one.description, "path": str(one.path)} for one in found])
    else:
        show_table(("example", "what it is"), [(one.name, one.description) for one in found], {}, to=sys.stdout)


def _states(history: History) -> str:
    counts = Counter(job.latest.state.value for job in history.jobs)
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _executor_json(listed: Listed) -> dict[str, object]:
    plugin = listed.plugin
    return {
        "executor": plugin.name,
        "package": plugin.package,
        "version": plugin.version,
        "class": plugin.target,
        "api": listed.api,
        "capabilities": list(listed.capabilities),
        "problem": listed.problem,
    }


def _json(history: History) -> dict[str, object]:
    header = history.invocation
    return {
        "invocation": header.id,
        "created": header.created_at,
        "executor": header.connection.executor,
        "run_dir": header.run_dir,
        "jobs": [
            {"job": f"{header.id}.{job.number}", "task": header.job(job.number).task, "state": job.latest.state.value}
            for job in history.jobs
        ],
    }
