"""What exporters answer."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Exported:
    """Where the results of one job are now."""

    job: str
    """`<invocation>.<number>`."""
    where: str
    """The address of a page, or a file's path: what a person opens to see them."""
    skipped: str = ""
    """Why nothing was sent; empty = it was."""
