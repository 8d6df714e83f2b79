"""Answers by rule: arithmetic, comparisons, text operations, sorting and simple JSON instructions.

It sees a prompt and nothing else, knows no facts and understands no stories: where no rule applies it guesses. That is
on purpose, so that a score has something to tell.
"""

from __future__ import annotations

import ast
import json
import operator
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

_UNITS = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: value for value, word in enumerate(_UNITS)}
_WORDS.update({word: 10 * (place + 2) for place, word in enumerate(_TENS)})
_NUMBER_WORD = re.compile(
    rf"\b(?:({'|'.join(_TENS)})(?:[- ]({'|'.join(_UNITS[1:10])}))?|({'|'.join(_UNITS)}))\b", re.IGNORECASE
)
_OPERATOR_WORDS = (
    (r"\bmultiplied by\b|\btimes\b|×", "*"),
    (r"\bdivided by\b|÷", "/"),
    (r"\bplus\b", "+"),
    (r"\bminus\b|\u2212", "-"),
    (r"\bto the power of\b|\^", "**"),
)
_NUMBER = r"-?\d+(?:\.\d+)?"
_EXPRESSION = re.compile(r"[-(]*\d[\d\s.+*/()-]*")
_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LARGEST_EXPONENT = 64
_OPTION = re.compile(r"^\s*\(?([A-D])[).:]\s*(.+?)\s*$", re.MULTILINE)
_QUOTED = re.compile(r"\"([^\"]*)\"")


def solve(prompt: str) -> str:
    """The reply to a prompt: always some text, the same for the same prompt."""
    for rule in (_json, _choice, _text, _sequence, _yes_no, _number):
        reply = rule(prompt)
        if reply is not None:
            return reply
    return "I do not know."


def evaluate(expression: str) -> Fraction | None:
    """The exact value of an expression of numbers and + - * / ** ( ). None where it is something else."""
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _value(node: ast.AST) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Pow) and right.denominator == 1 and 0 <= right <= _LARGEST_EXPONENT:
            return Fraction(left ** int(right))
        if type(node.op) in _OPERATIONS:
            return Fraction(_OPERATIONS[type(node.op)](left, right))
    raise ValueError("not arithmetic")


def _plain(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.10g}"


def _with_digits(text: str) -> str:
    """Number and operator words replaced by digits and signs."""

    def digits(match: re.Match[str]) -> str:
        tens, unit, small = (group.lower() if group else None for group in match.groups())
        return str(_WORDS[small] if small else _WORDS[tens or ""] + (_WORDS[unit] if unit else 0))

    text = _NUMBER_WORD.sub(digits, text)
    for words, sign in _OPERATOR_WORDS:
        text = re.sub(words, sign, text, flags=re.IGNORECASE)
    return text


def _calculated(text: str) -> Fraction | None:
    """The value of the longest piece of arithmetic in a text, which has to hold an operator."""
    pieces = [piece.strip().rstrip(".").strip() for piece in _EXPRESSION.findall(_with_digits(text))]
    for piece in sorted(pieces, key=len, reverse=True):
        if re.search(r"\d\)*\s*[-+*/]", piece):
            return evaluate(piece)
    return None


def _number(prompt: str) -> str | None:
    text = _with_digits(prompt)
    listed = re.search(rf"\b(sum|product) of ((?:{_NUMBER}(?:\s*,\s*|\s+and\s+)?)+)", text)
    percent = re.search(rf"({_NUMBER})\s*(?:%|percent) of ({_NUMBER})", text)
    if listed:
        numbers = [Fraction(number) for number in re.findall(_NUMBER, listed.group(2))]
        value = sum(numbers, Fraction(0)) if listed.group(1) == "sum" else _product(numbers)
    elif percent:
        value = Fraction(percent.group(1)) * Fraction(percent.group(2)) / 100
    else:
        calculated = _calculated(prompt)
        if calculated is None:
            numbers = [Fraction(number) for number in re.findall(_NUMBER, text)]
            # A story: adding up whatever numbers it holds is as good a guess as any.
            return f"That makes {_plain(sum(numbers, Fraction(0)))}." if numbers else None
        value = calculated
    return f"The answer is {_plain(value)}."


def _product(numbers: Sequence[Fraction]) -> Fraction:
    product = Fraction(1)
    for number in numbers:
        product *= number
    return product


def _choice(prompt: str) -> str | None:
    options = dict(_OPTION.findall(prompt))
    if len(options) < 2:
        return None
    question = prompt[: prompt.index("\n")]
    numeric = {letter: evaluate(text) for letter, text in options.items()}
    numbers = {letter: value for letter, value in numeric.items() if value is not None}
    letter = _numeric_choice(question, numbers) if len(numbers) == len(options) else None
    if letter is None:
        letter = max(options, key=lambda candidate: len(options[candidate]))
    return f"{letter}) {options[letter]}"


def _numeric_choice(question: str, numbers: dict[str, Fraction]) -> str | None:
    if re.search(r"\b(?:largest|greatest|biggest|highest)\b", question):
        return max(numbers, key=lambda letter: numbers[letter])
    if re.search(r"\b(?:smallest|least|lowest)\b", question):
        return min(numbers, key=lambda letter: numbers[letter])
    wanted = _calculated(question)
    for letter, number in numbers.items():
        if re.search(r"\beven\b", question) and number % 2 == 0:
            return letter
        if re.search(r"\bodd\b", question) and number % 2 == 1:
            return letter
        if wanted is not None and number == wanted:
            return letter
    return None


def _text(prompt: str) -> str | None:
    quoted: list[str] = _QUOTED.findall(prompt)
    if not quoted:
        return None
    if re.search(r"\bhow many times\b", prompt, re.IGNORECASE) and len(quoted) == 2:
        return f"It occurs {quoted[1].count(quoted[0])} times."
    if re.search(r"\breverse\b", prompt, re.IGNORECASE):
        return f'The reversed string is "{quoted[0][::-1]}".'
    if re.search(r"\bupper ?case\b", prompt, re.IGNORECASE):
        return quoted[0].upper()
    if re.search(r"\blower ?case\b", prompt, re.IGNORECASE):
        return f"**{quoted[0].lower()}**"
    return f"I would say {quoted[0]}"


def _sequence(prompt: str) -> str | None:
    following = re.search(rf"\bcomes next\b\D*?((?:{_NUMBER}\s*,\s*)+)", prompt)
    if following:
        terms = [Fraction(term) for term in re.findall(_NUMBER, following.group(1))]
        if len(terms) > 1:
            return f"The next number is {_plain(terms[-1] + (terms[-1] - terms[-2]))}."
    listed = re.search(r"\bsort\b[^:]*:\s*(.+?)\.(?:\s|$)", prompt, re.IGNORECASE)
    if not listed:
        return None
    items = [item.strip() for item in re.split(r",|\band\b", listed.group(1)) if item.strip()]
    values = [evaluate(item) for item in items]
    numbers = [value for value in values if value is not None]
    backwards = re.search(r"\bdescending\b|\breverse\b", prompt) is not None
    if len(numbers) == len(items):
        ordered = [_plain(number) for number in sorted(numbers, reverse=backwards)]
    else:
        ordered = sorted(items, key=str.casefold, reverse=backwards)
    return "Sorted: " + ", ".join(ordered)


def _yes_no(prompt: str) -> str | None:
    if not re.search(r"\byes or no\b", prompt, re.IGNORECASE):
        return None
    text = _with_digits(prompt)
    compared = re.search(rf"\bis (.+?) (greater|larger|more|less|smaller) than ({_NUMBER})", text, re.IGNORECASE)
    equal = re.search(rf"\bis (.+?) equal to ({_NUMBER})", text, re.IGNORECASE)
    parity = re.search(r"\bis (-?\d+) an? (even|odd) number", text, re.IGNORECASE)
    truth = True  # nothing to calculate: agreeing is the guess
    if compared and evaluate(compared.group(1)) is not None:
        left, right = evaluate(compared.group(1)) or Fraction(0), Fraction(compared.group(3))
        truth = left > right if compared.group(2).lower() in ("greater", "larger", "more") else left < right
    elif equal and evaluate(equal.group(1)) is not None:
        truth = evaluate(equal.group(1)) == Fraction(equal.group(2))
    elif parity:
        truth = int(parity.group(1)) % 2 == (0 if parity.group(2).lower() == "even" else 1)
    return "Yes, that is so." if truth else "No, it is not."


def _json(prompt: str) -> str | None:
    if not re.search(r"\bJSON\b", prompt):
        return None
    if re.search(r"\bJSON array\b", prompt):
        return json.dumps([json.loads(number) for number in re.findall(_NUMBER, prompt)])
    members = re.findall(
        rf"\bkey \"([^\"]+)\" (?:with the value|=|set to) (\"[^\"]*\"|{_NUMBER}|true|false|null)", prompt
    )
    value = {key: json.loads(text) for key, text in members}
    return f"```json\n{json.dumps(value, indent=2)}\n```" if len(value) > 1 else json.dumps(value)
