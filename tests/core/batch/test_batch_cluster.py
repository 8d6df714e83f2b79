"""evalyard.batch.cluster: submitting, finding and watching at a scheduler that breaks as told."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import evolve

from evalyard import Context, Handle, JobState, LaunchError, Observation, Transient
from evalyard.batch.cluster import Cluster
from evalyard.batch.logs import Logs
from tests.core.batch.submitted import CLUSTER, MARK, NAME, OTHER_MARK, end_of, plan, record, submitted
from tests.core.batch.toy import TOY, Toy


def test_jobs_are_submitted_with_the_words_of_their_plans_and_adopted_after_that(ctx: Context, toy: Toy) -> None:
    plans = [plan(ctx, 1), plan(ctx, 2)]
    first = submitted(ctx, *plans)
    assert [handle.id for handle in first] == ["11", "12"]
    assert submitted(ctx, *plans) == first
    assert toy.calls() == [f"tsub --name ey-a1b2c3d4-{number}-1 job.sh 1" for number in (1, 2)]


def test_what_stands_around_the_answer_does_not_matter(ctx: Context, toy: Toy) -> None:
    toy.say("banner", "Welcome, user <5>\n")
    with (toy.folder / "bin" / "tsub").open("a") as command:
        command.write("printf 'Goodbye.\\n\\tYour quota is 80 %%\\n'\n")
    for _ in range(2):
        assert [handle.id for handle in submitted(ctx, plan(ctx))] == ["11"]
    assert (len(toy.calls("tsub")), len(toy.calls("tstat"))) == (1, 0)


def test_a_job_that_was_taken_without_a_word_is_not_sent_again(ctx: Context, toy: Toy) -> None:
    (toy.folder / "bin" / "tsub").write_text('#!/bin/sh\necho tsub >>"$(dirname "$0")/../calls"\n')
    toy.say("jobs", f"11|{NAME}|waiting|/x|\n")
    any_word = Cluster(evolve(TOY, number=r"\S+"))
    for _ in range(2):
        answer = any_word.submit(ctx, [plan(ctx)])[NAME]
        assert isinstance(answer, Handle)
        assert answer.id == "11"
    assert len(toy.calls("tsub")) == 1


def test_an_answer_without_a_number_is_looked_up_and_not_sent_again(ctx: Context, toy: Toy) -> None:
    (toy.folder / "bin" / "tsub").write_text('#!/bin/sh\necho tsub >>"$(dirname "$0")/../calls"\necho thanks\n')
    answer = CLUSTER.submit(ctx, [plan(ctx)])[NAME]
    assert answer == LaunchError(message="Toy has it, and does not say under which number", transient=True)
    CLUSTER.submit(ctx, [plan(ctx)])
    assert len(toy.calls("tsub")) == 1
    with pytest.raises(Transient, match="does not say under which number"):
        CLUSTER.find(ctx, {NAME: MARK})
    toy.say("jobs", f"11|{NAME}|waiting|/x|\n")
    assert [handle.id for handle in submitted(ctx, plan(ctx))] == ["11"]
    assert [handle.id for handle in CLUSTER.find(ctx, {NAME: MARK}).values()] == ["11"]
    assert len(toy.calls("tsub")) == 1


def test_an_accepted_job_whose_answer_was_lost_is_found_by_its_name(ctx: Context, toy: Toy) -> None:
    toy.say("silence")
    assert CLUSTER.submit(ctx, [plan(ctx)])[NAME] == LaunchError(message="toy: no answer", transient=True)
    found = CLUSTER.find(ctx, {NAME: MARK})
    assert [handle.id for handle in found.values()] == ["11"]
    assert submitted(ctx, plan(ctx)) == [found[NAME]]
    assert len(toy.calls("tsub")) == 1


def test_a_job_whose_number_nobody_tells_keeps_no_other_from_being_found(ctx: Context, toy: Toy) -> None:
    (known,) = submitted(ctx, plan(ctx, 1))
    (toy.folder / "bin" / "tsub").write_text("#!/bin/sh\necho thanks\n")
    untold = plan(ctx, 2, OTHER_MARK)
    CLUSTER.submit(ctx, [untold])
    assert CLUSTER.find(ctx, {NAME: MARK, untold.name: OTHER_MARK}) == {NAME: known}
    with pytest.raises(Transient, match="ey-a1b2c3d4-2-1, and does not say under which number"):
        CLUSTER.find(ctx, {untold.name: OTHER_MARK})


def test_of_two_jobs_for_an_attempt_the_one_that_has_begun_is_found_and_watched(ctx: Context, toy: Toy) -> None:
    one = plan(ctx)
    (handle,) = submitted(ctx, one)
    toy.say("jobs", f"11|{NAME}|done|{one.directory}|\n12|{NAME}|going|{one.directory}|\n")
    (record(handle) / "job").write_text("12\n")
    winner = evolve(handle, id="12")
    assert submitted(ctx, one) == [winner]
    assert CLUSTER.find(ctx, {NAME: MARK}) == {NAME: winner}
    assert CLUSTER.status(ctx, [handle])[NAME] == Observation(state=JobState.RUNNING, handle=winner)
    assert CLUSTER.status(ctx, [winner])[NAME] == Observation(state=JobState.RUNNING)


def test_the_name_of_another_attempt_is_another_name(ctx: Context, toy: Toy) -> None:
    toy.say("silence")
    CLUSTER.submit(ctx, [plan(ctx)])
    toy.say("jobs", f"9|{NAME}0|going|/x|\n")
    assert CLUSTER.find(ctx, {NAME: MARK}) == {}


def test_a_job_that_left_the_queue_has_left_its_number(ctx: Context, toy: Toy) -> None:
    toy.say("silence")
    CLUSTER.submit(ctx, [plan(ctx)])
    toy.say("jobs")
    one = plan(ctx)
    (Path(one.directory) / "attempts" / "1" / "job").write_text("11\n")
    assert [handle.id for handle in submitted(ctx, one)] == ["11"]
    toy.say("down")
    assert [handle.id for handle in CLUSTER.find(ctx, {NAME: MARK}).values()] == ["11"]
    assert len(toy.calls("tsub")) == 1


def test_a_refused_job_fails_alone_in_the_schedulers_words(ctx: Context, toy: Toy) -> None:
    answers = CLUSTER.submit(ctx, [plan(ctx, 1), plan(ctx, 2, made=False)])
    assert isinstance(answers[NAME], Handle)
    refused = answers["ey-a1b2c3d4-2-1"]
    assert isinstance(refused, LaunchError)
    assert refused.message.startswith("there is no folder")
    toy.say("refusal", "toy: no\tsuch queue\n")
    assert CLUSTER.submit(ctx, [plan(ctx, 3)])["ey-a1b2c3d4-3-1"] == LaunchError(message="toy: no such queue")


def test_an_attempt_of_another_launch_is_not_taken(ctx: Context, toy: Toy) -> None:
    submitted(ctx, plan(ctx))
    answer = CLUSTER.submit(ctx, [plan(ctx, mark=OTHER_MARK)])[NAME]
    assert answer == LaunchError(message="somebody else has this attempt")
    assert len(toy.calls("tsub")) == 1


def test_two_who_submit_at_once_submit_once(ctx: Context, toy: Toy) -> None:
    one = plan(ctx)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: CLUSTER.submit(ctx, [one])[NAME], range(8)))
    assert len(set(map(str, answers))) == 1
    assert len(toy.calls("tsub")) == 1


def test_variables_of_the_scheduler_do_not_reach_its_commands(
    ctx: Context, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_QUEUE", "inherited")
    monkeypatch.setenv("TOY_HOME", "/kept")
    submitted(ctx, plan(ctx))
    seen = (toy.folder / "environment").read_text()
    assert "inherited" not in seen
    assert "TOY_HOME=/kept\n" in seen


def test_one_question_for_all_jobs_and_none_to_accounting_while_the_queue_knows(ctx: Context, toy: Toy) -> None:
    handles = submitted(ctx, *(plan(ctx, number) for number in range(1, 6)))
    toy.say("calls")
    seen = CLUSTER.status(ctx, handles)
    assert {seen[handle.name].state for handle in handles} == {JobState.QUEUED}
    assert toy.calls() == ["tstat --jobs=11,12,13,14,15"]


def test_what_the_queue_forgot_is_asked_of_accounting_once(ctx: Context, toy: Toy) -> None:
    handles = submitted(ctx, plan(ctx, 1), plan(ctx, 2), plan(ctx, 3))
    toy.say("jobs", "12|ey-a1b2c3d4-2-1|going|/x|\n")
    toy.say("accounts", f"11|{NAME}|late|/x|\n")
    toy.say("calls")
    seen = CLUSTER.status(ctx, handles)
    assert {name: one.state for name, one in seen.items()} == {
        NAME: JobState.TIMED_OUT,
        "ey-a1b2c3d4-2-1": JobState.RUNNING,
    }
    assert toy.calls() == ["tstat --jobs=11,12,13", "tacct 11 13"]


def test_where_nobody_keeps_accounts_the_exit_file_decides(ctx: Context, toy: Toy) -> None:
    (handle,) = submitted(ctx, plan(ctx))
    toy.say("jobs")
    assert CLUSTER.status(ctx, [handle]) == {}
    end_of(handle)
    assert CLUSTER.status(ctx, [handle])[NAME].state is JobState.SUCCEEDED


def test_a_queue_that_knows_none_has_answered_and_one_that_is_silent_has_not(ctx: Context, toy: Toy) -> None:
    (handle,) = submitted(ctx, plan(ctx))
    (toy.folder / "bin" / "tstat").write_text("#!/bin/sh\necho 'tstat: I know none of these' >&2\nexit 1\n")
    assert CLUSTER.status(ctx, [handle]) == {}
    toy.say("down")
    (toy.folder / "bin" / "tstat").write_text("#!/bin/sh\necho 'tstat: too tired' >&2\nexit 1\n")
    with pytest.raises(Transient, match="too tired"):
        CLUSTER.status(ctx, [handle])


def test_a_queue_that_does_not_know_one_has_told_of_the_others(ctx: Context, toy: Toy) -> None:
    handles = submitted(ctx, plan(ctx, 1), plan(ctx, 2))
    toy.say("jobs", f"11|{NAME}|going|/x|\n")
    with (toy.folder / "bin" / "tstat").open("a") as command:
        command.write("echo 'tstat: 12 is none of these' >&2\nexit 1\n")
    assert set(CLUSTER.status(ctx, handles)) == {NAME}


def test_a_queue_that_cannot_be_read_ends_nothing(ctx: Context, toy: Toy) -> None:
    (handle,) = submitted(ctx, plan(ctx))
    (toy.folder / "bin" / "tstat").write_text("#!/bin/sh\necho '<html>'\n")
    for ask in (lambda: CLUSTER.status(ctx, [handle]), lambda: CLUSTER.end(ctx, [handle], wait=True)):
        with pytest.raises(Transient, match="cannot be read"):
            ask()


def test_what_this_launcher_submitted_and_nobody_knows_is_an_orphan(ctx: Context, toy: Toy) -> None:
    handles = submitted(ctx, plan(ctx, 1), plan(ctx, 2))
    text = (toy.folder / "jobs").read_text().replace("12|ey-a1b2c3d4-2-1|waiting", "12|ey-a1b2c3d4-2-1|done")
    toy.say("jobs", f"{text}7|ey-ffffffff-1-1|going|/nowhere|\n8|else|going|/x|\n")
    assert CLUSTER.orphans(ctx, {}) == (handles[0],)
    assert CLUSTER.orphans(ctx, {NAME: MARK}) == ()
    other = Context(connection=ctx.connection, run_dir=ctx.run_dir, owner="somebody")
    assert CLUSTER.orphans(other, {}) == ()


def test_the_log_of_a_job_that_the_queue_does_not_hold_any_more_ends(ctx: Context, toy: Toy) -> None:
    one = plan(ctx)
    (handle,) = submitted(ctx, one)
    log = Path(one.directory) / "logs" / "stdout.log"
    log.parent.mkdir()
    log.write_bytes(b"end\none\nend\nlast")
    first = Logs(CLUSTER).read(ctx, handle, "client", "", 1 << 16)
    assert (first.lines, first.ended) == (("end", "one", "end"), False)
    toy.say("down")
    assert not Logs(CLUSTER).read(ctx, handle, "client", first.cursor, 1 << 16).ended
    toy.unsay("down")
    toy.say("jobs", f"11|{NAME}|killed|/x|\n")
    last = Logs(CLUSTER).read(ctx, handle, "client", first.cursor, 1 << 16)
    assert (last.lines, last.ended) == (("last",), True)
