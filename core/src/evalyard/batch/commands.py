"""What is sent to a login node: texts for a POSIX shell, of a scheduler's commands and what is in `commands/`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from evalyard.batch.system import BatchSystem
from evalyard.secrets import quote

_PARTS: Mapping[str, Sequence[str]] = {
    "submit": ("turns", "submit"),
    "find": ("turns", "find"),
    "end": ("turns", "end"),
    "status": ("status",),
    "orphans": ("orphans",),
    "owners": ("owners",),
    "tail": ("tail",),
    "unpack": ("unpack",),
    "pack": ("pack",),
    "check": ("check",),
}
_PLACEHOLDER = re.compile(r"\{(user|uid|numbers)\}")
_TEXTS = {"user": '"$(id -un)"', "uid": '"$(id -u)"', "numbers": '"$(commas)"'}


def command_text(system: BatchSystem, name: str) -> str:
    """Return the text of a command."""
    own = system.commands.get(name)
    rest = own if own is not None else "".join(_resource(part) for part in _PARTS[name])
    return f"{_dialect(system)}{_resource('prelude')}{rest}"


def submit_line(argv: Sequence[str]) -> str:
    """Return what a shell has to read to run this argument list."""
    return " ".join(word if re.fullmatch(r"[A-Za-z0-9_./:=@%+,-]+", word) else quote(word) for word in argv)


def _dialect(system: BatchSystem) -> str:
    """Return the scheduler's part of a text: a function for each thing that it can be asked."""
    programs = dict.fromkeys(argv[0] for argv in (system.submit, system.queue, system.cancel))
    lines = [
        f"programs={quote(' '.join(programs))}",
        _function("list", system.queue),
        _function("list_of", system.queue_of or system.queue),
        _function("list_folders", system.queue_folders or system.queue),
        _function("accounts", system.accounts),
        _function("cancel", system.cancel),
        _question("knows_none", system.none_known),
        _question("keeps_no_accounts", system.no_accounts),
        f"accounting={'yes' if system.accounts else ''}",
        "is_own() { case $1 in",
        *([f"  {' | '.join(system.kept_variables)}) return 1 ;;"] if system.kept_variables else []),
        *([f"  {' | '.join(system.own_variables)}) return 0 ;;"] if system.own_variables else []),
        "  *) return 1 ;;",
        "esac; }",
    ]
    return "\n".join(lines) + "\n"


def _function(name: str, argv: Sequence[str]) -> str:
    return f"{name}() {{ {' '.join(map(_word, argv)) or ':'} </dev/null; }}"


def _word(word: str) -> str:
    if word == "{numbers}":
        return "$numbers"
    pieces = _PLACEHOLDER.split(word)
    # The split gives, in turn, text as it is and the name of what stands in its place.
    words = (_TEXTS[piece] if index % 2 else submit_line([piece]) for index, piece in enumerate(pieces) if piece)
    return "".join(words) or "''"


def _question(name: str, words: Sequence[str]) -> str:
    any_of = " | ".join(f"*{quote(text)}*" for text in words)
    return f"{name}() {{ case $1 in {f'{any_of}) return 0 ;; ' if words else ''}*) return 1 ;; esac; }}"


@cache
def _resource(part: str) -> str:
    return files("evalyard.batch").joinpath("commands").joinpath(f"{part}.sh").read_text(encoding="utf-8")
