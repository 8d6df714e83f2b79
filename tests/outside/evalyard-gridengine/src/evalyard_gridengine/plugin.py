"""Grid Engine: its commands, its words, and what a job asks it for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from attrs import field, frozen

from evalyard import (
    BatchExecutor,
    BatchSettings,
    BatchSystem,
    Compute,
    ConfigError,
    Credentials,
    Job,
    JobRow,
    JobState,
    Network,
    Walltime,
    is_word,
    size_bytes,
)

_SILENT = re.compile(r"unable to contact qmaster|commlib error|failed receiving gdi|can't get response", re.IGNORECASE)


def parse_queue(text: str) -> Iterable[JobRow]:
    """Read what `qstat -xml` prints, of the queue or (with `-j`) of jobs in detail."""
    begin = text.find("<?xml")
    try:
        answer = ElementTree.fromstring(text[max(begin, 0) :])
    except ElementTree.ParseError as error:
        raise ValueError(f"qstat: {error}") from error
    for job in answer.iter("job_list"):
        number, word = job.findtext("JB_job_number", ""), job.findtext("state", "")
        reason = f"it could not begin; why: qstat -j {number}" if word.startswith("E") else ""
        yield JobRow(id=number, name=job.findtext("JB_name", ""), word=word, reason=reason)
    for job in answer.iterfind("djob_info/element"):
        yield JobRow(
            id=job.findtext("JB_job_number", ""),
            name=job.findtext("JB_job_name", ""),
            word="",
            folder=job.findtext("JB_cwd", ""),
        )


def passes(said: str) -> bool:
    """Whether a refusal is the master's silence."""
    return not said.strip() or bool(_SILENT.search(said))


GRID_ENGINE = BatchSystem(
    title="Grid Engine",
    submit=("qsub", "-terse", "-cwd", "-N", "{name}", "{script}", "{attempt}"),
    number=r"^\d+$",
    number_variable="JOB_ID",
    queue=("qstat", "-xml", "-u", "{user}"),
    queue_folders=("qstat", "-xml", "-j", "*"),
    parse_queue=parse_queue,
    cancel=("qdel", "{numbers}"),
    states={
        **dict.fromkeys(("qw", "hqw", "hRwq", "Rq"), JobState.QUEUED),
        **dict.fromkeys(("t", "r", "Rt", "Rr"), JobState.RUNNING),
        **dict.fromkeys(("s", "ts", "S", "tS", "T", "tT", "Rs", "RS", "RT"), JobState.RUNNING),
        **dict.fromkeys(("dt", "dr", "dRt", "dRr", "ds", "dS", "dT"), JobState.RUNNING),
        **dict.fromkeys(("Eqw", "Ehqw", "EhRqw"), JobState.QUEUED),  # until somebody clears the error, or deletes it
    },
    header="#$",
    signals=("TERM", "INT", "USR2"),  # USR2 comes some time before SIGKILL, with -notify
    passes=passes,
)


@frozen(kw_only=True)
class GridEngineSettings(BatchSettings, Compute, Walltime, Network, Credentials):
    """How evaluations run on a Grid Engine cluster."""

    executor = "gridengine"

    queue: str | None = field(default=None, validator=is_word)
    """Where jobs run; null = wherever there is room."""
    project: str | None = field(default=None, validator=is_word)
    """Who pays; null = your default project."""
    parallel_environment: str | None = field(default=None, validator=is_word)
    """The parallel environment that gives several cpus of one machine, if a job has several."""


class GridEngine(BatchExecutor):
    """Runs each task as a job of a Grid Engine cluster."""

    api = 1
    Settings = GridEngineSettings
    system = GRID_ENGINE

    def header(self, settings: GridEngineSettings, job: Job) -> Sequence[str]:
        """Return what Grid Engine reads in a script: options of qsub."""
        del job
        options = ["-S /bin/sh", "-j y", "-o gridengine-$JOB_ID.log", "-r n", "-notify"]
        options.append(f"-l h_rt={settings.walltime_s}")
        cpus = math.ceil(settings.cpus or 1)
        if settings.parallel_environment:
            options.append(f"-pe {settings.parallel_environment} {cpus}")
        elif cpus > 1:
            raise ConfigError(["execution.cpus: several need execution.parallel_environment, which gives them"])
        if settings.memory:
            # It is asked for each cpu.
            options.append(f"-l h_vmem={size_bytes(settings.memory) // cpus}")
        if settings.queue:
            options.append(f"-q {settings.queue}")
        if settings.project:
            options.append(f"-P {settings.project}")
        return options
