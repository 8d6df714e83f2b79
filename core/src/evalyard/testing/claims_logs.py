"""Claims about logs: every byte once, whole lines, and an end."""

from __future__ import annotations

import time
from collections.abc import Mapping

from attrs import frozen

from evalyard.orchestrator.follow import read_logs
from evalyard.records.handles import Handle
from evalyard.records.observations import LogChunk
from evalyard.testing.claims import Claims
from evalyard.testing.patience import wait_until
from evalyard.testing.rig import LEAVE_RESULTS, Rig, stranger, task
from evalyard.testing.trial import Trial

TINY_LIMIT = 7
LONG_LINE = 20_000
TAIL = 50
_GROWING = """\
i=0; while [ "$i" -lt 20 ]; do echo "line-$i is longer than the limit"; i=$((i + 1)); done
sleep 0.3; echo line-last"""
_ODD = f"""\
echo ünïcödé-ünïcödé; printf 'bad-\\377-byte\\n'
printf 'long-%0{LONG_LINE}d-line\\n' 0
printf last-words"""
_LARGE = 'i=0; while [ "$i" -lt {count} ]; do echo "row-$i"; i=$((i + 1)); done'


@frozen(kw_only=True)
class Logs:
    """What was read of three jobs' logs."""

    pieces: list[str]
    """The first job's, in pieces as small as they can be."""
    followed: Mapping[str, list[str]]
    """Task -> its log as `logs --follow` gives it, while the jobs run."""
    again: tuple[LogChunk, LogChunk]
    """Two answers to one question."""
    after: LogChunk
    """What comes after the end."""
    tail: list[str]
    """The last lines of the third job's, as `logs --tail` gives them."""
    kept: list[str]
    """The first job's, after everything was torn down."""


class LogClaims(Claims):
    """Logs. Three jobs are run once; what was read of their logs is what these claims look at."""

    def logs_read(self, rig: Rig) -> Logs:
        """Run the jobs and read their logs, once for all claims."""
        return self.once("logs", lambda: _read(rig, self.log_lines))

    def test_logs_give_every_line_once_however_small_the_pieces(self, rig: Rig) -> None:
        """`limit` is a wish: at least one whole line comes, however long, and the cursor says how far that was."""
        assert _lines(self.logs_read(rig).pieces) == _GROWN

    def test_following_a_log_misses_nothing_and_ends_with_the_job(self, rig: Rig) -> None:
        """`ended` is found out before the file is read: the other way round, last words come after the end."""
        assert _lines(self.logs_read(rig).followed["growing"]) == _GROWN

    def test_logs_survive_bytes_that_are_no_text_and_never_split_a_character(self, rig: Rig) -> None:
        """Cut bytes at line ends, then decode with `errors="replace"`; `evalyard.read_log` and `cut_log` do."""
        lines = self.logs_read(rig).followed["odd"]
        assert lines.count("ünïcödé-ünïcödé") == 1
        assert lines.count("bad-\N{REPLACEMENT CHARACTER}-byte") == 1

    def test_logs_give_a_long_line_whole(self, rig: Rig) -> None:
        """A line that is longer than the buffer is read on, not cut."""
        assert self.logs_read(rig).followed["odd"].count(f"long-{'0' * LONG_LINE}-line") == 1

    def test_logs_keep_last_words_without_a_newline(self, rig: Rig) -> None:
        """The job script ends the line before it says anything itself: run that script, or do likewise."""
        assert self.logs_read(rig).followed["odd"].count("last-words") == 1

    def test_a_large_log_is_read_to_its_end(self, rig: Rig) -> None:
        """Backends that give the newest lines only have to be asked page by page."""
        rows = [line for line in self.logs_read(rig).followed["large"] if line.startswith("row-")]
        assert len(rows) == self.log_lines
        assert rows == [f"row-{number}" for number in range(self.log_lines)]

    def test_the_tail_of_a_large_log_is_its_last_lines(self, rig: Rig) -> None:
        """`logs --tail` reads the whole log, whoever has read it before, and shows its end."""
        logs = self.logs_read(rig)
        assert logs.tail == logs.followed["large"][-TAIL:]
        assert f"row-{self.log_lines - 1}" in logs.tail

    def test_the_same_cursor_gives_the_same_lines(self, rig: Rig) -> None:
        """Where the reader is stands in the cursor alone: an answer that is lost is asked for again."""
        one, other = self.logs_read(rig).again
        assert one.lines
        assert one == other

    def test_logs_stay_ended_after_the_end(self, rig: Rig) -> None:
        """The cursor of the last chunk means the end for ever."""
        after = self.logs_read(rig).after
        assert (after.lines, after.ended) == ((), True)

    def test_logs_outlive_the_teardown(self, rig: Rig) -> None:
        """Teardown removes what a job holds at the backend, and not what it said."""
        assert _lines(self.logs_read(rig).kept) == _GROWN

    def test_a_log_that_does_not_exist_is_empty_and_no_error(self, rig: Rig) -> None:
        """A job in the queue has no log yet, a job without a model server never has that one."""
        trial = rig.trial(task(LEAVE_RESULTS))
        (handle,) = trial.begin()
        absent = stranger(handle)
        for asked, role in ((handle, "server"), (absent, "server")):
            with self.no_error():
                chunk = trial.session.logs(trial.run.context(), asked, role, "", 1 << 16)
            assert chunk.lines == (), role


_GROWN = [*(f"line-{number} is longer than the limit" for number in range(20)), "line-last"]


def _lines(log: list[str]) -> list[str]:
    """Leave out what the job script itself says."""
    return [line for line in log if line.startswith("line-")]


def _read(rig: Rig, count: int) -> Logs:
    commands = {"growing": _GROWING, "odd": _ODD, "large": _LARGE.format(count=count)}
    # The results go first: last words shall be last.
    trial = rig.trial(*(task(f"{LEAVE_RESULTS}\n{text}", name=name) for name, text in commands.items()))
    trial.conductor.act()
    handle = trial.attempt().handle  # the others may have to wait for it
    assert handle is not None, trial.attempt().reason
    pieces = read_to_end(trial, handle, TINY_LIMIT)
    followed = _follow(trial)
    again = [trial.session.logs(trial.run.context(), handle, "client", "", 1 << 16) for _ in range(2)]
    _, cursor = _read_on(trial, handle, 1 << 20, "client")
    after = trial.session.logs(trial.run.context(), handle, "client", cursor, 1 << 20)
    trial.finish()
    tail = [line.text for line in read_logs([(trial.run, [3])]).tail(TAIL)]
    trial.session.teardown(trial.run.context(), [handle])
    kept = read_to_end(trial, handle, 1 << 16)
    return Logs(pieces=pieces, followed=followed, again=(again[0], again[1]), after=after, tail=tail, kept=kept)


def _follow(trial: Trial) -> dict[str, list[str]]:
    give_up = time.monotonic() + trial.patience_s

    def wait(pause_s: float) -> None:
        assert time.monotonic() < give_up, "the logs of ended jobs do not end"
        trial.conductor.act()  # a job may wait for the end of another one
        trial.conductor.look()
        time.sleep(pause_s)

    lines: dict[str, list[str]] = {}
    numbers = [header.number for header in trial.run.invocation.jobs]
    for line in read_logs([(trial.run, numbers)]).follow(wait):
        lines.setdefault(line.task, []).append(line.text)
    return lines


def read_to_end(trial: Trial, handle: Handle, limit: int, role: str = "client") -> list[str]:
    """Read a log while it grows, to its end, in pieces of about `limit` bytes."""
    return _read_on(trial, handle, limit, role)[0]


def _read_on(trial: Trial, handle: Handle, limit: int, role: str) -> tuple[list[str], str]:
    """Return the lines of a log, and the cursor at its end."""
    lines: list[str] = []
    cursor, ended = "", False

    def read_on() -> bool:
        nonlocal cursor, ended
        chunk = trial.session.logs(trial.run.context(), handle, role, cursor, limit)
        lines.extend(chunk.lines)
        cursor, ended = chunk.cursor, chunk.ended
        return ended

    while not read_on():
        if not trial.observe(handle).state.final:
            continue
        wait_until(read_on, "the log of an ended job ends", trial.patience_s)
        break
    return lines, cursor
