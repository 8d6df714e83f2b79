"""Results of runs that never were."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from evalyard.records.jobs import JobCard
from evalyard.report.content import describe
from evalyard.report.render import render
from evalyard.report.texts import Texts, read_texts
from evalyard.scoring.records import JobResults, Score
from evalyard.states import JobState

MADE_AT = datetime(2026, 11, 21, 20, 45, tzinfo=UTC)
RUN, OTHER_RUN = "3b397722", "ec695ad5"
MODEL, OTHER_MODEL = "meta/llama-3.1-8b-instruct", "qwen/qwen3-8b"
CONFIG = """\
execution: {type: local, output_dir: runs}
target:
  api_endpoint:
    url: http://localhost:8000/v1/chat/completions
    model_id: meta/llama-3.1-8b-instruct
    api_key_name: NGC_API_KEY
evaluation:
  tasks: [ifeval, gsm8k, mmlu_pro]
"""
LOG = """\
2026-11-21T20:31:02Z evalyard: attempt 1 started
\x1b[32mINFO\x1b[0m loading the dataset
10%|#         | 54/541\r55%|#####     | 297/541\r80%|########  | 433/541
\x1b[31mERROR\x1b[0m the endpoint answered 503 Service Unavailable, and again after 5 tries
Traceback (most recent call last):
  File "harness.py", line 120, in <module>
ConnectionError: <the endpoint> & its proxy
2026-11-21T20:36:44Z evalyard: ended with exit code 1
"""


def score(task: str = "ifeval", value: float = 0.5, **fields: Any) -> Score:
    """Return one number; its metric is `accuracy` unless said otherwise."""
    metric = fields.pop("metric", "accuracy")
    return Score(task=task, metric=metric, score=fields.pop("score", metric), value=value, **fields)


def job(
    *scores: Score, number: int = 1, run: str = RUN, state: JobState = JobState.SUCCEEDED, **fields: Any
) -> JobResults:
    """Return the results of one job; names of a card's fields go to its card."""
    card = {key: fields.pop(key) for key in [*fields] if key in attrs.fields_dict(JobCard)}
    task = card.pop("task", scores[0].task if scores else "ifeval")
    asked = JobCard(
        job=card.pop("job", f"{run}.{number}"),
        task=task,
        **{
            "executor": "local",
            "harness": "nemo-evaluator",
            "model_id": MODEL,
            "endpoint_url": "http://localhost:8000/v1/chat/completions",
            "endpoint_type": "chat",
            "created_at": "2026-11-21T20:28:12.200+00:00",
            "evalyard_version": "0.1.0",
            **card,
        },
    )
    start = datetime(2026, 11, 21, 20, 31, 2, tzinfo=UTC)
    times = {
        "started_at": start.isoformat(),
        "ended_at": (start + timedelta(seconds=61 * number)).isoformat() if state.final else "",
    }
    return JobResults(card=asked, state=state, scores=scores, **(times | fields))


def page(*jobs: JobResults, title: str = "", texts: Texts | None = None) -> str:
    """Return the HTML of a report of these jobs."""
    return render(describe(jobs, texts or Texts(), made_at=MADE_AT, title=title))


def full_page(folder: Path) -> str:
    """Return a report that has everything in it: two runs, groups, limits, failures, logs, several axes."""
    jobs = everything(folder)
    return page(*jobs, texts=read_texts(jobs))


def everything(folder: Path) -> tuple[JobResults, ...]:
    """Return two runs with what a report can meet."""
    config, log = folder / "config.yaml", folder / "stdout.log"
    config.write_text(CONFIG)
    log.write_text(LOG)
    baseline = _run(RUN, 0.0, config=str(config))
    other = _run(OTHER_RUN, 0.055, config=str(config), model_id=OTHER_MODEL, parameters={"temperature": 0.6})
    failed = job(
        number=6,
        run=OTHER_RUN,
        state=JobState.FAILED,
        task="humaneval",
        reason="exit code 1: the endpoint answered 503 Service Unavailable",
        problem="FAILED",
        log=str(log),
        config=str(config),
        model_id="qwen/qwen3-8b",
    )
    running = job(
        number=7, run=OTHER_RUN, state=JobState.RUNNING, task="bbh", problem="RUNNING", model_id="qwen/qwen3-8b"
    )
    return (*baseline, *other, failed, running)


def _run(run: str, more: float, **fields: Any) -> tuple[JobResults, ...]:
    def made(number: int, *scores: Score, **others: Any) -> JobResults:
        image = {"image": "nvcr.io/nvidia/eval-factory/simple-evals:25.11", "image_digest": "sha256:" + "4f" * 32}
        return job(*scores, number=number, run=run, source="compare.yaml", **(image | fields | others))

    return (
        made(
            1,
            score("ifeval", 0.7412 + more, stderr=0.0188, n=541, metric="prompt_level_strict_acc"),
            score("ifeval", 0.8129 + more / 2, stderr=0.0151, n=834, metric="inst_level_strict_acc"),
        ),
        made(2, score("gsm8k", 0.8453 - more, stderr=0.0099, n=1319, metric="exact_match", score="flexible-extract")),
        made(
            3,
            score("mmlu_pro_law", 0.3127 + more / 3, stderr=0.0140, n=1101),
            score("mmlu_pro_physics", 0.4450 + more / 2, stderr=0.0138, n=1299),
            score("mmlu_pro", 0.4371 + more / 2, stderr=0.0045, n=12032, group=True),
            task="mmlu_pro",
        ),
        made(4, score("wikitext", 9.412 - 10 * more, stderr=0.21, metric="word_perplexity")),
        made(
            5,
            score("aime_2025", 0.2 + 2 * more, stderr=0.1333, n=10, metric="pass@1"),
            limit_samples=10.0,
            parameters=fields.get("parameters", {}) | {"limit_samples": 10},
        ),
    )


def many(count: int, seed: int = 7) -> tuple[JobResults, ...]:
    """Return a run of many tasks with two scores each, every tenth a failure."""
    chance = random.Random(seed)
    return tuple(_one_of_many(number, chance) for number in range(1, count + 1))


def _one_of_many(number: int, chance: random.Random) -> JobResults:
    task = f"{chance.choice(SUBJECTS)}_{chance.choice(LEVELS)}_{number:03}"
    if number % 10 == 0:
        return job(number=number, state=JobState.FAILED, task=task, reason="exit code 1", problem="FAILED: exit code 1")
    value, other = chance.random(), chance.random()
    return job(
        score(task, value, stderr=0.5 * (value * (1 - value) / 100) ** 0.5, n=400),
        score(task, other, stderr=0.02, n=400, metric="f1"),
        number=number,
        parameters={"temperature": 0.0, "parallelism": 8, "extra": {"num_fewshot": number % 6}},
    )


SUBJECTS = ("mmlu_abstract_algebra", "bbh_causal_judgement", "arc", "agieval_lsat", "winogrande", "ruler")
LEVELS = ("easy", "hard", "multilingual_de", "zero_shot_cot")
