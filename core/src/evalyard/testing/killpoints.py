"""Runs a function and, at a chosen line of watched packages, dies of SIGKILL: what a power cut does, at any line.

    python -m evalyard.testing.killpoints --watch PACKAGE --record FILE MODULE:FUNCTION ARGUMENT ...
    python -m evalyard.testing.killpoints --watch PACKAGE --kill PACKAGE/file.py:LINE:OCCURRENCE MODULE:FUNCTION ...

`FUNCTION` gets the list of arguments; what it returns is the exit code. `--record` writes how often each line was
executed, as JSON; its keys and counts make the points of a sweep. Every point is tried in a fresh process. Lines that
run while a module or class is being made do not count: nothing has been started by then.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from attrs import define, field, frozen


@frozen(kw_only=True, order=True)
class KillPoint:
    """A line, and which time it is about to be executed (from 1)."""

    line: str
    """`<package>/<file>:<number>`, with `/` for the dots of the package."""
    occurrence: int

    def __str__(self) -> str:
        return f"{self.line}:{self.occurrence}"


def points(counts: Mapping[str, int]) -> list[KillPoint]:
    """Return the points of a sweep: the first and the last time of every line that was executed."""
    both = ({KillPoint(line=line, occurrence=number) for number in (1, count)} for line, count in counts.items())
    return sorted(point for pair in both for point in pair)


@define(kw_only=True)
class Tracer:
    """Counts executed lines, and kills this process before the one that was chosen."""

    folders: Mapping[str, str]
    """Folder of a watched package, or file of a watched module -> how its lines are named."""
    fatal: str = ""
    """`str` of a KillPoint; empty = only count."""
    counts: Counter[str] = field(factory=Counter)
    _names: dict[CodeType, str | None] = field(factory=dict)

    def on_call(self, frame: FrameType, _event: str, _argument: Any) -> Callable[..., Any] | None:
        """Watch a function if it belongs to a watched package."""
        code = frame.f_code
        if code not in self._names:
            self._names[code] = self._name(code)
        return self.on_line if self._names[code] else None

    def on_line(self, frame: FrameType, event: str, _argument: Any) -> Callable[..., Any]:
        """Count a line; die before it if it is the one."""
        if event == "line":
            line = f"{self._names[frame.f_code]}:{frame.f_lineno}"
            self.counts[line] += 1
            if self.fatal and self.fatal == f"{line}:{self.counts[line]}":
                os.kill(os.getpid(), signal.SIGKILL)
        return self.on_line

    def _name(self, code: CodeType) -> str | None:
        folder, _, file = code.co_filename.rpartition(os.sep)
        if not code.co_flags & inspect.CO_OPTIMIZED:
            return None
        if folder not in self.folders:
            return self.folders.get(code.co_filename)
        return f"{self.folders[folder]}/{file}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the function that the arguments name; return what it returns, unless it dies."""
    parser = argparse.ArgumentParser(prog="python -m evalyard.testing.killpoints", description=__doc__)
    parser.add_argument("--watch", action="append", required=True, metavar="PACKAGE")
    parser.add_argument("--record", type=Path, metavar="FILE")
    parser.add_argument("--kill", default="", metavar="POINT")
    parser.add_argument(
        "--leave-out", action="append", default=[], metavar="MODULE:FUNCTION", help="make it do nothing"
    )
    parser.add_argument("target", metavar="MODULE:FUNCTION")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(arguments)
    for name in chosen.leave_out:
        module, _, function = name.partition(":")
        setattr(importlib.import_module(module), function, lambda *_arguments: None)
    module, _, function = chosen.target.partition(":")
    target = getattr(importlib.import_module(module), function)
    tracer = Tracer(folders=_folders(chosen.watch), fatal=chosen.kill)
    threading.settrace(tracer.on_call)
    sys.settrace(tracer.on_call)
    try:
        code: int = target(chosen.arguments)
    finally:
        sys.settrace(None)
        threading.settrace(None)
    if chosen.record is not None:
        chosen.record.write_text(json.dumps(tracer.counts), encoding="utf-8")
    return code


def _folders(packages: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for package in packages:
        spec = importlib.util.find_spec(package)
        name = package.replace(".", "/")
        if spec is not None and spec.submodule_search_locations:
            found.update(dict.fromkeys(spec.submodule_search_locations, name))
        elif spec is not None and spec.has_location and spec.origin:
            found[spec.origin] = f"{name}.py"
        else:
            raise SystemExit(f"{package} cannot be imported")
    return found


if __name__ == "__main__":
    sys.exit(main())
