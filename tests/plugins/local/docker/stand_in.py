"""A stand-in for the `docker` command: it records what it is asked, and answers what a test tells it to."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from attrs import frozen

from tests.core.harness.jobs import argv, by_hand, launched, until

CONTAINER_ID = "c0ffee" * 10 + "beef"
DOCKER = """\
# Its answers are files beside it; one call is one write.
cd "$STAND_IN" || exit 99
printf '%s\\036' "$(printf '%s\\037' "$@")" >>calls
unreachable() {
  echo 'Cannot connect to the Docker daemon at unix:///x.sock: connect: no such file or directory' >&2
  exit "${1:-1}"
}
removed() { echo "Error response from daemon: No such container: $1" >&2; exit 1; }
case "$1 $2" in
  'image inspect')
    [ ! -e absent ] || exit 1
    if [ "$3" = --format ]; then cat user; fi ;;
  'pull '*) [ ! -e unknown ] && rm -f absent ;;
  'run --detach' | 'run --attach')
    echo "$$" >running
    while [ -e slow ]; do sleep 0.02; done
    for word; do
      [ -z "${is_file:-}" ] || [ -e nothing ] || cat container >"$WORK/$word"
      if [ "$word" = --cidfile ]; then is_file=yes; else is_file=; fi
    done
    while [ -e slow_to_begin ]; do sleep 0.02; done
    if [ -e refused ]; then cat refused >&2; exit 125; fi
    [ "$2" = --attach ] || exit 0
    until [ -e state ] || [ -e away ] || [ -e removed ]; do sleep 0.02; done
    if [ -e away ]; then unreachable 125; fi
    if [ -e removed ]; then exit 137; fi
    read -r _ code _ <state
    exit "$code" ;;
  'container inspect')
    if [ -e away ]; then touch missed; unreachable; fi
    if [ -e removed ]; then removed "$5"; fi
    if [ -e refused ]; then echo 'created 0 false'; fi
    if [ -e state ]; then cat state; else echo 'running 0 false'; fi ;;
  'wait '*)
    until [ -e state ] || [ -e away ] || [ -e removed ]; do sleep 0.02; done
    if [ -e away ]; then unreachable; fi
    if [ -e removed ]; then removed "$2"; fi
    read -r _ code _ <state
    echo "$code" ;;
  'kill --signal')
    if [ -e deaf ]; then rm deaf; exit 1; fi
    [ -e state ] || echo 'exited 143 false' >state ;;
  'logs --follow') cat output ;;
  'inspect --format') cat address; [ -s address ] ;;
  'network inspect') [ -e network ] ;;
  'network create') echo made-network ;;
  'version --format') cat platform ;;
esac
"""
FAST_SLEEP = 'case $1 in [12]) exec /bin/sleep 0.05 ;; esac; exec /bin/sleep "$1"'


@frozen(kw_only=True)
class StandIn:
    """The stand-in, in a folder of its own that goes on PATH."""

    folder: Path
    work: Path
    """Where the script works: the folder of run.sh."""

    def variables(self) -> dict[str, str]:
        """Return what a script needs to find it."""
        return {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "STAND_IN": str(self.folder),
            "WORK": str(self.work),
        }

    def launched(self, **more: str) -> dict[str, str]:
        """Return the environment in which evalyard starts a script that finds it."""
        return {**launched(), **self.variables(), **more}

    def by_hand(self, shell: str = "dash") -> subprocess.CompletedProcess[str]:
        """Run the script as a person does."""
        found = self.variables()
        return by_hand(
            self.work, *argv(shell, "run.sh"), PATH=found["PATH"], STAND_IN=found["STAND_IN"], WORK=found["WORK"]
        )

    def add_program(self, name: str, text: str) -> None:
        """Put a program of shell text on PATH, before any other of this name."""
        (self.folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.folder / name).chmod(0o755)

    def answer(self, name: str, text: str = "") -> None:
        """Have it answer from now on as a file of this name says; the file appears whole."""
        draft = self.folder / f".{name}"
        draft.write_text(text)
        draft.rename(self.folder / name)

    def forget(self, name: str) -> None:
        """Take an answer back."""
        (self.folder / name).unlink()

    def ends(self, code: int = 0, *, out_of_memory: bool = False) -> None:
        """Have its container end, now or as soon as it begins."""
        self.answer("state", f"exited {code} {str(out_of_memory).lower()}\n")

    @property
    def calls(self) -> list[list[str]]:
        """Every call's words, in order."""
        file = self.folder / "calls"
        text = file.read_bytes().decode() if file.exists() else ""
        return [call.split("\037")[:-1] for call in text.split("\036")[:-1]]

    def called(self, *words: str) -> list[list[str]]:
        """Return the calls that begin with these words."""
        return [call for call in self.calls if call[: len(words)] == list(words)]

    def await_call(self, *words: str) -> None:
        """Wait until it is called with these words first."""
        until(lambda: self.called(*words))

    @property
    def run(self) -> list[str]:
        """The words of the one call that made a container, from behind `--cidfile FILE`."""
        (call,) = [call for call in self.called("run") if "--cidfile" in call]
        return call[call.index("--cidfile") + 2 :]


def stand_in(folder: Path, work: Path, shell: str = "dash") -> StandIn:
    """Make a stand-in, of an engine that has every image; beside it `sh` is one of `tests.core.harness.jobs.SHELLS`."""
    folder.mkdir(parents=True)
    found = shutil.which(shell)
    assert found is not None
    (folder / "sh").symlink_to(found)
    made = StandIn(folder=folder, work=work)
    made.add_program("docker", DOCKER)
    made.add_program("sleep", FAST_SLEEP)
    for name, text in {"container": CONTAINER_ID, "user": "", "output": "", "platform": "Docker Engine"}.items():
        made.answer(name, text)
    return made
