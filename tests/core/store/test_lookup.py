"""evalyard.store.lookup: from what a user types to runs and jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalyard.errors import StoreError, UsageError
from evalyard.store.lookup import Selection, look_up, look_up_all
from evalyard.store.runs import Store

from .records import invocation, plans

IDS = ["a1b2c3d4", "a1b9ffff", "12345678", "beefbeef"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    for number, name in enumerate(IDS):
        header = invocation(name, jobs=12, created_at=f"2026-01-0{number + 1}")
        store.create(header, "", plans(header), [])
    return store


@pytest.mark.parametrize(
    ("text", "selection"),
    [
        ("a1b2c3d4", Selection(invocation="a1b2c3d4")),
        ("a1b2", Selection(invocation="a1b2c3d4")),
        ("b", Selection(invocation="beefbeef")),
        ("1", Selection(invocation="12345678")),
        ("A1B9", Selection(invocation="a1b9ffff")),
        (" beef ", Selection(invocation="beefbeef")),
        ("a1b2c3d4.2", Selection(invocation="a1b2c3d4", job=2)),
        ("b.12", Selection(invocation="beefbeef", job=12)),
        ("latest", Selection(invocation="beefbeef")),
    ],
)
def test_an_id_or_a_unique_start_of_one_is_enough(store: Store, text: str, selection: Selection) -> None:
    assert look_up(store, text) == selection


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a1b", "'a1b' is ambiguous: a1b2c3d4, a1b9ffff"),
        ("a1b.1", "'a1b.1' is ambiguous: a1b2c3d4, a1b9ffff"),
        ("c0", "no run has the id 'c0'"),
        ("beef.13", "beefbeef has no job 13: it has 1 to 12"),
        ("beef.0", "'beef.0' is not an id"),
        ("quickstart", "'quickstart' is not an id"),
        ("", "'' is not an id"),
        ("a1b2c3d4e", "'a1b2c3d4e' is not an id"),
        ("../a1b2", "'../a1b2' is not an id"),
    ],
)
def test_what_means_nothing_or_several_runs_is_explained(store: Store, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        look_up(store, text)
    assert caught.value.message.startswith(message)
    if "has no job" not in message:
        assert caught.value.hint


def test_a_long_list_of_candidates_is_cut_and_counted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(11):
        header = invocation(f"c{number:07}")
        store.create(header, "", plans(header), [])
    with pytest.raises(UsageError, match=r"c0000000, .* c0000007 and 3 more"):
        look_up(store, "c")


def test_without_runs_latest_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no runs yet\n  evalyard run"):
        look_up(Store(tmp_path), "latest")


def test_several_ids_keep_their_order_and_count_once(store: Store) -> None:
    assert look_up_all(store, ["b", "1.2", "beef", "1.3", "123.2"]) == (
        Selection(invocation="beefbeef"),
        Selection(invocation="12345678", job=2),
        Selection(invocation="12345678", job=3),
    )


def test_a_selection_covers_its_job_or_all_of_them() -> None:
    assert Selection(invocation="a").covers(7)
    assert Selection(invocation="a", job=7).covers(7)
    assert not Selection(invocation="a", job=7).covers(8)


def test_a_run_with_a_damaged_header_is_named_rather_than_unknown(store: Store) -> None:
    (store.folder("beefbeef") / "invocation.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        look_up(store, "beef")
    assert look_up(store, "latest") == Selection(invocation="12345678")
