"""Result files to scores, whichever schema they are of."""

from __future__ import annotations

from pathlib import Path

from evalyard.scoring.document import load_json, load_yaml, read_text
from evalyard.scoring.lm_eval import lm_eval_scores
from evalyard.scoring.nemo import nemo_scores
from evalyard.scoring.paths import scores_at
from evalyard.scoring.records import Score
from evalyard.specs import ResultFile, ResultFormat

RESULTS_FILE = ResultFile()
"""What nemo-evaluator harnesses leave, and the bundled one."""


def read_results(folder: Path, file: ResultFile = RESULTS_FILE, *, task: str = "") -> tuple[Score, ...]:
    """Return the scores in a result file of an artifacts folder.

    Args:
        task: what the scores are called by where the file itself does not say.

    Raises:
        ResultsError: it is absent, cannot be read, or is no result file of its format.
    """
    path = folder / file.file
    return parse_results(read_text(path), str(path), file, task=task)


def parse_results(text: str, source: str, file: ResultFile = RESULTS_FILE, *, task: str = "") -> tuple[Score, ...]:
    """Return the scores in the text of a result file.

    Args:
        source: what messages call the text.

    Raises:
        ResultsError: it is not of its format.
    """
    match file.format:
        case ResultFormat.NEMO:
            return nemo_scores(load_yaml(text, source), source)
        case ResultFormat.LM_EVAL:
            return lm_eval_scores(load_json(text, source), source)
        case ResultFormat.YAML:
            return scores_at(load_yaml(text, source), file.scores, source, task)
        case ResultFormat.JSON:
            return scores_at(load_json(text, source), file.scores, source, task)
