"""What pytest gains where evalyard is installed: a closing section that names what an executor does not offer.

A claim that was skipped looks like one that was passed to whoever reads the last line only. Where no claim was tried,
this says and costs nothing; `-p no:evalyard` leaves it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

NOT_OFFERED = "not offered: "
_OPTION = "--evalyard-record"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the claims can be told."""
    group = parser.getgroup("evalyard", "evalyard: the conformance kit for executors")
    group.addoption(
        _OPTION,
        metavar="FOLDER",
        help="keep the records that this version of the executor makes, for `Conformance.stored` of later versions",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell the kit where records are to be kept."""
    folder = config.getoption(_OPTION)
    if folder:
        from pathlib import Path

        from evalyard.testing import stored

        stored.kept_in.append(Path(folder))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name what was not offered, and by how many claims it would have been tried."""
    missing = not_offered(terminalreporter.stats)
    if missing:
        terminalreporter.section("evalyard: not offered")
        for kit, capabilities in missing.items():
            listed = ", ".join(f"{name} ({count})" for name, count in sorted(capabilities.items()))
            terminalreporter.line(f"{kit}: {listed}")


def not_offered(stats: Mapping[str, list[Any]]) -> dict[str, dict[str, int]]:
    """Return test class -> capability -> how many claims were skipped for want of it."""
    found: dict[str, dict[str, int]] = {}
    for report in stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        _, said, capability = reason.partition(NOT_OFFERED)
        if said:
            kit = report.nodeid.rpartition("::")[0]
            counts = found.setdefault(kit, {})
            counts[capability] = counts.get(capability, 0) + 1
    return found
