"""`evalyard logs`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from evalyard.errors import UsageError
from evalyard.orchestrator.follow import Line, read_logs
from evalyard.orchestrator.run import open_run
from evalyard.store.lookup import look_up_all
from evalyard.store.runs import Store


def logs(
    *ids: str,
    follow: Annotated[
        bool, Parameter(name=["--follow", "-f"], negative=(), show_default=False, help="Stay until the logs end.")
    ] = False,
    tail: Annotated[int | None, Parameter(name=["--tail", "-n"], help="Only the last lines of each job.")] = None,
    role: Annotated[
        str, Parameter(help="client: the harness's log; server: the model server's; NAME: that of a further server.")
    ] = "client",
) -> None:
    """Print the logs of jobs; of several jobs interleaved, each line behind its job.

    Args:
        ids: Runs or jobs, whole ids or their start; by default the latest run.
    """
    store = Store()
    selections = look_up_all(store, ids or ("latest",))
    if tail is not None and tail < 0:
        raise UsageError("--tail takes a number of lines, zero or more")
    runs = []
    for selection in selections:
        run = open_run(store, selection.invocation, strict=False)
        numbers = [header.number for header in run.invocation.jobs if selection.covers(header.number)]
        runs.append((run, numbers))
    several = sum(len(numbers) for _, numbers in runs) > 1
    reader = read_logs(runs, role)
    _show(reader.tail(tail, patient=follow), several=several)
    if follow:
        _show(reader.follow(), several=several)


def _show(lines: Iterator[Line], *, several: bool) -> None:
    for line in lines:
        print(f"{line.job} {line.task} | {line.text}" if several else line.text, flush=True)
