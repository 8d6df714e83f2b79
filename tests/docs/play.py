"""Executes the blocks of a page, in order, in a folder that looks like a checkout with its environment made.

Pages speak of an endpoint at `localhost:8000`, of images that everybody can pull, of the folder `/home/you/evalyard`
and of ids and times that were once real. Commands get the endpoint, the images and the ids of this execution; output is
compared with both sides made neutral.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Collection
from pathlib import Path

import pytest
from attrs import define, field

from evalyard.cli.app import call
from evalyard.scoring.parse import parse_results
from evalyard.store.runs import Store
from tests.docker_images import BUSYBOX, PYTHON
from tests.docs.blocks import REPOSITORY, Block, Command, Page, PageError

ENDPOINT = "localhost:8000"
"""What pages call the endpoint of the reader's own."""
FOLDER = "/home/you/evalyard"
"""Where pages are read: the checkout."""
HOME = "/home/you/.local/state/evalyard"
"""Where the reader's records are."""
IMAGES = {"alpine:3.22": BUSYBOX, "python:3.12-slim": PYTHON}
"""Image on pages -> image of tests that stands for it."""
COMMAND_TIMEOUT_S = 60
_ID = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8}\b")
_ANY_LINES = "..."
_NEUTRAL = (
    (re.compile(r"\d{4}-\d\d-\d\d[-T ]\d\d[-:]\d\d[-:]\d\d(\.\d+)?(Z|\+00:00)?"), "<moment>"),
    (re.compile(r"\b\d+:\d\d(:\d\d)?\b(?!\d)"), "<duration>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<loopback>"),
    (re.compile(r"\(/\S*python[\d.]*\)"), "<python>"),
    (re.compile(r"(?<!\S)(/usr)?/bin/(da|ba)?sh\b"), "<sh>"),
    (re.compile(r"\b\d+\.\d+\.\d+\b"), "<version>"),
    (re.compile(r"[\d.]+ GiB"), "<size>"),
    (re.compile(r"\b\d+\.\d{3} s\b"), "<seconds>"),
    (re.compile(r"(?<=backend_id)\s+\d+"), " <process>"),
    (re.compile(r"\s+"), " "),
)
_PASSING = re.compile(r"<id>\.\d+ \S+ (PENDING|PROVISIONING|QUEUED|RUNNING)\b.*")
"""What a waiting command says in between: a fast job may have ended before the first look."""


class Mismatch(Exception):
    """A page shows something that does not happen."""


@define
class Player:
    """Plays one page."""

    folder: Path
    endpoint: str
    """`host:port` of the endpoint that stands for the reader's own."""
    environ: dict[str, str] = field(factory=lambda: dict(os.environ))
    timeout_s: float = COMMAND_TIMEOUT_S
    ids: dict[str, str] = field(factory=dict)
    """Id on the page -> id of this execution."""

    def __attrs_post_init__(self) -> None:
        lay_out_checkout(self.folder)
        self.environ["PWD"] = str(self.folder)

    def play(self, page: Page, without: Collection[str] = ()) -> None:
        """Execute every block of a page.

        Args:
            without: backends that are absent; blocks that need one are left out.

        Raises:
            Mismatch: a command or a configuration fails, or shows something else than the page does.
            PageError: a block is of no form that can be executed.
        """
        for block in page.blocks:
            if block.needs not in without:
                self.play_block(block)

    def play_block(self, block: Block) -> None:
        """Execute one block."""
        if block.directive in ("not run", "with") or block.language == "text":
            return
        match block.language:
            case "yaml":
                self._configuration(block)
            case "console":
                self._console(block)
            case "sh":
                self._run(Command(text=block.text, shown=(), place=block.place), self._code_of(block))
            case "python":
                name = block.file or "example.py"
                (self.folder / name).write_text(block.text + "\n", encoding="utf-8")
                self._run(Command(text=f"python {name}", shown=(), place=block.place), 0)
            case "toml":
                tomllib.loads(block.text)
            case _:
                raise PageError(f"{block.place}: nobody knows how to test {block.language or 'a block without a name'}")

    def _console(self, block: Block) -> None:
        commands = block.commands
        for command in commands:
            self._run(command, self._code_of(block) if command is commands[-1] else 0)

    @staticmethod
    def _code_of(block: Block) -> int:
        return int(block.argument) if block.directive == "exits with" else 0

    def _configuration(self, block: Block) -> None:
        text = self._here(block.text)
        if block.directive == "result file":
            if not parse_results(text, block.place):
                raise Mismatch(f"{block.place}: no scores in this result file")
            return
        name = block.file
        if block.directive == "over":
            base = Path(block.argument).with_suffix("")
            name, text = "fragment.yaml", f"defaults: [{base}, _self_]\n{text}"
        if name is None:
            raise PageError(f"{block.place}: say which file this is (`# name.yaml`), or what it is a part of")
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
        if path.parent != self.folder:
            return  # a group's file: the configuration that names it is what can be validated
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            code = call(["validate", name])
        if code != self._code_of(block):
            raise Mismatch(f"{block.place}: evalyard validate exits with {code}: {said.getvalue()}")

    def _run(self, command: Command, expected: int) -> None:
        state = self.folder / ".state"
        # Variables, exported or not, and the current folder last from one command to the next, as in a shell.
        script = f"set -a; trap 'env -0 >{state}' EXIT\n{self._real(command)}\n"
        try:
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.environ["PWD"],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Mismatch(f"{command.place}: $ {command.text}: no end within {self.timeout_s:.0f} s") from error
        output = done.stdout.decode(errors="replace")
        if done.returncode != expected:
            raise Mismatch(f"{command.place}: $ {command.text}\nexits with {done.returncode}:\n{output}")
        entries = state.read_bytes().decode().rstrip("\0").split("\0")
        self.environ = dict(entry.split("=", 1) for entry in entries)
        self._compare(command, output)

    def _real(self, command: Command) -> str:
        def id_of(match: re.Match[str]) -> str:
            if match[0] not in self.ids:
                raise PageError(f"{command.place}: $ {command.text}: no output above shows the id {match[0]}")
            return self.ids[match[0]]

        text = _ID.sub(id_of, self._here(command.text))
        # Installing again and the whole test suite would take minutes: of those, what make would do is looked at.
        return re.sub(r"^make (?!quickstart\b)", "make -n ", text, flags=re.MULTILINE)

    def _here(self, text: str) -> str:
        text = text.replace(ENDPOINT, self.endpoint)
        for shown, real in IMAGES.items():
            text = text.replace(shown, real)
        return text

    def _compare(self, command: Command, output: str) -> None:
        shown = [line for line in command.shown if line.strip()]
        if not shown:
            return
        real = [line for line in output.splitlines() if line.strip()]
        if not self._fits(self._told(shown), self._told(real)):
            raise Mismatch(f"{command.place}: $ {command.text}\nthe page shows other output than this:\n{output}")

    def _told(self, lines: list[str]) -> list[tuple[str, str]]:
        """Return lines as (neutral, as they are), without what passes too fast to be relied on."""
        told = [(self._neutral(line), line) for line in lines]
        return [line for line in told if not _PASSING.fullmatch(line[0])]

    def _neutral(self, line: str) -> str:
        line = line.replace(str(self.folder), FOLDER).replace(self.environ["EVALYARD_HOME"], HOME)
        for shown, real in IMAGES.items():
            line = line.replace(real, shown)
        line = _ID.sub("<id>", line.replace(self.endpoint, ENDPOINT))
        for pattern, word in _NEUTRAL:
            line = pattern.sub(word, line)
        return line.strip()

    def _fits(self, shown: list[tuple[str, str]], real: list[tuple[str, str]]) -> bool:
        if not shown:
            return not real
        (wanted, written), rest = shown[0], shown[1:]
        if wanted == _ANY_LINES:
            return any(self._fits(rest, real[start:]) for start in range(len(real) + 1))
        if not real or real[0][0] != wanted or not self._fits(rest, real[1:]):
            return False
        self.ids.update(zip(_ID.findall(written), _ID.findall(real[0][1]), strict=False))
        return True


def end_all_runs() -> None:
    """Kill every run of the test's own store that has not ended."""
    for history in Store().read_all()[0]:
        if not history.ended:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                call(["kill", history.invocation.id])


def lay_out_checkout(folder: Path) -> None:
    """Make a folder that make takes for this checkout with everything installed already."""
    plugins = [path.relative_to(REPOSITORY).as_posix() for path in REPOSITORY.glob("plugins/*/pyproject.toml")]
    for name in ("Makefile", "constraints-dev.txt", "core/pyproject.toml", *plugins):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    shutil.copytree(REPOSITORY / "examples", folder / "examples")
    (folder / "tools").mkdir()
    # Succeeds at everything, so that make neither builds an environment nor reaches for the network.
    (folder / "tools" / "venv.sh").write_text("exit 0\n", encoding="utf-8")
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("evalyard", "python"):
        (programs / name).symlink_to(Path(sys.executable).parent / name)
    (programs / "activate").write_text(f'PATH="{programs}:$PATH"\n', encoding="utf-8")
