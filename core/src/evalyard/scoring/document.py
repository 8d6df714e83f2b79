"""Reading a result file whatever its schema: text to plain data, with every complaint naming the file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from evalyard.errors import EvalyardError

MAX_BYTES = 32 * 2**20


class ResultsError(EvalyardError):
    """A result file is absent, damaged or something else; the message names the file and what is wrong with it."""


def read_text(path: Path) -> str:
    """Return the text of a result file.

    Raises:
        ResultsError: it is absent, cannot be read, is far too large, or is not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ResultsError(f"{path}: there is no result file") from None
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ResultsError(f"{path}: larger than {MAX_BYTES // 2**20} MiB; is this a result file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ResultsError(f"{path}:{line}: not UTF-8 text") from error


def load_yaml(text: str, source: str) -> Any:
    """Return the data of a YAML text. Raises ResultsError when it is none."""
    import yaml
    from yaml import MarkedYAMLError

    from evalyard.scoring.yaml_loader import Loader

    try:
        return yaml.load(text, Loader)  # noqa: S506 - a safe one
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        # The first line alone: some of these problems go on with advice to programmers.
        problem = str(error.problem or error.context or "").partition("\n")[0]
        raise ResultsError(f"{where}: not YAML: {problem or 'it cannot be parsed'}") from error
    except Exception as error:
        # Any bytes meet a third party's parser here, which also fails with RecursionError, ValueError and the like.
        raise ResultsError(f"{source}: not YAML that can be read ({type(error).__name__})") from error


def load_json(text: str, source: str) -> Any:
    """Return the data of a JSON text. Raises ResultsError when it is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ResultsError(f"{source}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{source}: not JSON that can be read ({type(error).__name__})") from error


def number(value: Any) -> float:
    """Return a value as a number; NaN when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def known_stderr(value: Any) -> float | None:
    """Return a standard error, or None where none is stated."""
    stderr = number(value)
    return stderr if math.isfinite(stderr) and stderr >= 0 else None


def known_count(value: Any) -> int | None:
    """Return a number of samples, or None where none is stated."""
    count = number(value)
    return int(count) if math.isfinite(count) and count >= 0 else None
