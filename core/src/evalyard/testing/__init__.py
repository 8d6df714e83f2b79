"""For authors of executors and for our own tests: a conformance kit, an executor in memory, a kill-point driver."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalyard.testing.contract import Conformance as Conformance
    from evalyard.testing.sweep import Sweep as Sweep
    from evalyard.testing.weather import Weather as Weather

if "pytest" in sys.modules:
    # A claim that fails shows its values only if pytest knew of its module before the first import of it.
    sys.modules["pytest"].register_assert_rewrite(
        "evalyard.testing.claims",
        *(
            f"evalyard.testing.claims_{group}"
            for group in ("ends", "faults", "lifecycle", "logs", "needs", "output", "plan", "settings")
        ),
        "evalyard.testing.patience",
        "evalyard.testing.rig",
        "evalyard.testing.storm",
        "evalyard.testing.sweep",
        "evalyard.testing.trial",
    )


def __getattr__(name: str) -> Any:
    # Claims import pytest, which the command line does without.
    if name == "Conformance":
        from evalyard.testing.contract import Conformance

        return Conformance
    if name == "Sweep":
        from evalyard.testing.sweep import Sweep

        return Sweep
    if name == "Weather":
        from evalyard.testing.weather import Weather

        return Weather
    raise AttributeError(f"module 'evalyard.testing' has no attribute '{name}'")
