from fractions import Fraction

import pytest

from evalyard.serving.demo.solver import evaluate, solve


@pytest.mark.parametrize(
    ("prompt", "reply"),
    [
        ("What is 2 + 2?", "The answer is 4."),
        ("What is 5 - 12?", "The answer is -7."),
        ("What is thirty-one times three?", "The answer is 93."),
        ("What is 9 divided by 4?", "The answer is 2.25."),
        ("What is (1 + 2) * (3 + 4)?", "The answer is 21."),
        ("What is the sum of 1, 2 and 3?", "The answer is 6."),
        ("What is the product of 5 and 8?", "The answer is 40."),
        ("What is 10% of 50?", "The answer is 5."),
        ("What is 3 to the power of 4?", "The answer is 81."),
        ('Reverse the string "abc".', 'The reversed string is "cba".'),
        ('Write "abc d" in upper case.', "ABC D"),
        ('Write "ABC" in lower case.', "**abc**"),
        ('How many times does the letter "e" occur in "eel net"?', "It occurs 3 times."),
        ("Sort these numbers in ascending order: 10, 9, -1.", "Sorted: -1, 9, 10"),
        ("Sort these numbers in descending order: 1.5, 9, 10.", "Sorted: 10, 9, 1.5"),
        ("Sort these words in alphabetical order: pea, oat and fig.", "Sorted: fig, oat, pea"),
        ("Which number comes next: 2, 5, 8, ...?", "The next number is 11."),
        ("Is 3 greater than 2? Answer yes or no.", "Yes, that is so."),
        ("Is 3 less than 2? Answer yes or no.", "No, it is not."),
        ("Is 2 * 3 equal to 7? Answer yes or no.", "No, it is not."),
        ("Is 8 an odd number? Answer yes or no.", "No, it is not."),
        ("Which is the largest?\nA) 3\nB) 30\nC) 13\nD) 1", "B) 30"),
        ("Which is odd?\nA) 4\nB) 6\nC) 7\nD) 8", "C) 7"),
        ("Which equals 2 + 2?\nA) 3\nB) 6\nC) 7\nD) 4", "D) 4"),
        ('Reply with only a JSON object that has the key "n" with the value null.', '{"n": null}'),
        ("Reply with only a JSON array of the numbers 1 and 2.5 in this order.", "[1, 2.5]"),
    ],
)
def test_a_rule_answers(prompt: str, reply: str) -> None:
    assert solve(prompt) == reply


@pytest.mark.parametrize(
    "prompt", ["", "Hello", "What is 1 / 0?", "((((", "Is x greater than y? yes or no", "a\nA) b", "JSON"]
)
def test_every_prompt_gets_some_text_and_always_the_same(prompt: str) -> None:
    assert solve(prompt)
    assert solve(prompt) == solve(prompt)


@pytest.mark.parametrize(
    "expression", ["", "x", "1 / 0", "__import__('os')", "2 ** 1000000000", "1 +", "(" * 500, "'a' * 9"]
)
def test_only_arithmetic_of_modest_size_is_evaluated(expression: str) -> None:
    assert evaluate(expression) is None


def test_arithmetic_is_exact() -> None:
    assert evaluate("0.1 + 0.2") == Fraction(3, 10)
