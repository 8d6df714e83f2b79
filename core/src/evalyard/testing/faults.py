"""What goes wrong between core and an executor, as wrappers around its hooks: they fit any executor."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from evalyard.errors import Transient
from evalyard.plugins.context import Context
from evalyard.plugins.markers import hookimpl
from evalyard.records.handles import Handle, LaunchError
from evalyard.records.plans import Plan


class LostReply:
    """The first launch takes effect, and its reply is lost: a timeout, a 408, a 502."""

    def __init__(self) -> None:
        self.lost = 0

    @hookimpl(wrapper=True)
    def launch(
        self, ctx: Context, plans: Sequence[Plan]
    ) -> Generator[None, Mapping[str, Handle | LaunchError], Mapping[str, Handle | LaunchError]]:
        """Let it happen, and say nothing of it, once."""
        answers = yield
        if not self.lost:
            self.lost += 1
            raise Transient("the reply was lost")
        return answers
