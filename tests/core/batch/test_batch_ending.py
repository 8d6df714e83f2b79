"""evalyard.batch.ending: cancelling jobs and seeing them gone, at a scheduler that breaks as told."""

import pytest

from evalyard import Context, Handle, JobState, LaunchError, Transient
from tests.core.batch.submitted import CLUSTER, MARK, NAME, OTHER_MARK, end_of, plan, submitted
from tests.core.batch.toy import Toy


def test_cancelling_asks_once_for_all_that_live(ctx: Context, toy: Toy) -> None:
    handles = submitted(ctx, plan(ctx, 1), plan(ctx, 2), plan(ctx, 3))
    toy.say("jobs", (toy.folder / "jobs").read_text().replace("12|ey-a1b2c3d4-2-1|waiting", "12|ey-a1b2c3d4-2-1|done"))
    for _ in range(2):
        assert CLUSTER.end(ctx, handles, wait=False) == ()
    assert toy.calls("tdel") == ["tdel 11 13"], "what has ended is not asked again"


def test_a_job_that_leaves_the_queue_when_it_is_cancelled_was_cancelled(ctx: Context, toy: Toy) -> None:
    one, other = submitted(ctx, plan(ctx, 1), plan(ctx, 2))
    assert CLUSTER.end(ctx, [one], wait=False) == ()
    toy.say("jobs")
    assert {name: seen.state for name, seen in CLUSTER.status(ctx, [one, other]).items()} == {
        one.name: JobState.CANCELLED
    }


def test_a_number_that_another_job_has_now_is_left_alone(ctx: Context, toy: Toy) -> None:
    handles = submitted(ctx, plan(ctx))
    toy.say("jobs", "11|somebody-elses|going|/x|\n")
    assert CLUSTER.end(ctx, handles, wait=True) == ()
    assert toy.calls("tdel") == []


def test_what_was_sent_and_not_heard_of_is_ended_or_will_not_begin(ctx: Context, toy: Toy) -> None:
    toy.say("silence")
    CLUSTER.submit(ctx, [plan(ctx, 1)])
    unheard = [Handle(name=f"ey-a1b2c3d4-{number}-1", mark=MARK[:-1] + str(number)) for number in (1, 2)]
    unheard[0] = Handle(name=NAME, mark=MARK)
    assert CLUSTER.end(ctx, unheard, wait=True) == ()
    assert toy.calls("tdel") == ["tdel 11"]
    answer = CLUSTER.submit(ctx, [plan(ctx, 2, mark=unheard[1].mark)])["ey-a1b2c3d4-2-1"]
    assert answer == LaunchError(message="it was cancelled before it was submitted")


def test_a_stranger_of_our_name_is_not_ended(ctx: Context, toy: Toy) -> None:
    submitted(ctx, plan(ctx, mark=OTHER_MARK))
    assert CLUSTER.end(ctx, [Handle(name=NAME, mark=MARK)], wait=True) == ()
    assert toy.calls("tdel") == []


def test_a_job_with_its_result_is_left_to_end_by_itself(ctx: Context, toy: Toy) -> None:
    (handle,) = submitted(ctx, plan(ctx))
    end_of(handle)
    (toy.folder / "bin" / "tstat").write_text(
        '#!/bin/sh\ntoy=$(dirname "$0")/..\ncat "$toy/jobs"\n'
        'if [ -e "$toy/looked" ]; then : >"$toy/jobs"; fi\n: >"$toy/looked"\n'
    )
    assert CLUSTER.end(ctx, [handle], wait=True) == ()
    assert toy.calls("tdel") == []


def test_what_does_not_go_is_said_to_remain(ctx: Context, toy: Toy) -> None:
    handles = submitted(ctx, plan(ctx))
    (toy.folder / "bin" / "tdel").write_text("#!/bin/sh\n")
    patient = Context(connection=ctx.connection, run_dir=ctx.run_dir)
    patient.deadline -= 117.0
    assert CLUSTER.end(patient, handles, wait=True) == tuple(handles)


def test_a_scheduler_that_hears_no_wish_to_end_says_so(ctx: Context, toy: Toy) -> None:
    handles = submitted(ctx, plan(ctx))
    (toy.folder / "bin" / "tdel").write_text("#!/bin/sh\necho 'toy: no answer' >&2\nexit 1\n")
    for wait in (False, True):
        with pytest.raises(Transient, match="no answer"):
            CLUSTER.end(ctx, handles, wait=wait)


def test_a_job_whose_end_is_refused_is_named_with_the_schedulers_words(ctx: Context, toy: Toy) -> None:
    handles = submitted(ctx, plan(ctx, 1), plan(ctx, 2))
    (toy.folder / "bin" / "tdel").write_text("#!/bin/sh\necho 'tdel: 11 is not yours' >&2\nexit 1\n")
    refused = CLUSTER.end(ctx, handles, wait=False)
    assert [(handle.id, handle.problem) for handle in refused] == [("11", "tdel: 11 is not yours")]
    patient = Context(connection=ctx.connection, run_dir=ctx.run_dir)
    patient.deadline -= 117.0
    remaining = CLUSTER.end(patient, handles, wait=True)
    assert [(handle.id, handle.problem) for handle in remaining] == [("11", "tdel: 11 is not yours"), ("12", "")]


def test_jobs_whose_end_fails_without_a_word_are_all_named(ctx: Context, toy: Toy) -> None:
    handles = submitted(ctx, plan(ctx, 1), plan(ctx, 2))
    (toy.folder / "bin" / "tdel").write_text("#!/bin/sh\nexit 1\n")
    refused = CLUSTER.end(ctx, handles, wait=False)
    assert [handle.problem for handle in refused] == ["tdel failed, and gave no reason"] * 2
