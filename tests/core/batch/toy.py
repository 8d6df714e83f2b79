"""A scheduler that is a folder: commands that submit to a file, print it, and break as told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from evalyard import BatchSystem, JobRow, JobState

_COMMON = """\
#!/bin/sh
toy=$(dirname "$0")/..
echo "${0##*/} $*" >>"$toy/calls"
if [ -e "$toy/down" ]; then echo 'toy: no answer' >&2; exit 1; fi
"""
_TEXTS = {
    "tsub": """\
if [ -e "$toy/refusal" ]; then cat "$toy/refusal" >&2; exit 1; fi
env >"$toy/environment"
id=$(($(cat "$toy/last") + 1))
echo "$id" >"$toy/last"
echo "$id|$2|waiting|$(pwd)|" >>"$toy/jobs"
if [ -e "$toy/silence" ]; then rm "$toy/silence"; echo 'toy: no answer' >&2; exit 1; fi
if [ -e "$toy/banner" ]; then cat "$toy/banner"; fi
echo "Job <$id> is submitted."
""",
    "tstat": """\
case $1 in
  --jobs=*) ids=,${1#*=}, ;;
  *) ids= ;;
esac
while IFS= read -r line; do
  case $ids in '' | *",${line%%|*},"*) echo "$line" ;; esac
done <"$toy/jobs"
""",
    "tacct": 'if [ -e "$toy/accounts" ]; then cat "$toy/accounts"; else echo "nobody counts" >&2; exit 1; fi\n',
    "tdel": """\
for id; do sed -e "s/^\\($id|[^|]*\\)|[a-z]*|/\\1|killed|/" "$toy/jobs" >"$toy/new" && mv "$toy/new" "$toy/jobs"; done
""",
}


def parse(text: str) -> Iterable[JobRow]:
    """Read what `tstat` and `tacct` print."""
    if "<html>" in text:
        raise ValueError("that is a web page")
    for line in text.splitlines():
        parts = line.split("|")
        if len(parts) == 5:
            yield JobRow(id=parts[0], name=parts[1], word=parts[2], folder=parts[3], reason=parts[4])


TOY = BatchSystem(
    title="Toy",
    submit=("tsub", "--name", "{name}", "{script}", "{attempt}"),
    number=r"<(\d+)>",
    number_variable="TOY_ID",
    queue=("tstat", "--user={user}"),
    queue_of=("tstat", "--jobs={numbers}"),
    parse_queue=parse,
    none_known=("none of these",),
    accounts=("tacct", "{numbers}"),
    parse_accounts=parse,
    no_accounts=("nobody counts",),
    cancel=("tdel", "{numbers}"),
    states={
        "waiting": JobState.QUEUED,
        "going": JobState.RUNNING,
        "done": JobState.SUCCEEDED,
        "killed": JobState.CANCELLED,
        "broken": JobState.FAILED,
        "late": JobState.TIMED_OUT,
    },
    header="#TOY",
    own_variables=("TOY_*",),
    kept_variables=("TOY_HOME",),
    passes=lambda said: "no answer" in said,
)


@frozen(kw_only=True)
class Toy:
    """What the commands answer.

    Attributes:
        folder: with `bin`, which goes on PATH.
    """

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Toy:
        """Write the commands into a folder."""
        (folder / "bin").mkdir(parents=True)
        for name, text in _TEXTS.items():
            command = folder / "bin" / name
            command.write_text(_COMMON + text)
            command.chmod(0o755)
        for name, text in {"jobs": "", "calls": "", "last": "10\n"}.items():
            (folder / name).write_text(text)
        return cls(folder=folder)

    def say(self, name: str, text: str = "") -> None:
        """Let the commands find a file of this name, such as `refusal`, `silence`, `down`, `jobs`."""
        (self.folder / name).write_text(text)

    def unsay(self, name: str) -> None:
        """Remove such a file."""
        (self.folder / name).unlink()

    def calls(self, command: str = "") -> list[str]:
        """Return how commands were called until now."""
        return [line for line in (self.folder / "calls").read_text().splitlines() if line.startswith(command)]
