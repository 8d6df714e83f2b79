"""What MLflow allows for names and values, and how ours become such. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

LONGEST_KEY = 250
LONGEST_PARAMETER = 6000
LONGEST_TAG = 5000
# Colons are allowed too, but not by servers before 2.16 nor on Windows.
_REFUSED = re.compile(r"[^\w.\- /]")
_CUT = "..."


def key(name: str) -> str:
    """Return a name that MLflow takes for a parameter, metric or tag: `pass@1` becomes `pass_1`."""
    parts = [part for part in _REFUSED.sub("_", name).split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[:LONGEST_KEY].rstrip("/") or "_"


def keyed(items: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Return items under names that MLflow takes; where two names become one, the later gets a number."""
    found: dict[str, T] = {}
    for name, value in items:
        wanted, number = key(name), 1
        unique = wanted
        while unique in found:
            number += 1
            suffix = f"_{number}"
            unique = wanted[: LONGEST_KEY - len(suffix)] + suffix
        found[unique] = value
    return found


def text(value: Any, longest: int) -> str:
    """Return a value as text that is not too long: what is no text becomes JSON."""
    whole = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return whole if len(whole) <= longest else whole[: longest - len(_CUT)] + _CUT


def flat(data: Mapping[str, Any], max_depth: int | None = None, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of nested mappings and lists under its dotted path; below `max_depth` levels it stays whole."""
    for name, value in data.items():
        full = f"{path}.{name}" if path else str(name)
        deeper = None if max_depth is None else max_depth - 1
        children = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(children, Mapping) and children and deeper != 0:
            yield from flat({str(key): child for key, child in children.items()}, deeper, full)
        else:
            yield full, value
