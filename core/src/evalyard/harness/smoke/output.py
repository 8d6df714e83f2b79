"""The files of a run. Each is replaced by rename, so that a reader never sees half of one."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Iterable, Mapping

from .evaluate import Sample
from .redaction import Redactor
from .yaml_text import to_yaml

PROGRESS_INTERVAL_S = 0.2


class OutputFolder:
    """Writes redacted text only. Any method may raise OSError."""

    def __init__(self, folder: Path, redact: Redactor) -> None:
        self._folder = folder
        self._redact = redact
        self._progress_written_at = float("-inf")

    @property
    def results_path(self) -> Path:
        return self._folder / "results.yml"

    @property
    def samples_path(self) -> Path:
        return self._folder / "samples.jsonl"

    def prepare(self) -> None:
        """Makes the folder; removes an earlier run's files, whose scores must not pass for those of a failed one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in (self.results_path, self.samples_path, self._folder / "statistics.json"):
            if path.exists():
                path.unlink()
        self.write_progress(0, now=True)

    def write_progress(self, finished: int, *, now: bool = False) -> None:
        """The number of finished samples in `progress`; skipped when it was written a moment ago, unless `now`."""
        if now or time.monotonic() - self._progress_written_at >= PROGRESS_INTERVAL_S:
            self._replace(self._folder / "progress", f"{finished}\n")
            self._progress_written_at = time.monotonic()

    def write_samples(self, samples: Iterable[Sample]) -> None:
        lines = (json.dumps(self._redact(asdict(sample))) for sample in samples)
        self._replace(self.samples_path, "".join(f"{line}\n" for line in lines))

    def write_statistics(self, statistics: Mapping[str, Any]) -> None:
        self._replace(self._folder / "statistics.json", json.dumps(statistics, indent=2) + "\n")

    def write_results(self, results: Mapping[str, Any]) -> None:
        self._replace(self.results_path, to_yaml(self._redact(results)))

    def _replace(self, path: Path, text: str) -> None:
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
