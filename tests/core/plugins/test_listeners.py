"""evalyard.plugins.listeners: everybody is told, whoever fails, and nobody who hangs holds up a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from attrs import define, field

from evalyard.errors import EvalyardError, PluginError, Transient
from evalyard.plugins.context import Context
from evalyard.plugins.listeners import listeners_among, tell
from evalyard.plugins.markers import hookimpl
from evalyard.records.connections import Connection
from evalyard.records.observations import JobEnd
from evalyard.states import JobState

END = JobEnd(invocation="a1b2c3d4", job="a1b2c3d4.1", task="t", attempt=1, state=JobState.SUCCEEDED)


def context(seconds: float = 60.0) -> Context:
    return Context(connection=Connection(executor="toy"), deadline=time.monotonic() + seconds)


@define
class Ear:
    """Takes note, or does not."""

    fault: BaseException | None = None
    gate: threading.Event | None = None
    heard: list[JobEnd] = field(factory=list)

    @hookimpl
    def ended(self, ctx: Context, ends: Sequence[JobEnd]) -> None:
        self.heard += ends
        if self.gate:
            self.gate.wait()
        if self.fault:
            raise self.fault


class Deaf:
    """Has no interest in ends."""


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


def test_only_who_wants_to_be_told_is_a_listener() -> None:
    assert [listener.name for listener in listeners_among([Deaf(), Ear()])] == ["Ear"]


@pytest.mark.parametrize("fault", [Transient("later"), RuntimeError("bug"), OSError("no route")])
def test_one_who_fails_keeps_nobody_from_being_told(fault: Exception) -> None:
    ears = [Ear(), Ear(fault), Ear()]
    with pytest.raises(EvalyardError):
        tell(listeners_among(ears), context(), [END])
    assert [ear.heard for ear in ears] == [[END]] * 3


@pytest.mark.parametrize(
    ("fault", "raised", "words"),
    [
        (Transient("later"), Transient, "later"),
        (ConnectionResetError("reset"), Transient, "extension Ear could not take note of ends: reset"),
        (KeyError("oops"), PluginError, "extension Ear failed to take note of ends: KeyError: 'oops'"),
        (SystemExit(2), PluginError, "extension Ear failed to take note of ends: SystemExit: 2"),
    ],
)
def test_why_one_did_not_take_note_is_said(fault: BaseException, raised: type[EvalyardError], words: str) -> None:
    with pytest.raises(raised) as caught:
        tell(listeners_among([Ear(fault)]), context(), [END])
    assert caught.value.message == words


def test_while_one_may_take_note_later_all_are_told_again_and_every_reason_is_said() -> None:
    with pytest.raises(Transient, match="ValueError: bug; later"):
        tell(listeners_among([Ear(ValueError("bug")), Ear(Transient("later"))]), context(), [END])


def test_one_who_hangs_is_left_behind_and_not_called_again_before_it_ends(gate: threading.Event) -> None:
    hanging, other = Ear(gate=gate), Ear()
    listeners = listeners_among([hanging, other])
    for words in ("extension Ear did not take note of ends in time", "extension Ear is still busy with earlier ends"):
        with pytest.raises(Transient, match=words):
            tell(listeners, context(0.0), [END])
        assert listeners[1].problem(time.monotonic() + 60.0) is None
    gate.set()
    assert listeners[0].problem(time.monotonic() + 60.0) is None
    tell(listeners, context(), [END])
    assert (len(hanging.heard), len(other.heard)) == (2, 3)
