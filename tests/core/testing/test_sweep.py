"""evalyard.testing.sweep."""

from evalyard import BatchExecutor
from evalyard.testing.sweep import packages_behind


def test_a_sweep_watches_the_packages_of_base_classes_too() -> None:
    inheriting = type("Inheriting", (BatchExecutor,), {"__module__": "evalyard_local.plugin"})
    watched = list(packages_behind(inheriting))
    assert {"evalyard_local", "evalyard.batch"} <= set(watched)
    assert "evalyard" not in watched
    assert len(set(watched)) == len(watched)
