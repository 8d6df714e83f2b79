"""The hooks: all that an executor answers, all that an extension may wrap, and what extensions are told.

Exactly one executor is registered in a session, so every step has one answer, and that answer is never None. Hooks get
and return frozen records. Core owns names, marks, intent, retries, states and secrets; an executor translates.

A hook may raise `Transient` (no answer, or "later": whether the request took effect is not known), `InvalidJob` (a
refusal that stays a refusal) or `BackendError` (the backend cannot be used). Anything else that escapes is reported as
the plugin's bug. Every call must end before `ctx.deadline`; long work asks `ctx.cancelled()` now and then. The bodies
here never run: they are specifications.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalyard.plugins.markers import hookspec

if TYPE_CHECKING:
    from evalyard.plugins.context import Context
    from evalyard.records.findings import Finding
    from evalyard.records.handles import Handle, LaunchError
    from evalyard.records.jobs import Job
    from evalyard.records.observations import JobEnd, LogChunk, Observation
    from evalyard.records.plans import Need, Plan


@hookspec(firstresult=True)
def check(ctx: Context, plans: Sequence[Plan]) -> Sequence[Finding]:
    """Look whether the backend can take these plans (none for a bare `doctor`, whose connection has no address),
    changing nothing.

    Called by `doctor`, and by `run` before anything is made. A finding of severity ERROR stops the run; it says what
    is wrong and which command mends it. An empty answer means that nothing was found, not that nothing was looked at.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def plan(settings: Any, job: Job) -> Plan:
    """Render everything that would be sent for one attempt: files, argv, payload, needs, names of secrets.

    Pure: no network, no subprocess, no clock, nothing written. `settings` is an instance of the executor's `Settings`.
    `launch` later sends exactly this plan. What is known only once a need is there (the URL of a server) is declared
    in `bindings`, and core puts it into `environment` before `launch`. What the executor cannot do for a job, such as
    starting `job.server`, it refuses with a ConfigError that names the key (`deployment`), and never leaves out.

    Example: a batch scheduler renders its script into `files` of a FILES need, and `sbatch ...` into `argv`.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def provision(ctx: Context, need: Need) -> Handle:
    """Make what jobs depend on; called once per need's key, however many jobs share it.

    On return an upload, a pull or an environment is finished; a server is created, not necessarily ready: the job
    script waits for it. Idempotent on `need.name` and `need.mark`: called again after a crash it finishes or adopts.
    Something of the same name without our mark is an error, never adopted.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def launch(ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle | LaunchError]:
    """Start a batch of jobs, with as few requests as the backend allows; answer for every plan, by name.

    One refused job fails alone, as a LaunchError in the backend's words. Idempotent on name and mark: a job that is
    already there is adopted, and nothing runs twice. When the answer as a whole was lost, raise Transient: core looks
    the names up with `find` before it tries again.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def find(ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
    """Look up jobs and needs by name -> mark: adoption after a crash or a lost reply.

    Only what carries our name AND our mark is returned, ended or not. A name that is absent from the answer is
    absent from the backend; when that cannot be said, raise Transient.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def status(ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
    """Say where these jobs and needs stand, in ONE round trip for all, exit files included.

    The answer may be partial: a name left out means "the backend did not mention it", which core counts, and is never
    success. Foreign words map by a table; an unlisted one is UNKNOWN carrying the word. Raise Transient when the
    backend did not answer. An observation may carry a fresher handle.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def logs(ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
    """Return up to `limit` bytes' worth of whole lines after `cursor` ("" = from the start); never wait for more.

    `role` is `client` (the harness), `server` (the model server that it uses) or, where the executor starts further
    ones (`auxiliary_servers`), the name of one in lower case, as its key has it. Bytes that are not UTF-8 are
    replaced; a character is never split; a last line without a newline is given once the job has ended. `ended` says
    that nothing more will come. A log that does not exist (yet) is an empty chunk.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def fetch(ctx: Context, handle: Handle, dest: Path) -> Sequence[str]:
    """Bring a job's artifacts and logs into `dest`, where no disk is shared; return the files' paths below it.

    Repeatable. An executor whose run directory is on this machine's disk does not implement it.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def cancel(ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
    """Ask these jobs to end; return the handles that the request could not be made for.

    They say why in `problem`. Repeatable, and no error for what has ended or is absent: a finished job keeps its true
    result.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def teardown(ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
    """Remove what these jobs and needs still hold at the backend; return the handles that remain.

    They say why in `problem`. Repeatable; what is absent is gone; "gone" only when the backend says so. Goes on past
    one that fails. Results, logs and exit files stay. A handle with neither `id` nor `data` stands for a request that
    was sent and never answered: `find` did not see it, and on return nothing of it may begin any more.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def orphans(ctx: Context, known: Mapping[str, str]) -> Sequence[Handle]:
    """Return what carries our kind of mark, and `ctx.owner`, at this backend and is not among `known`.

    `known` is name -> mark of everything that this launcher has on record, at whatever connection: a backend may be
    reached by several addresses. `ctx.run_dir` is empty.
    """
    raise NotImplementedError


@hookspec
def ended(ctx: Context, ends: Sequence[JobEnd]) -> None:
    """Take note that jobs have ended; for extensions, which implement it plainly: a notification, an audit.

    Called by whoever sees the run through (`run --wait`, the keeper, `kill`, `resume`), after a job's artifacts are on
    this machine's disk, before its results are exported. Every end is told at least once: when telling fails with
    `Transient`, or the teller dies before it has noted that it told, it is told again. Any other error is logged, and
    ends the telling of those jobs. The call is made in a thread of its own. What it does must end before
    `ctx.deadline`: the run waits for it that long, and then goes on as after `Transient`.
    """
    raise NotImplementedError


OBSERVED = frozenset({"ended"})
"""What extensions implement plainly: nobody's answer is replaced."""

REQUIRED = frozenset({"plan", "launch", "find", "status", "logs", "cancel", "teardown"})
"""What every executor must implement; the rest are capabilities."""
