"""Looking at runs from Python: states, and what jobs measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalyard.errors import UsageError
from evalyard.orchestrator.gather import gather, gather_folders
from evalyard.orchestrator.survey import RunStatus, survey
from evalyard.scoring.flat import score_rows
from evalyard.scoring.records import JobResults
from evalyard.store.lookup import look_up_all, unended
from evalyard.store.runs import Store


def status(*ids: str) -> tuple[RunStatus, ...]:
    """Return where runs stand.

    Args:
        ids: runs or jobs, whole ids or their start; by default what has not ended, else the latest run.

    Raises:
        UsageError: an id means nothing, or several runs.
    """
    store = Store()
    return tuple(survey(store, look_up_all(store, ids) if ids else unended(store)[0]))


def results(*ids: str, folders: Sequence[str | Path] = ()) -> tuple[JobResults, ...]:
    """Return what jobs measured, and where their numbers come from. A job without scores says why in `problem`.

    Args:
        ids: runs or jobs, whole ids or their start; by default the latest run.
        folders: instead of ids: run directories, or folders of single tasks, from anywhere. No records are needed.

    Raises:
        UsageError: an id means nothing, or several runs.
        ResultsError: no job has been in a folder.
    """
    if folders:
        if ids:
            raise UsageError("ids and folders exclude each other")
        return gather_folders([Path(folder) for folder in folders])
    store = Store()
    return gather(store, survey(store, look_up_all(store, ids or ("latest",))))


def scores(*ids: str, folders: Sequence[str | Path] = ()) -> list[dict[str, Any]]:
    """Return a flat dict for each score that `results` finds: rows for a data frame, fields of `results --json`.

    Raises:
        UsageError, ResultsError: as `results`.
    """
    return score_rows(results(*ids, folders=folders))
