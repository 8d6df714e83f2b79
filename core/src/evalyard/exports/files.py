"""Which files of a job an exporter sends along, and what they are called there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import frozen

from evalyard.exports.settings import ExportSettings
from evalyard.scoring.records import JobResults

RUN_CONFIG = "run_config.yml"
"""What a harness was told, in the task's folder."""


@frozen(kw_only=True)
class ExportFile:
    """One file."""

    path: Path
    """Where it is on this machine."""
    name: str
    """Its path at the destination, `/` between parts: `artifacts/results.yml`, `logs/stdout.log`, `job.json`."""


def task_folder(result: JobResults) -> Path:
    """Return the folder of a job in its run directory; its name tells the job from the others of the run."""
    place = Path(result.artifacts).parent
    return place.parent.parent if place.parent.name == "attempts" else place


def export_files(result: JobResults, settings: ExportSettings, exclude: Sequence[str] = ()) -> tuple[ExportFile, ...]:
    """Return the files that the settings ask for, as far as they are there.

    A link that leads out of the job's folder is left out: what a harness leaves must not send this machine's files.

    Args:
        exclude: patterns of names (`*.bin`) or of whole paths at the destination (`artifacts/cache/*`).
    """
    found: dict[str, ExportFile] = {}
    for file in _wanted(result, settings):
        refused = any(fnmatchcase(file.name, p) or fnmatchcase(file.path.name, p) for p in exclude)
        if not refused and file.path.is_file():
            found.setdefault(file.name, file)
    return tuple(found.values())


def _wanted(result: JobResults, settings: ExportSettings) -> Iterator[ExportFile]:
    artifacts, task = Path(result.artifacts), task_folder(result)
    if settings.copy_artifacts:
        yield from (ExportFile(path=task / name, name=name) for name in ("job.json", RUN_CONFIG))
        if result.config:
            yield ExportFile(path=Path(result.config), name="config.yaml")
        if not settings.only_required:
            yield from _below(artifacts, "artifacts")
        elif result.card.results is not None:
            file = result.card.results.file
            if _inside(artifacts / file, artifacts):
                yield ExportFile(path=artifacts / file, name=f"artifacts/{file}")
    if settings.copy_logs and result.log:
        yield from _below(Path(result.log).parent, "logs")


def _below(folder: Path, name: str) -> Iterator[ExportFile]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and _inside(path, folder):
            yield ExportFile(path=path, name=f"{name}/{path.relative_to(folder).as_posix()}")


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
