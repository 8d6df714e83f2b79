"""evalyard.records.plans: which needs outlive a run."""

from __future__ import annotations

from evalyard.records.plans import NeedKind


def test_files_and_environments_last_while_servers_and_resources_are_released() -> None:
    assert [kind for kind in NeedKind if kind.lasting] == [NeedKind.FILES, NeedKind.ENVIRONMENT]
