"""From a reply to an answer to a verdict: one extractor for each form of answer.

An extractor returns None where the reply names no answer, or more than one without settling on any: a reply that lists
every possibility must not score.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Callable

_CLOSED_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
# Some chat templates open the thought in the prompt, so that only its end is in the reply.
_UNOPENED_THOUGHT = re.compile(r"^.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
# A reply cut off by the token limit while thinking holds no answer.
_UNCLOSED_THOUGHT = re.compile(r"<(?:think|thinking|reasoning)>.*$", re.DOTALL | re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_ANSWER_WORD = re.compile(r"\b(?:answer|result)\b", re.IGNORECASE)
_ANSWER_VERB = re.compile(r"\b(?:is|are|equals|would be)\b|[:=]", re.IGNORECASE)
_WRAPPING = " \t\r\n*_`\"'“”‘’"

_NUMBER = re.compile(
    r"(?<!\w)(?<!\d\.)[-+\u2212\u2013]?[$€£]?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<!\.)\.\d+)"
)
_LETTER = re.compile(r"(?<![\w'])([A-D])(?![\w'])")
_LONE_LETTER = re.compile(r"^[\s(\[*_`\"']*([A-D])[\s).\]*_`\"']*$", re.MULTILINE)
_LEADING_LETTER = re.compile(r"^[\s(\[*_`\"']*([A-D])\s*(?:[).:,;\]*_`\"'\u2013\u2014-]|$)", re.MULTILINE)
_LEADING_SMALL_LETTER = re.compile(r"^[\s(\[*_`\"']*([a-d])(?:[\s).:\]*_`\"']*$|\))")
_ARTICLE = re.compile(r"\bA(?= [a-z])")
_UNDECIDED_LETTERS = re.compile(r"\b[A-D]\b\W*(?:\b(?:or|and)\b|[,/&])\W*\b[A-D]\b\W*$")
_YES_NO = re.compile(r"\b(yes|no|true|false)\b", re.IGNORECASE)
_LEADING_YES_NO = re.compile(r"^\W*(yes|no|true|false)\b\W*?(?:$|[.,;:!*\n\u2013\u2014-])", re.IGNORECASE)
_TRAILING_YES_NO = re.compile(r"\b(yes|no|true|false)\W*$", re.IGNORECASE)
_UNDECIDED_YES_NO = re.compile(r"\b(?:yes|no|true|false)\b\s*(?:or|and|/)\s*\b(?:yes|no|true|false)\b", re.IGNORECASE)
_MEANING = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_QUOTED = re.compile(r"\*\*(.+?)\*\*|`([^`\n]+)`|[\"“]([^\"”\n]+)[\"”]|(?<!\w)['‘]([^'’\n]+)['’](?!\w)")
_FENCE = re.compile(r"^```[\w-]*[ \t]*\n(.*?)\n?```$", re.DOTALL)
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")


def without_reasoning(reply: str) -> str:
    """The reply less the thinking that some models print before it."""
    return _UNCLOSED_THOUGHT.sub("", _UNOPENED_THOUGHT.sub("", _CLOSED_THOUGHT.sub("", reply))).strip()


def _stated_answer(text: str) -> str | None:
    """What follows the last "answer is", "Answer:", "result =" and the like, up to the end of that line."""
    cues = list(_ANSWER_WORD.finditer(text))
    if not cues:
        return None
    lines = [line for line in text[cues[-1].end() :].splitlines() if line.strip(_WRAPPING + ":")]
    if not lines:
        return None
    verb = _ANSWER_VERB.search(lines[0])
    return (lines[0][verb.end() :] if verb else lines[0]).strip(" \t:*_")


def _numbers(text: str) -> list[str]:
    plain = [re.sub(r"[,$€£+]", "", number) for number in _NUMBER.findall(text)]
    return [number.replace("\u2212", "-").replace("\u2013", "-") for number in plain]


def extract_number(reply: str) -> str | None:
    """The number that the reply states: boxed, after "answer", alone on a line, or else the last one."""
    text = without_reasoning(reply)
    for boxed in reversed(_BOXED.findall(text)):
        if _numbers(boxed):
            return _numbers(boxed)[-1]
    stated = _stated_answer(text)
    if stated is not None:
        # "6 * 7 = 42": the value stands behind the last equals sign.
        numbers = _numbers(stated.rsplit("=", 1)[-1])
        if numbers:
            return numbers[0]
    alone = [line for line in text.splitlines() if re.fullmatch(r"[-+\u2212]?[$€£]?[\d.,]+", line.strip(_WRAPPING))]
    for line in reversed(alone):
        if len(_numbers(line.strip(_WRAPPING))) == 1:
            return _numbers(line.strip(_WRAPPING))[0]
    numbers = _numbers(text)
    return numbers[-1] if numbers else None


def extract_choice(reply: str) -> str | None:
    """The option letter A to D that the reply settles on."""
    text = without_reasoning(reply)
    for boxed in reversed(_BOXED.findall(text)):
        letters = set(_LETTER.findall(boxed))
        if len(letters) == 1:
            return str(letters.pop())
    if _UNDECIDED_LETTERS.search(text):
        return None
    small = _LEADING_SMALL_LETTER.search(text)
    if small:
        return small.group(1).upper()
    for part in (_stated_answer(text), text):
        if part is None:
            continue
        lone = _LONE_LETTER.findall(part)
        if lone:
            return str(lone[-1])
        for candidates in (_LEADING_LETTER.findall(part), _LETTER.findall(_ARTICLE.sub("", part))):
            if len(set(candidates)) == 1:
                return str(candidates[0])
    return None


def extract_yes_no(reply: str) -> str | None:
    """`yes` or `no` (`true` and `false` count as these) where the reply settles on one of them."""
    text = _UNDECIDED_YES_NO.sub("", without_reasoning(reply))
    for part in (_stated_answer(text), text):
        if part is None:
            continue
        for pattern in (_LEADING_YES_NO, _TRAILING_YES_NO):
            found = pattern.search(part)
            if found:
                return _MEANING[found.group(1).lower()]
        meanings = {_MEANING[word.lower()] for word in _YES_NO.findall(part)}
        if len(meanings) == 1:
            return meanings.pop()
    return None


def _bare(text: str) -> str:
    bare = text.strip(_WRAPPING)
    return bare[:-1].rstrip(_WRAPPING) if bare.endswith(".") else bare


def extract_text(reply: str) -> str | None:
    """The piece of text that the reply offers: the last quoted or emphasised one of its last line, or else what follows
    "is" or a colon there, or that line. Upper and lower case are kept."""
    text = without_reasoning(reply)
    lines = [line for line in text.splitlines() if line.strip(_WRAPPING)]
    if not lines:
        return None
    last = lines[-1]
    quoted = [next(group for group in match.groups() if group) for match in _QUOTED.finditer(last)]
    if quoted and not quoted[-1].rstrip().endswith(":"):
        return _bare(quoted[-1])
    verbs = list(_ANSWER_VERB.finditer(last))
    remainder = _bare(last[verbs[-1].end() :]) if verbs else ""
    return remainder or _bare(last) or None


def _items(line: str) -> list[str]:
    parts = re.split(r"\s*[,;]\s*(?:and\s+)?|\s+and\s+|\s*(?:<|>|→|->)\s*", line)
    return [_bare(part) for part in parts if _bare(part)]


def extract_list(reply: str) -> list[str] | None:
    """The items that the reply lists: in brackets, one a line, or separated by commas in the last line that does so."""
    text = without_reasoning(reply)
    brackets = re.findall(r"\[([^\[\]]*)\]", text)
    if brackets:
        return _items(brackets[-1]) or None
    lines = [line for line in text.splitlines() if line.strip(_WRAPPING + "`")]
    marked = [_bare(_LIST_MARK.sub("", line)) for line in lines if _LIST_MARK.match(line)]
    if len(marked) > 1:
        return marked
    for line in reversed(lines):
        items = _items(re.split(r":\s|\b(?:is|are)\b", line)[-1])
        if len(items) > 1:
            return items
    return [_bare(line) for line in lines] or None


def extract_json(reply: str) -> Any:
    """The JSON value that the reply is, a code fence around it forgiven. None where there is anything else."""
    text = without_reasoning(reply)
    fenced = _FENCE.match(text)
    try:
        return json.loads(fenced.group(1) if fenced else text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _same_json(one: Any, other: Any) -> bool:
    """Equality in JSON's sense: 1 equals 1.0, neither equals true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same_json(one[place], other[place]) for place in range(len(one)))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _same_number(one: str, other: str) -> bool:
    return Decimal(one) == Decimal(other)


def _same_items(one: list[str], other: list[str]) -> bool:
    return [item.casefold() for item in one] == [item.casefold() for item in other]


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other)


@dataclass(frozen=True)
class Scorer:
    """How an answer of one form is found in a reply and compared with the expected one."""

    extract: Callable[[str], Any]
    same: Callable[[Any, Any], bool]

    def score(self, reply: str, expected: Any) -> tuple[Any, int]:
        """The extracted answer (None: no answer found) and 1 or 0."""
        extracted = self.extract(reply)
        return extracted, int(extracted is not None and self.same(extracted, expected))


SCORERS = {
    "number": Scorer(extract_number, _same_number),
    "choice": Scorer(extract_choice, _equal),
    "yes_no": Scorer(extract_yes_no, _equal),
    "text": Scorer(extract_text, _equal),
    "list": Scorer(extract_list, _same_items),
    "json": Scorer(extract_json, _same_json),
}
