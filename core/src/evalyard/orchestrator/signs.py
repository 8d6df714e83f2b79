"""Signs that a job has ended: exit files, which are far cheaper to look for than a backend is to ask."""

from __future__ import annotations

import time
from pathlib import Path

from attrs import define, field

from evalyard.harness.evidence import there
from evalyard.store.history import History

MOST_GLANCES = 10
"""How often one pause is interrupted to look for them, at most."""
SHORTEST_GLANCE_S = 0.02
GLANCE_S_PER_FILE = 0.001


@define
class Signs:
    """The exit files of one run, where its folder is on this machine. They prove nothing: they say when to look."""

    _noticed: set[Path] = field(factory=set)

    def rest(self, pause_s: float, history: History) -> None:
        """Wait, but only until a job ends. Each file cuts a pause short once, whatever the backend says of its job."""
        files = _exit_files(history) - self._noticed
        glance_s = max(SHORTEST_GLANCE_S, pause_s / MOST_GLANCES, GLANCE_S_PER_FILE * len(files))
        until = time.monotonic() + pause_s
        while not (appeared := {file for file in files if there(file)}):
            left_s = until - time.monotonic()
            if left_s <= 0:
                return
            time.sleep(min(glance_s, left_s))
        self._noticed |= appeared


def _exit_files(history: History) -> set[Path]:
    header = history.invocation
    return {
        Path(header.run_dir, header.job(job.number).folder, "attempts", str(job.launched.number), "exit.json")
        for job in history.jobs
        if job.launched.live
    }
