"""The answers to scores: the share that is exactly the sum, which no answer with a train of thought in it is."""

import json
import math
from pathlib import Path
from typing import Any

# Only where this runs.
from nemo_evaluator.api.api_dataclasses import EvaluationResult  # type: ignore[import-not-found]


def parse_output(output_dir: str) -> Any:
    answers = json.loads(Path(output_dir, "answers.json").read_text())
    right = [answer.strip() == str(number + 1) for number, answer in enumerate(answers, start=1)]
    share = sum(right) / len(right)
    stats = {"count": len(right), "mean": share, "stderr": math.sqrt(share * (1 - share) / len(right))}
    scores = {"exact": {"value": share, "stats": stats}}
    return EvaluationResult.model_validate({"tasks": {"sums": {"metrics": {"exact": {"scores": scores}}}}})
