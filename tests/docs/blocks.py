"""Markdown pages as the tests of documentation see them: fenced blocks, headings and links.

What is written before a block as an HTML comment tells how the block is tested:

    <!-- over: first.yaml -->      a fragment of a configuration, merged over that file of the page
    <!-- exits with: 2 -->         the last command of the block, or `validate` of the configuration, and is meant to
    <!-- result file -->           YAML that a harness leaves, not a configuration
    <!-- not run: REASON -->       cannot be executed here
    <!-- with: EXPORTER -->        the tests of that exporter look at it, where its package is installed
    <!-- needs: docker -->         executed only where that backend is (`tests/backends.py`); beside one of the above
"""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

REPOSITORY = Path(__file__).parents[2]
EXECUTED = frozenset({"console", "python", "sh", "toml", "yaml"})
"""Languages of blocks that are tested; `text` is for what holds neither commands nor configuration."""

_FENCE = re.compile(r"(?P<indent> *)```(?P<language>\w*)\s*")
_COMMENT = re.compile(r"<!-- (?P<text>.*?) -->")
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"#{1,6} (?P<text>.+)")
_FILE_NAME = re.compile(r"# (?P<name>[\w./-]+\.\w+)\s*")
_DIRECTIVES = ("over", "exits with", "result file", "not run", "with", "needs")


class PageError(Exception):
    """A page is not written in the form that its tests understand."""


@frozen(kw_only=True)
class Command:
    """One command of a console block, and the output that the page shows below it."""

    text: str
    shown: tuple[str, ...]
    place: str


@frozen(kw_only=True)
class Block:
    """One fenced block."""

    language: str
    text: str
    place: str
    """`page:line` of the fence."""
    directive: str = ""
    """What kind of comment stands before it, one of those above."""
    argument: str = ""
    """What follows the colon there."""
    needs: str = ""
    """The backend without which it cannot be executed; empty = none."""

    @property
    def file(self) -> str | None:
        """The name of the file that the block shows: its first line, as a comment."""
        match = _FILE_NAME.fullmatch(self.text.partition("\n")[0])
        return match["name"] if match else None

    @property
    def commands(self) -> list[Command]:
        """The commands of a console block: lines after `$ `, continued after `> `."""
        commands: list[Command] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                commands.append(Command(text=line[2:], shown=(), place=self.place))
            elif not commands:
                raise PageError(f"{self.place}: a console block begins with a command after `$ `")
            elif line.startswith("> ") and not commands[-1].shown:
                commands[-1] = Command(text=f"{commands[-1].text}\n{line[2:]}", shown=(), place=self.place)
            else:
                last = commands[-1]
                commands[-1] = Command(text=last.text, shown=(*last.shown, line), place=self.place)
        return commands


@frozen(kw_only=True)
class Page:
    """One Markdown file."""

    path: Path
    blocks: tuple[Block, ...]
    anchors: frozenset[str]
    links: tuple[str, ...]
    prose: str
    """Everything outside of blocks."""

    @property
    def needs(self) -> frozenset[str]:
        """The backends that its blocks need."""
        return frozenset(block.needs for block in self.blocks if block.needs)

    @property
    def name(self) -> str:
        """Its path below the repository."""
        return self.path.relative_to(REPOSITORY).as_posix() if self.path.is_relative_to(REPOSITORY) else self.path.name


def pages() -> list[Page]:
    """Return README.md and every page of docs/."""
    paths = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    return [read_page(path) for path in paths]


def read_page(path: Path) -> Page:
    """Take a page apart. Raises PageError for an unknown directive and for a fence without an end."""
    lines = path.read_text(encoding="utf-8").splitlines()
    blocks, prose = [], []
    told: dict[str, str] = {}
    index = 0
    while index < len(lines):
        line, number = lines[index], index + 1
        index += 1
        fence = _FENCE.fullmatch(line)
        if fence is None:
            prose.append(line)
            if line.strip():
                said = _directive(line, f"{path.name}:{number}")
                told = {**told, **said} if said else {}
            continue
        body = []
        while index < len(lines) and lines[index].strip() != "```":
            body.append(lines[index].removeprefix(fence["indent"]))
            index += 1
        if index == len(lines):
            raise PageError(f"{path.name}:{number}: this fence has no end")
        index += 1
        place, text = f"{path.name}:{number}", "\n".join(body)
        needs = told.pop("needs", "")
        directive, argument = next(iter(told.items()), ("", ""))
        block = Block(
            language=fence["language"], text=text, place=place, directive=directive, argument=argument, needs=needs
        )
        blocks.append(block)
        told = {}
    text = "\n".join(prose)
    headings = [match["text"] for line in prose if (match := _HEADING.fullmatch(line))]
    return Page(
        path=path,
        blocks=tuple(blocks),
        anchors=frozenset(_anchor(heading) for heading in headings),
        links=tuple(match["target"] for match in _LINK.finditer(text)),
        prose=text,
    )


def table(page: Page, heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading, without its head; cells are stripped, `\\|` is a bar."""
    _, found, below = page.prose.partition(f"# {heading}\n")
    if not found:
        raise PageError(f"{page.name}: no heading {heading!r}")
    rows: list[list[str]] = []
    for line in below.splitlines():
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            rows.append([cell.strip().replace("\\|", "|") for cell in cells])
        elif rows or _HEADING.fullmatch(line):
            break
    if len(rows) <= 2:
        raise PageError(f"{page.name}: no table below {heading!r}")
    return rows[2:]


def _directive(line: str, place: str) -> dict[str, str]:
    match = _COMMENT.fullmatch(line.strip())
    if match is None:
        return {}
    kind, _, argument = match["text"].partition(":")
    if kind not in _DIRECTIVES:
        raise PageError(f"{place}: {kind!r} is none of {', '.join(_DIRECTIVES)}")
    return {kind: argument.strip()}


def _anchor(heading: str) -> str:
    """Return the anchor that Git hosts give to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
