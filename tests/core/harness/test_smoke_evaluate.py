import os
import signal
import threading
from fractions import Fraction
from typing import Any

import pytest

from evalyard.harness.smoke.client import Client, Endpoint, Reply, RequestFailed, RetryPolicy
from evalyard.harness.smoke.evaluate import FAILURES_IN_A_ROW, Evaluation, Sample
from evalyard.harness.smoke.questions import Question, load_questions
from evalyard.harness.smoke.report import scores, statistics
from tests.core.harness.smoke_servers import demo_endpoint

QUESTIONS = load_questions()
IMPATIENT = RetryPolicy(retries=3, base_s=0.001)


class Refusing:
    """Answers until `good` requests were answered, then fails with the given failure."""

    def __init__(self, failure: RequestFailed, good: int = 0) -> None:
        self.failure = failure
        self.good = good
        self.asked = 0
        self._counting = threading.Lock()

    def ask(self, prompt: str) -> Reply:
        with self._counting:
            self.asked += 1
            if self.asked > self.good:
                raise self.failure
        return Reply(prompt)


def obtained(questions: list[Question], url: str, policy: RetryPolicy = IMPATIENT) -> list[Sample]:
    ask = Client(Endpoint(url=f"{url}/v1/chat/completions", model="demo")).ask
    return list(Evaluation(questions, ask, retry_policy=policy, parallelism=8))


def correct(samples: list[Sample]) -> Fraction:
    return Fraction(sum(sample.score or 0 for sample in samples), len(samples))


def test_each_question_is_asked_once_and_counted_once() -> None:
    with demo_endpoint() as url:
        samples = obtained(QUESTIONS, url)
    assert sorted(sample.id for sample in samples) == sorted(question.id for question in QUESTIONS)
    assert {sample.attempts for sample in samples} == {1}


def test_changing_one_expected_answer_changes_the_score_by_exactly_one_nth() -> None:
    with demo_endpoint() as url:
        before = {sample.id: sample for sample in obtained(QUESTIONS, url)}
        right = next(question for question in QUESTIONS if before[question.id].score == 1)
        wrong = next(question for question in QUESTIONS if before[question.id].score == 0)
        for changed, expected, difference in (
            (right, ["nothing"] if right.scorer == "list" else "0.5", -1),
            (wrong, before[wrong.id].extracted, +1),
        ):
            questions = [
                Question(q.id, q.kind, q.scorer, q.prompt, expected) if q.id == changed.id else q for q in QUESTIONS
            ]
            after = obtained(questions, url)
            assert correct(after) - correct(list(before.values())) == Fraction(difference, len(QUESTIONS))


def test_a_server_with_one_answer_for_all_scores_near_chance() -> None:
    with demo_endpoint(constant="The answer is A.") as url:
        assert correct(obtained(QUESTIONS, url)) < Fraction(1, 5)


def test_the_demo_endpoint_is_right_often_but_not_always_in_every_kind() -> None:
    with demo_endpoint() as url:
        samples = obtained(QUESTIONS, url)
    for kind in {sample.kind for sample in samples}:
        assert 0 < correct([sample for sample in samples if sample.kind == kind]) < 1
    assert Fraction(3, 5) < correct(samples) < Fraction(9, 10)


def test_retries_get_every_reply_out_of_a_failing_server() -> None:
    with demo_endpoint(failure_rate=0.3) as url:
        samples = obtained(QUESTIONS, url, RetryPolicy(retries=30, base_s=0.001))
    with demo_endpoint() as url:
        assert correct(samples) == correct(obtained(QUESTIONS, url))
    assert all(sample.error is None for sample in samples)
    measured = statistics(samples, asked=len(QUESTIONS), duration_s=1.0)
    assert measured["retries"] == sum(sample.attempts - 1 for sample in samples) > 0
    assert measured["request_error_rate"] == measured["retries"] / measured["requests"]
    assert measured["sample_error_rate"] == 0


def test_a_refusal_ends_the_pass_at_once() -> None:
    server = Refusing(RequestFailed("HTTP 401: who are you", retryable=False))
    evaluation = Evaluation(QUESTIONS, server.ask, retry_policy=IMPATIENT, parallelism=1)
    samples = list(evaluation)
    assert [sample.error for sample in samples] == ["HTTP 401: who are you"]
    assert evaluation.stopped_because is not None
    assert samples[0].attempts == 1


def test_an_unreachable_server_is_given_up_after_the_retries_of_one_sample() -> None:
    server = Refusing(RequestFailed("connection refused", retryable=True, unreachable=True))
    evaluation = Evaluation(QUESTIONS, server.ask, retry_policy=IMPATIENT, parallelism=1)
    samples = list(evaluation)
    assert [sample.attempts for sample in samples] == [1 + IMPATIENT.retries]
    assert evaluation.stopped_because == "the endpoint could not be reached"


def test_a_server_that_dies_on_the_way_is_given_up_after_some_samples() -> None:
    server = Refusing(RequestFailed("connection refused", retryable=True, unreachable=True), good=5)
    evaluation = Evaluation(QUESTIONS, server.ask, retry_policy=IMPATIENT, parallelism=1)
    samples = list(evaluation)
    assert [sample.error is None for sample in samples] == [True] * 5 + [False] * FAILURES_IN_A_ROW


def test_single_failures_do_not_end_the_pass() -> None:
    lock, asked = threading.Lock(), [0]

    def ask(prompt: str) -> Reply:
        with lock:
            asked[0] += 1
            if asked[0] % 2:
                raise RequestFailed("HTTP 500: odd", retryable=True)
        return Reply(prompt)

    evaluation = Evaluation(QUESTIONS, ask, retry_policy=RetryPolicy(retries=0), parallelism=1)
    samples = list(evaluation)
    assert len(samples) == len(QUESTIONS)
    assert evaluation.stopped_because is None
    assert [sample.score for sample in samples if sample.error is not None] == [None] * (len(QUESTIONS) // 2)


def test_an_interrupt_ends_the_pass_while_requests_hang() -> None:
    hanging = threading.Event()

    def ask(prompt: str) -> Reply:
        hanging.wait(30)
        return Reply(prompt)

    evaluation = Evaluation(QUESTIONS, ask, retry_policy=IMPATIENT, parallelism=4)
    earlier = signal.signal(signal.SIGTERM, lambda number, _: evaluation.interrupt(number))
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        assert list(evaluation) == []
    finally:
        signal.signal(signal.SIGTERM, earlier)
        hanging.set()
    assert evaluation.signal_number == signal.SIGTERM


def test_a_defect_in_a_thread_is_raised_and_does_not_hang() -> None:
    def ask(_: str) -> Reply:
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        list(Evaluation(QUESTIONS, ask, retry_policy=IMPATIENT, parallelism=4))


def sample(score: int, kind: str = "k") -> Sample:
    return Sample(id="", kind=kind, prompt="", expected="", response="", score=score)


def accuracy(entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = entry["metrics"]["accuracy"]["scores"]["accuracy"]
    return found


def test_the_standard_error_is_that_of_a_mean_of_zeros_and_ones() -> None:
    stats = accuracy(scores([sample(1), sample(1), sample(0), sample(0), sample(0)], "smoke")["groups"]["smoke"])[
        "stats"
    ]
    assert stats["count"] == 5
    # variance of 1 1 0 0 0 about its mean, n - 1 below, is 0.3
    assert stats["stderr"] == pytest.approx((0.3 / 5) ** 0.5)


def test_one_sample_has_no_standard_error() -> None:
    assert accuracy(scores([sample(1)], "smoke")["groups"]["smoke"])["stats"]["stderr"] is None


def test_the_group_is_the_mean_over_samples_and_absent_for_one_kind() -> None:
    both = scores([sample(1, "a"), sample(0, "b"), sample(0, "b")], "smoke")
    assert list(both["tasks"]) == ["smoke.a", "smoke.b"]
    assert accuracy(both["groups"]["smoke"])["value"] == 1 / 3
    assert scores([sample(1, "a")], "smoke.a")["groups"] == {}
