"""The report as one HTML file: the template, its style and its script, all in one."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from evalyard.report.content import Report
from evalyard.report.texts import presentable
from evalyard.scoring.compare import ALPHA, METHOD

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

GENERATOR = '<meta name="generator" content="evalyard">'
"""Near the beginning of every report: by this a file is known to be one."""


def render(report: Report) -> str:
    """Return the HTML of a report: it needs no other file and no network."""
    template = _environment().from_string(_part("html"))
    return template.render(report=report, alpha=ALPHA, method=METHOD, css=_as_is(_part("css")), js=_as_is(_part("js")))


def _part(kind: str) -> str:
    return (files("evalyard.report") / "page" / f"report.{kind}").read_text(encoding="utf-8")


def _as_is(ours: str) -> Markup:
    from markupsafe import Markup

    return Markup(ours)  # noqa: S704 - files of our own, nothing that was put in


def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    return Environment(
        autoescape=True,
        # Before it is escaped: a secret with a quote in it would not be known afterwards.
        finalize=_presented,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _presented(value: Any) -> Any:
    # Markup is a text as well, of our own making.
    return presentable(value) if type(value) is str else value
