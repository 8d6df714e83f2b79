"""evalyard.ids: names that every backend takes, and folders that never collide."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from evalyard.ids import (
    INVOCATION_PATTERN,
    RESERVED_NAMES,
    backend_name,
    job_id,
    new_invocation,
    new_mark,
    split_job_id,
    task_folders,
)


def test_new_ids_have_the_shape_that_readers_expect() -> None:
    assert INVOCATION_PATTERN.fullmatch(new_invocation())
    assert re.fullmatch(r"[0-9a-f]{32}", new_mark())


def test_a_job_id_splits_into_what_it_was_made_of() -> None:
    assert split_job_id(job_id("a1b2c3d4", 12)) == ("a1b2c3d4", 12)


@pytest.mark.parametrize("text", ["", "a1b2c3d4", "a1b2c3d4.", "a1b2c3d4.0", "a1b2c3d4.01", "A1B2C3D4.1", "a1b2.1"])
def test_anything_else_is_no_job_id(text: str) -> None:
    with pytest.raises(ValueError, match="not a job id"):
        split_job_id(text)


@pytest.mark.parametrize(("number", "attempt"), [(1, 1), (9999, 999), (1000000, 99999)])
def test_a_backend_name_is_a_dns_label_of_at_most_36_characters(number: int, attempt: int) -> None:
    name = backend_name("ffffffff", number, attempt)
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name)
    assert len(name) <= 36


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (["gsm8k", "mmlu"], ["gsm8k", "mmlu"]),
        (["gsm8k", "mmlu", "gsm8k"], ["gsm8k.0", "mmlu", "gsm8k.1"]),
        (["a", "a", "a.1"], ["a.0", "a.2", "a.1"]),
        (["simple_evals.mmlu"], ["simple_evals.mmlu"]),
        (["a/b", "a b"], ["a-b.0", "a-b.1"]),
        (["../../etc"], ["etc"]),
        (["..", "日本"], ["task.0", "task.1"]),
        (["deployment", "harness"], ["deployment.0", "harness.0"]),
        (["config.yaml"], ["config.yaml.0"]),
    ],
    ids=",".join,
)
def test_each_task_gets_a_folder_of_its_own(names: list[str], folders: list[str]) -> None:
    assert task_folders(names) == folders


@given(st.lists(st.sampled_from(["a", "a.1", "a.2", "a/1", "..", "-", "deployment", "deployment.1", "é", "x y"])))
def test_folders_are_unique_plain_and_free_of_reserved_names(names: list[str]) -> None:
    folders = task_folders(names)
    assert len(set(folders)) == len(names)
    assert not RESERVED_NAMES & set(folders)
    assert all(re.fullmatch(r"[A-Za-z0-9_+][A-Za-z0-9._+-]*", folder) for folder in folders)
