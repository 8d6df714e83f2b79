"""A batch scheduler as data: its commands as argument lists, what their answers mean, its words for states."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import field, frozen

from evalyard.records.handles import Handle
from evalyard.records.observations import Observation
from evalyard.states import JobState

if TYPE_CHECKING:
    from evalyard.batch.answers import BatchAnswer

NUMBER_ITSELF = "="
"""What stands before a number in an answer where no command's words are around it."""
NO_NUMBER = "-"
"""The answer of a job that was submitted, where that is all that is known."""
LINE_END = "\x1e"
"""What stands in an answer where the command's words had the end of a line."""
_LONGEST_WORDS = 500


@frozen(kw_only=True)
class JobRow:
    """What the queue or accounting says of a job."""

    id: str
    """Its number."""
    word: str
    """The state in the scheduler's word."""
    name: str
    reason: str = ""
    """The scheduler's own: why it waits, or failed."""
    exit_code: str = ""
    """As accounting has it."""
    ended_at: str = ""
    """On the cluster's own clock, without a zone: `2026-01-02T03:04:05`. Empty = it has not ended, or that is not told:
    then a job that has left no files is not believed to have failed before core has waited for them."""
    folder: str = ""
    """Where it was submitted, if that is told."""

    def belongs_to(self, name: str) -> bool:
        """Whether it is the job of this name: numbers are given again after a scheduler has lost its memory."""
        return self.name == name or self.name.endswith(f".{name}")


def one_line(said: str) -> str:
    """Return a command's words on one line."""
    return " ".join(said.split())[:_LONGEST_WORDS].strip()


def says_nothing(said: str) -> bool:
    """Whether there are no words that would make a refusal one for good."""
    return not said.strip()


def _no_rows(_text: str) -> Iterable[JobRow]:
    return ()


@frozen(kw_only=True)
class BatchSystem:
    """A scheduler: its commands and its words.

    Commands are argument lists that are run at the login node. In them, `{user}` is who is logged in there, `{uid}`
    that user's number, and `{numbers}` are numbers of jobs: a word that is nothing else becomes one word for each,
    within a word they stand between commas. `{name}`, `{attempt}` and `{script}` in `submit` are the job's.
    """

    title: str
    """What people call it."""
    submit: tuple[str, ...]
    """Submits `{script}`, in whose folder it is run, under the name `{name}`; the script is given `{attempt}`, as its
    only argument or, where there are none, as the variable EVALYARD_SUBMITTED."""
    number: str = r"\S+"
    """A regular expression for a job's number in a line that `submit` prints, of several the last that has it: its
    first group, or all of it."""
    number_variable: str
    """The variable in which a job finds its own number, as the queue has it."""
    queue: tuple[str, ...]
    """Prints what the scheduler knows of the user's jobs; it may know some that have ended."""
    queue_of: tuple[str, ...] = ()
    """The same of `{numbers}` alone; empty = `queue`."""
    queue_folders: tuple[str, ...] = ()
    """Prints of the user's jobs where they were submitted, if `queue` does not; empty = `queue`."""
    parse_queue: Callable[[str], Iterable[JobRow]]
    """Reads what they print, complaints of the command among it. What it raises as a ValueError is no answer; a line
    that is nobody's job gives no row."""
    none_known: tuple[str, ...] = ()
    """What a queue command says that fails only because it knows none of the jobs: any of these."""
    accounts: tuple[str, ...] = ()
    """Prints what accounting knows of `{numbers}`, which the queue has forgotten. Empty = there is none."""
    parse_accounts: Callable[[str], Iterable[JobRow]] = _no_rows
    """Reads what it prints."""
    no_accounts: tuple[str, ...] = ()
    """What it says where nobody keeps accounts: any of these."""
    cancel: tuple[str, ...]
    """Ends `{numbers}`."""
    states: Mapping[str, JobState]
    """The scheduler's words; any other one is UNKNOWN. A final state is for what has left the scheduler or will never
    begin: such a job is not ended any more. One that it holds because of an error is QUEUED, with the error as its
    `JobRow.reason`."""
    header: str = ""
    """What begins a line of a script that the scheduler reads itself, such as `#PBS`."""
    signals: tuple[str, ...] = ("TERM", "INT")
    """With which the scheduler asks a job to end."""
    grace_s: int = 20
    """How long a job may take to end after that, at least."""
    own_variables: tuple[str, ...] = ()
    """Variables that would change what its commands are asked, such as `PBS_*`: they do not see them."""
    kept_variables: tuple[str, ...] = ()
    """Those among them that they do see."""
    passes: Callable[[str], bool] = says_nothing
    """Whether a refusal in these words may pass by itself, or the request may have been taken all the same."""
    plain: Callable[[str], str] = one_line
    """What is told of its commands' words."""
    server_words: Callable[[str], str] = str
    """What is told of a line of a model server's log; empty = nothing."""
    observe: Callable[[Handle, BatchAnswer], Observation | None] | None = None
    """What is known of a job, from all evidence; None = as `evalyard.batch.evidence` says."""
    commands: Mapping[str, str] = field(factory=dict)
    """Further commands, or others in place of those of `evalyard.batch.commands`: name -> text for a POSIX shell."""

    def state_of(self, word: str) -> JobState:
        """Return the state that a word means."""
        return self.states.get(word, JobState.UNKNOWN)

    def number_in(self, answer: str) -> str:
        """Return the number that `submit` answered; empty = there is none."""
        if answer.startswith(NUMBER_ITSELF):
            return answer.removeprefix(NUMBER_ITSELF)
        if answer == NO_NUMBER:
            return ""
        for line in reversed(answer.split(LINE_END)):
            if found := re.search(self.number, line):
                return next((group for group in found.groups() if group), found.group() if not found.groups() else "")
        return ""
