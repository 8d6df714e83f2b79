"""From what a user types (an id, a unique prefix, a job id) to invocations and jobs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from evalyard.errors import UsageError
from evalyard.store.journal import Damage
from evalyard.store.runs import Store

_WANTED = re.compile(r"([0-9a-f]{1,8})(?:\.([1-9][0-9]*))?")
_LISTED = 8


@frozen(kw_only=True)
class Selection:
    """An invocation, and the job of it that was meant; 0 = all of them."""

    invocation: str
    job: int = 0

    def covers(self, number: int) -> bool:
        """Whether a job of the invocation is meant."""
        return self.job in (0, number)


def look_up(store: Store, text: str) -> Selection:
    """Return what an id or unique prefix means: `a1b2c3d4`, `a1b`, `a1b2c3d4.2`, `a1b.2`, or `latest`.

    Raises:
        UsageError: it means nothing, or several invocations, which are listed.
    """
    known = store.invocations()
    wanted = text.strip().lower()
    if wanted == "latest":
        histories, _ = store.read_all()
        if not histories:
            raise UsageError("there are no runs yet", hint="evalyard run --config FILE")
        return Selection(invocation=histories[0].invocation.id)
    match = _WANTED.fullmatch(wanted)
    if match is None:
        raise UsageError(
            f"'{text}' is not an id: expected an invocation (a1b2c3d4), a job (a1b2c3d4.1) or the start of one",
            hint="evalyard ls runs",
        )
    prefix, job = match[1], int(match[2] or 0)
    found = sorted(name for name in known if name.startswith(prefix))
    if not found:
        raise UsageError(f"no run has the id '{text}'", hint="evalyard ls runs")
    if len(found) > 1:
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        raise UsageError(f"'{text}' is ambiguous: {', '.join(found[:_LISTED])}{more}", hint="give more digits")
    selection = Selection(invocation=found[0], job=job)
    numbers = [header.number for header in store.read(found[0]).invocation.jobs]
    if job and job not in numbers:
        raise UsageError(f"{found[0]} has no job {job}: it has {numbers[0]} to {numbers[-1]}")
    return selection


def look_up_all(store: Store, texts: Sequence[str]) -> tuple[Selection, ...]:
    """Look several ids up; the same job named twice counts once."""
    return tuple(dict.fromkeys(look_up(store, text) for text in texts))


def unended(store: Store) -> tuple[tuple[Selection, ...], tuple[Damage, ...]]:
    """Return every run that has not ended, or the latest one when all have; and the records that cannot be read."""
    histories, damage = store.read_all()
    live = [history for history in histories if not history.ended]
    chosen = tuple(Selection(invocation=history.invocation.id) for history in live or histories[:1])
    return chosen, tuple(damage)
