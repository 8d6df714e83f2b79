import json
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest

from evalyard.harness.smoke.questions import Question, digest, load_questions, select, task_names
from evalyard.harness.smoke.scorers import SCORERS

QUESTIONS = load_questions()


def test_the_questions_are_about_a_hundred_of_several_kinds() -> None:
    assert 90 <= len(QUESTIONS) <= 110
    kinds = Counter(question.kind for question in QUESTIONS)
    assert len(kinds) >= 5
    assert min(kinds.values()) >= 10


def test_ids_and_prompts_are_distinct() -> None:
    assert len({question.id for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question.prompt for question in QUESTIONS}) == len(QUESTIONS)


def test_loading_twice_gives_the_same_order_and_digest() -> None:
    assert load_questions() == QUESTIONS
    assert digest() == digest()


def test_letters_and_yes_no_are_balanced() -> None:
    letters = Counter(question.expected for question in QUESTIONS if question.scorer == "choice")
    assert set(letters) == set("ABCD")
    assert max(letters.values()) == min(letters.values())
    verdicts = Counter(question.expected for question in QUESTIONS if question.scorer == "yes_no")
    assert verdicts["yes"] == verdicts["no"]


def test_numeric_answers_are_distinct_within_arithmetic() -> None:
    answers = [Decimal(question.expected) for question in QUESTIONS if question.kind == "arithmetic"]
    assert len(set(answers)) == len(answers)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_every_expected_answer_scores_when_given(question: Question) -> None:
    reply = question.expected
    if question.scorer == "list":
        reply = ", ".join(reply)
    if question.scorer == "json":
        reply = json.dumps(reply)
    assert SCORERS[question.scorer].score(reply, question.expected)[1] == 1


@pytest.mark.parametrize(
    "constant",
    ["", "A", "B", "C", "D", "yes", "no", "7", "0", "1", "42", "{}", "[]", "true", "null", "I do not know.", "A yes 7"],
)
def test_any_constant_answer_scores_near_chance(constant: str) -> None:
    correct = sum(SCORERS[question.scorer].score(constant, question.expected)[1] for question in QUESTIONS)
    assert Fraction(correct, len(QUESTIONS)) < Fraction(1, 5)


def test_a_small_limit_still_sees_every_kind() -> None:
    kinds = {question.kind for question in QUESTIONS}
    assert {question.kind for question in select(QUESTIONS, "smoke", 2 * len(kinds))} == kinds


def test_a_limit_below_one_is_a_share_rounded_up() -> None:
    tenth = -(-len(QUESTIONS) // 10)
    assert select(QUESTIONS, "smoke", 0.1) == QUESTIONS[:tenth]
    assert select(QUESTIONS, "smoke", 0.0001) == QUESTIONS[:1]
    assert select(QUESTIONS, "smoke", 10_000) == QUESTIONS
    assert select(QUESTIONS, "smoke", None) == QUESTIONS


def test_each_kind_is_a_task_and_together_they_are_the_whole() -> None:
    whole, *kinds = task_names(QUESTIONS)
    assert whole == "smoke"
    parts = [select(QUESTIONS, task, None) for task in kinds]
    assert sum(len(part) for part in parts) == len(QUESTIONS)
    assert all(len({question.kind for question in part}) == 1 for part in parts)
