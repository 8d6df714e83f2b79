"""What a job may use."""

from __future__ import annotations

import re
from typing import Any

from attrs import Attribute, field, frozen, validators

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([bkmgt]?)", re.IGNORECASE)
_TIME = re.compile(r"\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2}")


def size_bytes(text: str) -> int:
    """Return the bytes of a size such as `512m` or `1.5g`; units are powers of 1024.

    Raises:
        ValueError: it is none.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is no size; write it as in 512m or 16g")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def walltime_seconds(text: str) -> int:
    """Return the seconds of a time as in `MM`, `MM:SS`, `HH:MM:SS`, `D-HH`, `D-HH:MM`, `D-HH:MM:SS`.

    Raises:
        ValueError: it is none of these.
    """
    if not _TIME.fullmatch(text):
        raise ValueError(f"'{text}' is no time; write it as in 04:00:00 or 1-12:00:00")
    days, dash, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, minutes, seconds = 0, parts[0], (*parts, 0)[1]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def is_size(_settings: object, attribute: Attribute[str], value: str) -> None:
    """Refuse what is no size; an empty text says nothing.

    Raises:
        ValueError: it is none.
    """
    if value and not _SIZE.fullmatch(value):
        raise ValueError(f"'{value}' is no size for {attribute.name}; write it as in 512m or 16g")


def is_walltime(_settings: object, _attribute: object, value: str | None) -> None:
    """Refuse what is no time, or no time at all.

    Raises:
        ValueError: it is none.
    """
    if value is not None and walltime_seconds(value) == 0:
        raise ValueError("a walltime of 0 ends every job at once")


def is_line(_settings: object, attribute: Attribute[Any], value: str | None) -> None:
    """Refuse what is not one line of text.

    Raises:
        ValueError: it is not.
    """
    if value is not None and not value.isprintable():
        raise ValueError(f"{attribute.name} has to be one line of text")


def is_word(settings: object, attribute: Attribute[Any], value: str | None) -> None:
    """Refuse what a command would take for an option, or for more than one word.

    Raises:
        ValueError: it is one.
    """
    is_line(settings, attribute, value)
    if value is not None and (value.startswith("-") or " " in value):
        raise ValueError(f"'{value}' is no {attribute.name}")


@frozen(kw_only=True, slots=False)
class Compute:
    """Processors and memory."""

    cpus: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    """The most that one job uses; null = the backend's own default."""
    memory: str = field(default="", validator=is_size)
    """The most that one job uses, as in `16g`; empty = the backend's own default."""


@frozen(kw_only=True, slots=False)
class Gpus:
    """GPUs."""

    gpus: int | None = field(default=None, validator=validators.optional(validators.ge(0)))
    """How many a job has; null = the backend's own default."""
    gpu_type: str | None = field(default=None, validator=is_line)
    """Which ones, in the backend's word; null = any."""


@frozen(kw_only=True, slots=False)
class Disk:
    """Room for what a job writes beside its results."""

    disk: str = field(default="", validator=is_size)
    """How much it needs, as in `100g`; empty = the backend's own default."""


@frozen(kw_only=True, slots=False)
class Walltime:
    """Time."""

    walltime: str = field(default="01:00:00", validator=is_walltime)
    """The most time that a job may take, as in `04:00:00`."""

    @property
    def walltime_s(self) -> int:
        """The most seconds that a job may take."""
        return walltime_seconds(self.walltime)


@frozen(kw_only=True, slots=False)
class Resources(Compute, Gpus, Disk, Walltime):
    """All that a job may use."""
