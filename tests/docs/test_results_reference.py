"""The pages about results say what the code does: no field, word or function too many or too few."""

from __future__ import annotations

import json
import re
from inspect import Parameter, signature
from pathlib import Path

import pytest

import evalyard
from evalyard.api import look
from evalyard.scoring.compare import ALPHA, LOWER_IS_BETTER, METHOD
from evalyard.scoring.flat import SCORE_FIELDS
from tests.docs.blocks import REPOSITORY, read_page
from tests.docs.test_reference import COMMANDS, bare, fields_of, in_backticks, rows, said, section

RESULTS = read_page(REPOSITORY / "docs" / "results.md")
PYTHON = read_page(REPOSITORY / "docs" / "python.md")


def test_the_fields_of_a_score_are_explained_in_their_order() -> None:
    assert tuple(row[0] for row in rows(RESULTS, "JSON and CSV")) == SCORE_FIELDS
    assert fields_of("evalyard results") == set(SCORE_FIELDS)


def test_the_fields_of_a_comparison_are_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said("run", "--config", str(REPOSITORY / "examples" / "quickstart.yaml"), "--wait")
    data = json.loads(said("compare", "latest", "latest", "--json"))
    assert data.keys() == fields_of("evalyard compare")
    listed = re.search(
        r"Each of `comparisons` has the fields (.+?)\.\n", section(COMMANDS, "evalyard compare"), re.DOTALL
    )
    assert listed is not None
    assert set(data["comparisons"][0]) == in_backticks(listed[1])


def test_words_for_which_less_is_better_are_listed() -> None:
    listed = re.search(r"is one of these: (.+?)\.\n", RESULTS.prose, re.DOTALL)
    assert listed is not None
    assert in_backticks(listed[1]) == set(LOWER_IS_BETTER)


def test_the_method_and_its_threshold_are_those_of_the_code() -> None:
    assert any(METHOD in block.text for block in RESULTS.blocks)
    assert f"where `p` is below {ALPHA:g}" in RESULTS.prose


def test_functions_are_documented_with_their_arguments() -> None:
    documented = {bare(row[0]) for row in rows(PYTHON, "Python")}
    functions = {"run": evalyard.run, **{name: getattr(look, name) for name in ("status", "results", "scores")}}
    assert documented == {f"{name}({_arguments(function)})" for name, function in functions.items()}


def _arguments(function: object) -> str:
    given = signature(function).parameters.values()  # type: ignore[arg-type]
    plain = [str(one.replace(annotation=Parameter.empty)) for one in given]
    stars = [index for index, one in enumerate(given) if one.kind is Parameter.KEYWORD_ONLY]
    if stars and not any(one.kind is Parameter.VAR_POSITIONAL for one in given):
        plain.insert(stars[0], "*")
    return ", ".join(plain)
