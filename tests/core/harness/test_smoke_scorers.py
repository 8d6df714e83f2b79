from typing import Any

import pytest

from evalyard.harness.smoke.scorers import SCORERS, without_reasoning


def verdict(scorer: str, reply: str, expected: Any) -> int:
    return SCORERS[scorer].score(reply, expected)[1]


@pytest.mark.parametrize(
    "reply",
    [
        "42",
        "42.",
        "42.0",
        " **42** ",
        "$42",
        "`42`",
        "The answer is 42.",
        "The answer is **42**.",
        "Answer: 42",
        "**Answer:** 42",
        "Answer:\n42",
        "The answer to 6 * 7 is 42",
        "The answer is 6 * 7 = 42.",
        "The answer is 42 because 6 * 7 = 42 and not 43",
        "6 times 7 makes 42",
        "First 6 * 6 = 36, then 36 + 6 = 42",
        "\\boxed{42}, as 40 + 2 shows",
        "42\n\nCheck: 42 / 6 is 7.",
        "<think>maybe 41?</think>42",
        "still thinking about 41</think>\n42",
        "...42",
    ],
)
def test_a_number_is_found_however_it_is_said(reply: str) -> None:
    assert verdict("number", reply, "42") == 1


@pytest.mark.parametrize(
    "reply",
    ["", "forty", "420", "4.2", "-42", "41", "The answer is 41, not 42", "<think>42</think>", "<think>42", "x42y"],
)
def test_another_number_or_none_does_not_score(reply: str) -> None:
    assert verdict("number", reply, "42") == 0


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("1,234", "1234"),
        ("1,234,567.50", "1234567.5"),
        ("-25", "-25"),
        ("\u221225", "-25"),
        ("That is -25.", "-25"),
        ("63 - 88 = -25", "-25"),
        ("5-3 = 2", "2"),
        ("+7", "7"),
        (".5", "0.5"),
        ("7.25", "7.250"),
        ("15% is 36", "36"),
        ("1, 2, 3", "3"),
        ("- 42", "42"),
        ("€1,250", "1250"),
    ],
)
def test_signs_commas_and_decimals_belong_to_the_number(reply: str, expected: str) -> None:
    assert verdict("number", reply, expected) == 1


@pytest.mark.parametrize(
    "reply",
    [
        "B",
        "b",
        "(B)",
        "(b)",
        "B)",
        "b) Osaka",
        "B.",
        "**B**",
        "B) Osaka",
        "**B) Osaka**",
        "B: Osaka",
        "The answer is B.",
        "The answer is (B) Osaka.",
        "The correct option is B",
        "Answer: **B**",
        "Answer:\nB",
        "A dog is no bird, so B",
        "It cannot be A or C.\nThe answer is B",
        "\\boxed{B}",
        "B\n\nA) is a mammal, C) and D) are too.",
        "<think>A or C?</think>B",
    ],
)
def test_a_letter_is_found_however_it_is_said(reply: str) -> None:
    assert verdict("choice", reply, "B") == 1


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Osaka",
        "A",
        "A or B",
        "A, B",
        "A/B",
        "A, B, C, D",
        "A) one\nB) two\nC) three\nD) four",
        "Both A and B",
        "It is B, or else it is C I think",
        "Bob",
        "E",
        "<think>B",
    ],
)
def test_another_letter_or_several_do_not_score(reply: str) -> None:
    assert verdict("choice", reply, "B") == 0


def test_an_article_is_not_option_a() -> None:
    assert verdict("choice", "A spider has a great many legs", "A") == 0
    assert verdict("choice", "The answer is a dog", "A") == 0


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("yes", "yes"),
        ("Yes.", "yes"),
        ("**No**", "no"),
        ("YES!", "yes"),
        ("No, it does not.", "no"),
        ("Yes it is", "yes"),
        ("True", "yes"),
        ("The statement is false.", "no"),
        ("The answer is yes.", "yes"),
        ("Answer: No", "no"),
        ("No cats are dogs, so yes", "yes"),
        ("Yes or no? No.", "no"),
        ("<think>yes yes yes</think>no", "no"),
    ],
)
def test_yes_and_no_are_told_apart(reply: str, expected: str) -> None:
    assert verdict("yes_no", reply, expected) == 1


@pytest.mark.parametrize("reply", ["", "maybe", "yes or no", "yes/no", "Yesterday I had nothing", "not sure"])
@pytest.mark.parametrize("expected", ["yes", "no"])
def test_an_undecided_reply_is_neither_yes_nor_no(reply: str, expected: str) -> None:
    assert verdict("yes_no", reply, expected) == 0


@pytest.mark.parametrize(
    "reply",
    [
        "golden GATE",
        " golden GATE\n",
        '"golden GATE"',
        "`golden GATE`",
        "**golden GATE**",
        "'golden GATE'.",
        "golden GATE.",
        "The result is golden GATE.",
        'It reads "golden GATE".',
        "**Answer:** golden GATE",
        "Let me see.\nResult: golden GATE",
        "```\ngolden GATE\n```",
        "<think>no</think>\n\ngolden GATE",
    ],
)
def test_a_piece_of_text_is_found_however_it_is_wrapped(reply: str) -> None:
    assert verdict("text", reply, "golden GATE") == 1


@pytest.mark.parametrize("reply", ["", "golden gate", "goldenGATE", "golden GATES", "The golden GATE stands here"])
def test_a_piece_of_text_has_to_match_exactly(reply: str) -> None:
    assert verdict("text", reply, "golden GATE") == 0


@pytest.mark.parametrize(
    "reply",
    [
        "3, 7, 19",
        "3,7,19.",
        "[3, 7, 19]",
        "3, 7 and 19",
        "3, 7, and 19",
        "Sorted: 3, 7, 19",
        "The order is 3, 7, 19.",
        "**3, 7, 19**",
        "1. 3\n2. 7\n3. 19",
        "- 3\n- 7\n- 19",
        "3\n7\n19",
        "3 < 7 < 19",
        "Here you are:\n\n3, 7, 19",
        "<think>19, 7, 3</think>3, 7, 19",
    ],
)
def test_a_list_is_found_however_it_is_laid_out(reply: str) -> None:
    assert verdict("list", reply, ["3", "7", "19"]) == 1


@pytest.mark.parametrize("reply", ["", "3", "3, 19, 7", "3, 7", "3, 7, 19, 20", "3 7 19"])
def test_a_list_with_other_items_or_another_order_does_not_score(reply: str) -> None:
    assert verdict("list", reply, ["3", "7", "19"]) == 0


@pytest.mark.parametrize(
    "reply",
    [
        '{"a": 1, "b": [true, null]}',
        '{"b":[true,null],"a":1.0}',
        '```json\n{"a": 1, "b": [true, null]}\n```',
        '```\n{"a": 1,\n "b": [true, null]}\n```',
        '<think>{}</think>{"a": 1, "b": [true, null]}',
    ],
)
def test_json_is_compared_by_value(reply: str) -> None:
    assert verdict("json", reply, {"a": 1, "b": [True, None]}) == 1


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "{}",
        '{"a": 1}',
        '{"a": true, "b": [true, null]}',
        '{"a": 1, "b": [1, null]}',
        '{"a": 1, "b": [true, null], "c": 0}',
        '{"a": "1", "b": [true, null]}',
        "{'a': 1, 'b': [true, null]}",
        'Sure! {"a": 1, "b": [true, null]}',
        '{"a": NaN, "b": [true, null]}',
        "[" * 100_000,
        "1" * 10_000,
    ],
)
def test_json_with_another_value_or_prose_does_not_score(reply: str) -> None:
    assert verdict("json", reply, {"a": 1, "b": [True, None]}) == 0


def test_a_reply_that_ends_while_thinking_holds_nothing() -> None:
    assert without_reasoning("<think>it may be 42") == ""
    assert without_reasoning("<THINK>a</THINK> b <thinking>c</thinking> d") == "b  d"


@pytest.mark.parametrize("scorer", sorted(SCORERS))
@pytest.mark.parametrize(
    "reply", ["", " ", "\x00", "<think>", "```", "\\boxed{}", "Answer:", "answer is", "[]", "***", "=" * 50]
)
def test_no_scorer_stumbles_over_odd_replies(scorer: str, reply: str) -> None:
    assert verdict(scorer, reply, ["x"] if scorer == "list" else "1" if scorer == "number" else "x") == 0
