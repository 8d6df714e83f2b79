"""The exporter `local`: results of any number of runs in one JSON or CSV file, and copies of what jobs left."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from evalyard.exports.context import ExportContext
from evalyard.exports.files import export_files, task_folder
from evalyard.exports.records import Exported
from evalyard.exports.result_file import merged_csv, merged_json
from evalyard.exports.settings import ExportSettings
from evalyard.scoring.records import JobResults
from evalyard.store.locks import lock_before

COPIES = "jobs"
"""Where copies are. One level down: a run directory's own folders with a `job.json` are those of its jobs."""


@frozen(kw_only=True)
class LocalSettings(ExportSettings):
    """The section `export.local`."""

    output_dir: str = ""
    """Where the file goes; by default into the run directory of each job."""
    format: Literal["json", "csv"] = "json"
    output_filename: str = field(default="")
    """By default `results.json` or `results.csv`."""
    copy_artifacts: bool = False
    """Whether files are copied beside it, to `jobs/<job>/`; they are on this disk anyway."""

    @output_filename.validator
    def _check_name(self, _: object, value: str) -> None:
        if value != Path(value).name and value:
            raise ValueError("is a path; the folder is what output_dir says")

    @property
    def file(self) -> str:
        """The file's name."""
        return self.output_filename or f"results.{self.format}"


class Local:
    """Writes results to files of this machine."""

    api = 1
    Settings = LocalSettings

    def export(self, ctx: ExportContext, settings: LocalSettings, results: Sequence[JobResults]) -> Sequence[Exported]:
        """Put these results into their file, in place of earlier ones of the same jobs."""
        folders: dict[Path, list[JobResults]] = {}
        for result in results:
            folder = Path(settings.output_dir) if settings.output_dir else task_folder(result).parent
            folders.setdefault(folder, []).append(result)
        for folder, group in folders.items():
            folder.mkdir(parents=True, exist_ok=True)
            for result in group:
                _copy(result, settings, folder / COPIES / result.card.job)
            _write(folder / settings.file, settings, group, ctx.deadline)
        return [
            Exported(job=result.card.job, where=str(folder / settings.file))
            for folder, group in folders.items()
            for result in group
        ]


def _write(path: Path, settings: LocalSettings, results: Sequence[JobResults], deadline: float) -> None:
    merge = merged_csv if settings.format == "csv" else merged_json
    free = lock_before(path.with_name(f".{path.name}.lock"), deadline, "another process has been writing for long")
    try:
        try:
            # As bytes: reading as text would turn a carriage return within a cell into a newline.
            before = path.read_bytes().decode("utf-8", errors="surrogateescape")
        except FileNotFoundError:
            before = ""
        text = merge(before, str(path), results, settings.scores)
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            mask = os.umask(0)
            os.umask(mask)
            Path(draft).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    finally:
        free()


def _copy(result: JobResults, settings: LocalSettings, target: Path) -> None:
    """Put a job's files into a folder, in place of those of an earlier export."""
    files = export_files(result, settings)
    if not files:
        return
    target.parent.mkdir(exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for file in files:
            copy = draft / file.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, copy)
        draft.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
