"""The bundled questions: a JSON object a line in ``questions.jsonl``, the kinds mixed so that any limit sees all."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

WHOLE_TASK = "smoke"
BUNDLED = Path(__file__).with_name("questions.jsonl")


@dataclass(frozen=True)
class Question:
    """One question as it is sent, and what counts as its answer."""

    id: str
    kind: str
    scorer: str
    """Name in ``scorers.SCORERS``; one kind may use several."""
    prompt: str
    expected: Any
    """Text, except for the scorers `list` (a list of texts) and `json` (any JSON value)."""


def load_questions(path: Path = BUNDLED) -> list[Question]:
    """The questions of a file, in the order of its lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Question(**json.loads(line)) for line in lines if line.strip()]


def digest(path: Path = BUNDLED) -> str:
    """SHA-256 of a question file: scores of two runs compare only where it is the same."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def task_name(kind: str) -> str:
    """The task that asks the questions of one kind."""
    return f"{WHOLE_TASK}.{kind}"


def task_names(questions: Sequence[Question]) -> list[str]:
    """Every task that can be asked for: the whole, then one for each kind in the order of appearance."""
    return [WHOLE_TASK, *dict.fromkeys(task_name(question.kind) for question in questions)]


def select(questions: Sequence[Question], task: str, limit: float | None) -> list[Question]:
    """The questions of a task: all, the first `limit`, or (below 1) that share of them, rounded up."""
    chosen = [question for question in questions if task in (WHOLE_TASK, task_name(question.kind))]
    if limit is None:
        return chosen
    return chosen[: math.ceil(limit * len(chosen)) if limit < 1 else int(limit)]
