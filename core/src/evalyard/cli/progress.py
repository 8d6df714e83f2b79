"""How far jobs are, as bars of text. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from evalyard.records.jobs import JobCard
from evalyard.scoring.document import number

BAR_CELLS = 20
MOST_SHARE = 0.99
"""Counts are of requests and totals are estimates: only the end itself is the end."""
REPEATS = ("n_samples", "num_repeats", "n_repeats", "repeats")
"""Parameters that make a harness ask each sample several times."""


def estimated_total(card: JobCard | None) -> float | None:
    """Return how many requests a job will make, as far as its card tells; None where it does not."""
    if card is None or card.limit_samples is None or card.limit_samples < 1:
        return None
    extra = card.parameters.get("extra")
    given = {**card.parameters, **(extra if isinstance(extra, Mapping) else {})}
    repeats = [number(given[name]) for name in REPEATS if name in given]
    return card.limit_samples * max([1.0, *(value for value in repeats if value >= 1)])


def progress_text(progress: str, total: float | None) -> str:
    """Return a bar with the count behind it; the count alone where no total is known.

    Args:
        progress: what the backend says: `40/100`, or `40` of a total that only an estimate tells.
        total: that estimate.
    """
    done_text, slash, total_text = progress.partition("/")
    done, stated = number(done_text.strip()), number(total_text.strip())
    if slash:
        share, shown = done / stated if stated > 0 else -1.0, progress
    else:
        share, shown = done / total if total else -1.0, f"{progress}/~{total:g}" if total else progress
    # An estimate that was exceeded was none. So written, as NaN is not within anything.
    if not 0 <= share <= 1:
        return progress
    share = min(share, MOST_SHARE)
    full = int(share * BAR_CELLS)
    return f"[{'#' * full}{'.' * (BAR_CELLS - full)}] {int(share * 100):>2}%  {shown}"
