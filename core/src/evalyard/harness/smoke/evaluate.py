"""Asking every question with a pool of threads, each with its retries, and scoring the replies."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Callable, Iterator, Sequence

from .client import Reply, RequestFailed, RetryPolicy
from .questions import Question
from .scorers import SCORERS

FAILURES_IN_A_ROW = 10
"""After so many samples without a reply, and none with one between them, the rest is not tried."""


SIGNAL_CHECK_S = 0.2
"""A signal that arrives just before a wait begins is not handled until that wait ends, so none may be long."""


@dataclass(frozen=True)
class Sample:
    """What became of one question."""

    id: str
    kind: str
    prompt: str
    expected: Any
    response: str | None = None
    extracted: Any = None
    """The answer found in the response; None where there is none."""
    score: int | None = None
    """1 or 0; None where no response could be obtained."""
    latency_s: float | None = None
    """Of the request that succeeded."""
    attempts: int = 1
    error: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class _Finished:
    sample: Sample
    failure: RequestFailed | None = None


def score_reply(question: Question, reply: Reply, *, latency_s: float, attempts: int) -> Sample:
    """The finished sample of a question that got a reply."""
    extracted, score = SCORERS[question.scorer].score(reply.text, question.expected)
    return Sample(
        id=question.id,
        kind=question.kind,
        prompt=question.prompt,
        expected=question.expected,
        response=reply.text,
        extracted=extracted,
        score=score,
        latency_s=latency_s,
        attempts=attempts,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
    )


class Evaluation:
    """One pass over the questions. Iterating starts it and yields samples as they finish; it ends early when further
    requests are pointless (`stopped_because`) or after `interrupt` (`signal_number`)."""

    def __init__(
        self,
        questions: Sequence[Question],
        ask: Callable[[str], Reply],
        *,
        retry_policy: RetryPolicy,
        parallelism: int,
    ) -> None:
        self.stopped_because: str | None = None
        self.signal_number: int | None = None
        self._total = len(questions)
        self._waiting = deque(questions)
        self._ask = ask
        self._retry_policy = retry_policy
        self._parallelism = parallelism
        self._stop = threading.Event()
        self._inbox: SimpleQueue[_Finished | int | Exception] = SimpleQueue()
        self._answered = 0
        self._failures_in_a_row = 0

    def interrupt(self, signal_number: int) -> None:
        """Ends the iteration now. Made for signal handlers: SimpleQueue.put may be entered while it is running."""
        self._inbox.put(signal_number)

    def __iter__(self) -> Iterator[Sample]:
        for _ in range(min(self._parallelism, self._total)):
            # Daemons: requests still under way at the end are abandoned, not waited for.
            threading.Thread(target=self._work, daemon=True).start()
        try:
            for _ in range(self._total):
                news = self._next_news()
                if isinstance(news, Exception):
                    raise news
                if isinstance(news, int):
                    self.signal_number = news
                    return
                yield news.sample
                self.stopped_because = self._reason_to_stop(news.failure)
                if self.stopped_because is not None:
                    return
        finally:
            self._stop.set()

    def _next_news(self) -> _Finished | int | Exception:
        while True:
            try:
                return self._inbox.get(timeout=SIGNAL_CHECK_S)
            except Empty:
                continue

    def _reason_to_stop(self, failure: RequestFailed | None) -> str | None:
        if failure is None:
            self._answered += 1
            self._failures_in_a_row = 0
            return None
        self._failures_in_a_row += 1
        if not failure.retryable:
            return "the endpoint refused the request, and would refuse every other"
        if failure.unreachable and self._answered == 0:
            return "the endpoint could not be reached"
        if self._failures_in_a_row >= FAILURES_IN_A_ROW:
            return f"{FAILURES_IN_A_ROW} samples in a row got no reply"
        return None

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    question = self._waiting.popleft()
                except IndexError:
                    return
                finished = self._obtain(question)
                if finished is None:
                    return
                if finished.failure is not None and not finished.failure.retryable:
                    # Here already: by the time the iteration learns of it, other threads would have asked on.
                    self._stop.set()
                self._inbox.put(finished)
        except Exception as error:  # noqa: BLE001 - re-raised by __iter__: a dead thread would leave it waiting for ever
            self._inbox.put(error)

    def _obtain(self, question: Question) -> _Finished | None:
        """The finished sample, or None when the pass ended during a pause between its requests."""
        attempts = 0
        while True:
            attempts += 1
            started = time.monotonic()
            try:
                reply = self._ask(question.prompt)
            except RequestFailed as failure:
                if not failure.retryable or attempts > self._retry_policy.retries:
                    return _Finished(_failed(question, failure, attempts), failure)
                if self._stop.wait(self._retry_policy.pause_s(attempts, failure.retry_after_s)):
                    return None
            else:
                latency_s = time.monotonic() - started
                return _Finished(score_reply(question, reply, latency_s=latency_s, attempts=attempts))


def _failed(question: Question, failure: RequestFailed, attempts: int) -> Sample:
    """The finished sample of a question that got a reply."""
    return Sample(
        id=question.id,
        kind=question.kind,
        prompt=question.prompt,
        expected=question.expected,
        attempts=attempts,
        error=str(failure),
    )
