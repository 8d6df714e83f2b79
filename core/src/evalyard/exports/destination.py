"""Destinations of results: a name, the section that says how, and the exporter's class that does it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from evalyard.config import structure
from evalyard.errors import ConfigError, EvalyardError
from evalyard.plugins.discovery import load_exporter
from evalyard.specs import RunSpec, Section


@frozen(kw_only=True)
class Destination:
    """One exporter and what it was told."""

    section: Section
    exporter: type[Any]
    settings: Any

    @property
    def name(self) -> str:
        """What configurations call it."""
        return self.section.name


def destination(name: str, sections: Iterable[Section]) -> Destination:
    """Return a destination by name; one without a section has its exporter's defaults.

    Raises:
        PluginError: it is not installed, or its package cannot be used.
        ConfigError: its section is wrong.
    """
    given = next((section for section in sections if section.name == name), None)
    section = given or Section(name=name, path=f"export.{name}", data={})
    exporter = load_exporter(name)
    return Destination(section=section, exporter=exporter, settings=structure(section, exporter.Settings))


def check_exports(spec: RunSpec) -> tuple[Destination, ...]:
    """Return where results go as soon as there are any.

    Raises:
        ConfigError: everything that is wrong with that: a destination that is not installed, keys that it does not
            have, a section that nothing asks for. Better now than when hours of evaluation are to be exported.
    """
    problems: list[str] = []
    found: list[Destination] = []
    for index, name in enumerate(spec.auto_export):
        try:
            found.append(destination(name, spec.exports))
        except ConfigError as error:
            problems += error.problems
        except EvalyardError as error:
            problems.append(_at(spec.execution, f"auto_export.destinations[{index}]", _one_line(error)))
    problems += [
        _at(section, "", f"nothing exports there: add {section.name} to {_ASKED}, or remove it (-o ~{section.path})")
        for section in spec.exports
        if section.name not in spec.auto_export
    ]
    if problems:
        raise ConfigError(problems)
    return tuple(found)


_ASKED = "execution.auto_export.destinations"


def _at(section: Section, key: str, text: str) -> str:
    return section.error(key, text).problems[0]


def _one_line(error: EvalyardError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
