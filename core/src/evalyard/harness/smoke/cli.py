"""The program: asks, reports as it goes, and leaves the files of the run behind."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from typing import Any, Sequence

from . import report
from .client import Client, RetryPolicy
from .evaluate import Evaluation, Sample
from .options import Settings, parse
from .output import OutputFolder
from .questions import BUNDLED, Question, digest, load_questions, select, task_names
from .redaction import Redactor

REPORT_EVERY = 10
"""Samples between two lines about progress."""
CAUSES_SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the smoke test. Returns 0 when every sample was scored, 1 when one could not be obtained, 2 when the output
    folder cannot be written, and 128 plus the signal's number when interrupted; usage errors exit with 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    bundled = load_questions()
    settings = parse(arguments, task_names(bundled))
    redact = Redactor(settings.endpoint.api_key)
    try:
        return _Run(settings, select(bundled, settings.task, settings.limit), arguments, redact).run()
    except OSError as error:
        print(redact(f"cannot write to {settings.output}: {error}"), file=sys.stderr)
        return 2


class _Run:
    def __init__(
        self, settings: Settings, questions: Sequence[Question], arguments: Sequence[str], redact: Redactor
    ) -> None:
        self._settings = settings
        self._questions = questions
        self._arguments = arguments
        self._redact = redact
        self._output = OutputFolder(settings.output, redact)

    def run(self) -> int:
        self._output.prepare()
        endpoint = self._settings.endpoint
        self._say(f"{report.NOTE}: {len(self._questions)} questions of task {self._settings.task}")
        self._say(f"asking {endpoint.model} at {endpoint.url}")
        evaluation = Evaluation(
            self._questions,
            Client(endpoint).ask,
            retry_policy=RetryPolicy(retries=self._settings.retries),
            parallelism=self._settings.parallelism,
        )
        started = time.monotonic()
        samples = self._samples(evaluation)
        measured = report.statistics(samples, asked=len(self._questions), duration_s=time.monotonic() - started)
        self._output.write_samples(samples)
        self._output.write_progress(len(samples), now=True)
        self._output.write_statistics(measured)
        if evaluation.signal_number is not None:
            name = signal.Signals(evaluation.signal_number).name
            self._say(f"{name}: stopped after {len(samples)}/{len(self._questions)} samples, no scores")
            return 128 + evaluation.signal_number
        if len(samples) < len(self._questions) or any(sample.error is not None for sample in samples):
            self._explain(samples, evaluation.stopped_because)
            return 1
        self._conclude(samples, measured)
        return 0

    def _samples(self, evaluation: Evaluation) -> list[Sample]:
        """The finished samples, in the order of the questions."""

        def interrupt(number: int, _: Any) -> None:
            evaluation.interrupt(number)

        total = len(self._questions)
        samples: list[Sample] = []
        earlier = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            for sample in evaluation:
                samples.append(sample)
                self._output.write_progress(len(samples))
                if len(samples) % REPORT_EVERY == 0 or len(samples) == total:
                    self._say(report.progress_line(samples, total))
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
        place = {question.id: order for order, question in enumerate(self._questions)}
        return sorted(samples, key=lambda sample: place[sample.id])

    def _explain(self, samples: Sequence[Sample], stopped_because: str | None) -> None:
        total = len(self._questions)
        failed = [sample for sample in samples if sample.error is not None]
        self._say(f"failed: {len(failed)} of {total} samples got no reply, {total - len(samples)} were not tried")
        if stopped_because is not None:
            self._say(f"stopped early: {stopped_because}")
        causes = report.causes(failed)
        for line in causes[:CAUSES_SHOWN]:
            self._say(f"  {line}")
        if len(causes) > CAUSES_SHOWN:
            self._say(f"  and {len(causes) - CAUSES_SHOWN} other causes")
        self._say(f"samples without reply: {' '.join(sample.id for sample in failed)}")
        self._say(f"no scores are given; what was obtained is in {self._output.samples_path}")

    def _conclude(self, samples: Sequence[Sample], measured: dict[str, Any]) -> None:
        scores = report.scores(samples, self._settings.task)
        self._output.write_results({**self._description(measured), "results": scores})
        for line in report.table(scores, measured):
            self._say(line)
        self._say(f"results: {self._output.results_path}")

    def _description(self, measured: dict[str, Any]) -> dict[str, Any]:
        """What `results.yml` says beside the scores."""
        settings, endpoint = self._settings, self._settings.endpoint
        params: dict[str, Any] = {
            "limit_samples": settings.limit,
            "max_new_tokens": endpoint.max_tokens,
            "max_retries": settings.retries,
            "parallelism": settings.parallelism,
            "task": settings.task,
            "temperature": endpoint.temperature,
            "request_timeout": endpoint.timeout_s,
            "top_p": endpoint.top_p,
            "extra": {},
        }
        target = {
            "url": endpoint.url,
            "model_id": endpoint.model,
            "type": endpoint.type,
            "api_key_name": settings.api_key_name,
            "stream": endpoint.stream,
        }
        words = ["python3", "-m", str(__package__), *self._arguments]
        return {
            "command": " ".join(shlex.quote(self._redact(word)) for word in words),
            "config": {"type": settings.task, "output_dir": str(settings.output), "params": params},
            "target": {"api_endpoint": target},
            "git_hash": "",
            "metadata": {"note": report.NOTE, "questions_sha256": digest(BUNDLED), "statistics": measured},
        }

    def _say(self, text: str) -> None:
        # Flushed: whoever follows the log wants to see it now.
        print(self._redact(text), flush=True)
