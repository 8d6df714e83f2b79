"""Which file a command line means."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalyard.config import find, find_config
from evalyard.errors import UsageError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").mkdir()
    (tmp_path / "here" / "sub").mkdir(parents=True)
    for name in (
        "here/mine.yaml",
        "here/both.yml",
        "here/sub/deep.yaml",
        "examples/both.yaml",
        "examples/packaged.yaml",
    ):
        (tmp_path / name).write_text("a: 1\n")
    monkeypatch.setattr(find, "EXAMPLES", tmp_path / "examples")
    monkeypatch.chdir(tmp_path / "here")


def test_the_current_folder_comes_before_the_packaged_examples(tmp_path: Path) -> None:
    assert find_config("mine.yaml", None, None) == Path("mine.yaml")
    assert find_config("both", None, None) == Path("both.yml")
    assert find_config("sub/deep", None, None) == Path("sub/deep.yaml")
    assert find_config("packaged", None, None) == tmp_path / "examples" / "packaged.yaml"
    assert find_config(str(tmp_path / "here" / "mine.yaml"), None, None) == tmp_path / "here" / "mine.yaml"


def test_a_folder_and_a_name_work_together() -> None:
    assert find_config(None, "sub", "deep") == Path("sub/deep.yaml")
    assert find_config(None, None, "mine") == Path("mine.yaml")


def test_packaged_examples_are_found_from_any_folder(tmp_path: Path) -> None:
    example = tmp_path / "examples" / "packaged.yaml"
    assert find_config(None, None, "packaged") == example
    assert find_config(None, "examples", "packaged") == example
    assert find_config(None, "some/checkout/examples", "packaged") == example
    (tmp_path / "here" / "examples").mkdir()
    with pytest.raises(UsageError, match="no configuration 'packaged'"):
        find_config(None, "examples", "packaged")


def test_examples_are_listed_with_their_first_comment(tmp_path: Path) -> None:
    (tmp_path / "examples" / "packaged.yaml").write_text("# What it is.\n# More.\na: 1\n")
    assert [(one.name, one.description) for one in find.examples()] == [("both", "a: 1"), ("packaged", "What it is.")]
    assert find.find_example("packaged.yaml").path == tmp_path / "examples" / "packaged.yaml"
    with pytest.raises(UsageError, match="no example 'pakaged'; did you mean 'packaged'"):
        find.find_example("pakaged")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((None, None, None), "no configuration given\n  evalyard run --config FILE"),
        (("mime.yaml", None, None), "no configuration 'mime.yaml'; did you mean 'mine.yaml'?"),
        (
            ("gone/packaged.yaml", None, None),
            "no configuration 'gone/packaged.yaml'\n  it comes with evalyard: evalyard run --config packaged",
        ),
        ((None, "gone", "packaged"), "gone: no such folder\n  it comes with evalyard: evalyard run --config packaged"),
        (("sub", None, None), "sub is a folder, not a configuration\n  there are: deep.yaml"),
        (("mine", "sub", None), "--config and --config-dir/--config-name both name a configuration; give one"),
        ((None, "sub", None), "--config-dir sub needs a --config-name\n  there are: deep.yaml"),
        ((None, "none", "x"), "none: no such folder"),
        ((None, "sub", "dep"), "no configuration 'dep'"),
    ],
)
def test_what_cannot_be_found_is_told(arguments: tuple[str | None, str | None, str | None], complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_config(*arguments)
    assert str(caught.value).startswith(complaint)
