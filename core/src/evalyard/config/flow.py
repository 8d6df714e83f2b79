"""Values as `-o` takes them: scalars, quoted texts, `[a, b]` and `{k: v}`, everything else a text as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evalyard.config import scalars
from evalyard.config.node import Plain

_MAX_DEPTH = 20
_QUOTED = re.compile(r"""(["'])((?:\\.|(?!\1)[^\\])*)\1""", re.DOTALL)


def parse_value(text: str) -> Plain:
    """Return the value that the text after `=` means."""
    text = text.strip()
    if text[:1] in {"[", "{", '"', "'"}:
        try:
            reader = _Flow(text)
            value = reader.value(_MAX_DEPTH)
            if reader.at_end():
                return value
        except _NotFlowError:
            # `[ -f x ] && y` is a text that happens to begin like a list.
            return text
        return text
    return scalars.resolve(text)


class _NotFlowError(Exception):
    pass


class _Flow:
    """Reads `[a, b]`, `{k: v}` and quoted texts. Unquoted texts may hold `:` and `/`, so URLs need no quotes."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        self._skip_blanks()
        return self._at == len(self._text)

    def value(self, depth: int) -> Plain:
        if depth == 0:
            raise _NotFlowError
        self._skip_blanks()
        match self._text[self._at : self._at + 1]:
            case "[":
                return list(self._list(depth))
            case "{":
                return dict(self._mapping(depth))
            case '"' | "'":
                return self._quoted()
            case _:
                return scalars.resolve(self._bare(",]}"))

    def _list(self, depth: int) -> Iterator[Plain]:
        yield from (self.value(depth - 1) for _ in self._entries("]"))

    def _mapping(self, depth: int) -> Iterator[tuple[str, Plain]]:
        for _ in self._entries("}"):
            key = self._quoted() if self._text[self._at : self._at + 1] in {'"', "'"} else self._bare(":,]}")
            self._skip_blanks()
            if not key or self._text[self._at : self._at + 1] != ":":
                raise _NotFlowError
            self._at += 1
            yield key, self.value(depth - 1)

    def _entries(self, closing: str) -> Iterator[None]:
        self._at += 1
        self._skip_blanks()
        if self._text[self._at : self._at + 1] == closing:
            self._at += 1
            return
        while True:
            self._skip_blanks()
            yield
            self._skip_blanks()
            end = self._text[self._at : self._at + 1]
            self._at += 1
            if end == closing:
                return
            if end != ",":
                raise _NotFlowError

    def _quoted(self) -> str:
        match = _QUOTED.match(self._text, self._at)
        if match is None:
            raise _NotFlowError
        self._at = match.end()
        return re.sub(r"""\\(["'\\])""", r"\1", match[2])

    def _bare(self, ends: str) -> str:
        start, braces = self._at, 0
        while self._at < len(self._text):
            char = self._text[self._at]
            if self._text.startswith("${", self._at):
                braces += 1
                self._at += 1
            elif char == "}" and braces:
                braces -= 1
            elif char in ends and not braces:
                break
            self._at += 1
        text = self._text[start : self._at].strip()
        if not text:
            raise _NotFlowError
        return text

    def _skip_blanks(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1
