"""What every exporter may be told: the keys that all sections `export.<name>` have."""

from __future__ import annotations

from attrs import field, frozen

from evalyard.scoring.records import JobResults, Score
from evalyard.scoring.select import fits


@frozen(kw_only=True)
class ExportSettings:
    """The base of an exporter's `Settings`."""

    job_dirs: tuple[str, ...] = ()
    """Run directories, or folders of tasks in them, that `evalyard export` sends too."""
    copy_logs: bool = False
    """Whether the harness's logs go along."""
    copy_artifacts: bool = True
    """Whether files go along: the result file, the harness's own configuration, `job.json`, `config.yaml`."""
    only_required: bool = True
    """Whether it stays at those; false = everything that the harness left."""
    log_metrics: tuple[str, ...] = field(factory=tuple)
    """Names of scores or patterns (`accuracy`, `ifeval.*`); none = all."""

    def scores(self, result: JobResults) -> tuple[Score, ...]:
        """Return the scores of a job that are wanted."""
        return tuple(score for score in result.scores if fits(score, self.log_metrics))
