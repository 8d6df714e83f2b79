"""The steps that an invocation can take next, as data: `decide` names them, `act` takes them."""

from __future__ import annotations

from attrs import frozen

from evalyard.states import JobState


@frozen(kw_only=True)
class Provision:
    """Make a need."""

    need: str


@frozen(kw_only=True)
class Launch:
    """Hand these jobs to the backend, as one batch."""

    jobs: tuple[int, ...]


@frozen(kw_only=True)
class Settle:
    """Record the end of a job that no backend holds."""

    job: int
    state: JobState
    reason: str


@frozen(kw_only=True)
class Abort:
    """Ask a running job to end because it cannot go on."""

    job: int
    reason: str


@frozen(kw_only=True)
class Collect:
    """Bring an ended job's artifacts home."""

    job: int


@frozen(kw_only=True)
class Release:
    """Tear down what ended jobs and unused needs still hold; needs first made are released last."""

    jobs: tuple[int, ...]
    needs: tuple[str, ...]


@frozen(kw_only=True)
class Export:
    """Begin to send the results of these jobs to a destination."""

    destination: str
    jobs: tuple[int, ...]


@frozen(kw_only=True)
class Tell:
    """Tell the extensions that these attempts of jobs have ended."""

    ends: tuple[tuple[int, int], ...]
    """Job and attempt, by number."""


Step = Provision | Launch | Settle | Abort | Collect | Release | Tell | Export
EVERY_STEP = (Provision, Launch, Settle, Abort, Collect, Release, Tell, Export)
BRIEF_STEPS = (Provision, Launch, Settle, Abort, Collect, Release, Tell)
"""The steps that are over once they are taken: an export goes on, so only who stays begins one."""
ENDING_STEPS = (Settle, Collect, Release, Tell)
"""The steps that start nothing."""

Subject = int | str
"""A job, by number, or a need, by key."""

Matter = tuple[str, Subject]
"""One kind of step for one subject, as in `("launch", 1)`: what is tried again on its own account."""
