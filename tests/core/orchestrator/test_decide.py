"""evalyard.orchestrator.decide: tables of situations and the steps that follow from them."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from evalyard.orchestrator.decide import Situation, exporting, next_steps, unfinished
from evalyard.orchestrator.steps import (
    BRIEF_STEPS,
    ENDING_STEPS,
    EVERY_STEP,
    Abort,
    Collect,
    Export,
    Launch,
    Matter,
    Provision,
    Release,
    Settle,
    Step,
    Tell,
)
from evalyard.records.handles import Handle
from evalyard.records.plans import Need, NeedKind
from evalyard.states import JobState
from evalyard.store.history import Attempt, Export as Exported, History, JobHistory, NeedHistory
from tests.core.store.records import invocation, plans

S = JobState
HANDLE = Handle(name="n", mark="m")

WAITING = Attempt(number=1)
UNANSWERED = Attempt(number=1, sent=True)
RUNNING = Attempt(number=1, sent=True, handle=HANDLE, state=S.RUNNING)
SUCCEEDED = Attempt(number=1, sent=True, handle=HANDLE, state=S.SUCCEEDED)
RELEASED = evolve(SUCCEEDED, released=True)
CANCELLED = Attempt(number=1, state=S.CANCELLED)

THERE = {"local": Exported(where="results.json")}
FAILING = {"local": Exported(failures=2, reason="no answer")}
GIVEN_UP = {"local": Exported(failures=8, reason="no answer", given_up=True)}

TOLD_FIRST = Tell(ends=((1, 1),))

FILES = ("files", NeedKind.FILES)
SERVER = ("server", NeedKind.SERVER)


def there(kind: NeedKind, **changes: Any) -> Attempt:
    return evolve(Attempt(number=1, sent=True, handle=HANDLE, state=S.QUEUED, kind=kind), **changes)


FILES_THERE = {"files": there(NeedKind.FILES)}
BOTH_THERE = {**FILES_THERE, "server": there(NeedKind.SERVER)}
SERVER_DIED = {**FILES_THERE, "server": there(NeedKind.SERVER, state=S.FAILED, reason="exit code 3")}


def situation(
    *jobs: Attempt | list[Attempt],
    needs: dict[str, Attempt] | None = None,
    wants: tuple[tuple[str, NeedKind], ...] = (),
    concurrency: int | None = None,
    fetches: bool = False,
    resting: tuple[Matter, ...] = (),
    auto_export: tuple[str, ...] = (),
    listens: bool = False,
) -> Situation:
    header = evolve(invocation(jobs=len(jobs)), auto_export=auto_export)
    wanted = tuple(Need(key=key, kind=kind) for key, kind in wants)
    return Situation(
        history=History(
            invocation=header,
            jobs=tuple(
                JobHistory(number=number, attempts=tuple(job) if isinstance(job, list) else (job,))
                for number, job in enumerate(jobs, start=1)
            ),
            needs=tuple(NeedHistory(key=key, attempts=(attempt,)) for key, attempt in (needs or {}).items()),
        ),
        plans={
            number: evolve(plan, needs=wanted, concurrency=concurrency)
            for number, plan in enumerate(plans(header), start=1)
        },
        fetches=fetches,
        resting=frozenset(resting),
        listens=listens,
    )


TABLE: dict[str, tuple[Situation, list[Step]]] = {
    # launching
    "jobs without needs start as one batch": (situation(WAITING, WAITING), [Launch(jobs=(1, 2))]),
    "needs come first, in the order of the plan": (
        situation(WAITING, wants=(FILES, SERVER)),
        [Provision(need="files"), Provision(need="server")],
    ),
    "a need that is there is not made again": (
        situation(WAITING, needs=FILES_THERE, wants=(FILES, SERVER)),
        [Provision(need="server")],
    ),
    "a need that was sent and never answered is made again, idempotently": (
        situation(WAITING, needs={"files": Attempt(number=1, sent=True)}, wants=(FILES,)),
        [Provision(need="files")],
    ),
    "with all needs there a job starts": (
        situation(WAITING, needs=BOTH_THERE, wants=(FILES, SERVER)),
        [Launch(jobs=(1,))],
    ),
    "a need that rests holds up what may build on it": (
        situation(WAITING, wants=(FILES, SERVER), resting=(("provision", "files"),)),
        [],
    ),
    "a job that rests waits, the others start": (
        situation(WAITING, WAITING, resting=(("launch", 1),)),
        [Launch(jobs=(2,))],
    ),
    "a running job is left alone": (situation(RUNNING), []),
    "the concurrency of a backend without a queue is kept": (
        situation(RUNNING, WAITING, WAITING, WAITING, concurrency=3),
        [Launch(jobs=(2, 3))],
    ),
    "a full backend gets nothing": (situation(RUNNING, WAITING, concurrency=1), []),
    "an ended job makes room": (situation(RELEASED, WAITING, WAITING, concurrency=1), [Launch(jobs=(2,))]),
    "an unanswered job takes its room and is launched again, idempotently": (
        situation(UNANSWERED, WAITING, concurrency=1),
        [Launch(jobs=(1,))],
    ),
    "an unanswered job that rests is not launched yet": (situation(UNANSWERED, resting=(("launch", 1),)), []),
    "a job that only somebody's own run followed counts as evalyard left it": (
        situation([RELEASED, Attempt(number=2, by_hand=True, sent=True, state=S.RUNNING)]),
        [],
    ),
    # cancelling
    "a waiting job that is cancelled ends without a launch": (
        situation(evolve(WAITING, cancel_asked=True), WAITING),
        [Settle(job=1, state=S.CANCELLED, reason="cancelled before it was launched"), Launch(jobs=(2,))],
    ),
    "an unanswered job that is cancelled ends and is never launched again": (
        situation(evolve(UNANSWERED, cancel_asked=True)),
        [Settle(job=1, state=S.CANCELLED, reason="cancelled before the backend confirmed it")],
    ),
    "and what the backend has of it after all is removed": (
        situation(evolve(UNANSWERED, state=S.CANCELLED, cancel_asked=True)),
        [Release(jobs=(1,), needs=())],
    ),
    "a cancelled job needs nothing to be made": (
        situation(evolve(WAITING, cancel_asked=True), wants=(FILES,)),
        [Settle(job=1, state=S.CANCELLED, reason="cancelled before it was launched")],
    ),
    "a running job that is cancelled is waited for": (situation(evolve(RUNNING, cancel_asked=True)), []),
    # needs that end
    "a job whose server died before it started fails with the server's reason": (
        situation(WAITING, needs=SERVER_DIED, wants=(FILES, SERVER)),
        [Settle(job=1, state=S.FAILED, reason="the model server ended: exit code 3")],
    ),
    "a job whose server died under it is asked to end": (
        situation(RUNNING, needs=SERVER_DIED, wants=(FILES, SERVER)),
        [Abort(job=1, reason="the model server ended: exit code 3")],
    ),
    "a job that a person cancelled is not asked again when its server dies": (
        situation(evolve(RUNNING, cancel_asked=True), needs=SERVER_DIED, wants=(FILES, SERVER)),
        [],
    ),
    "the end of a need of other jobs disturbs nobody": (
        situation(RUNNING, needs=SERVER_DIED, wants=(FILES,)),
        [
            Release(jobs=(), needs=("server",)),
        ],
    ),
    # ending
    "an ended job is released": (situation(SUCCEEDED, RUNNING), [Release(jobs=(1,), needs=())]),
    "a released job is done with": (situation(RELEASED), []),
    "a job that was never sent holds nothing": (situation(CANCELLED), []),
    "a release that rests waits": (situation(SUCCEEDED, resting=(("release", 1),)), []),
    "artifacts come home before the job is removed": (situation(SUCCEEDED, fetches=True), [Collect(job=1)]),
    "with its artifacts home it is removed": (
        situation(evolve(SUCCEEDED, collected=True), fetches=True),
        [Release(jobs=(1,), needs=())],
    ),
    "a job without a handle has no artifacts to bring": (
        situation(Attempt(number=1, sent=True, state=S.FAILED), fetches=True),
        [Release(jobs=(1,), needs=())],
    ),
    "a server is released after its last job, files never": (
        situation(RELEASED, RELEASED, needs=BOTH_THERE, wants=(FILES, SERVER)),
        [Release(jobs=(), needs=("server",))],
    ),
    "a server stays while a job runs that uses it": (
        situation(RELEASED, RUNNING, needs=BOTH_THERE, wants=(FILES, SERVER)),
        [],
    ),
    "a server stays while a job waits that will use it": (
        situation(RELEASED, WAITING, needs=BOTH_THERE, wants=(FILES, SERVER), resting=(("launch", 2),)),
        [],
    ),
    "needs go in the reverse of the order in which they came": (
        situation(
            RELEASED,
            needs={"network": there(NeedKind.RESOURCE), "server": there(NeedKind.SERVER)},
            wants=(("network", NeedKind.RESOURCE), SERVER),
        ),
        [Release(jobs=(), needs=("server", "network"))],
    ),
    "a server that ended by itself is still released": (
        situation(RELEASED, needs=SERVER_DIED, wants=(FILES, SERVER)),
        [Release(jobs=(), needs=("server",))],
    ),
    "a need that was sent and never answered is released by its name": (
        situation(CANCELLED, needs={"server": Attempt(number=1, sent=True, kind=NeedKind.SERVER)}, wants=(SERVER,)),
        [Release(jobs=(), needs=("server",))],
    ),
    # exporting
    "results of jobs that succeeded go to every destination, those of others nowhere": (
        situation(
            RELEASED, evolve(RELEASED, state=S.FAILED), RELEASED, RUNNING, CANCELLED, auto_export=("local", "mlflow")
        ),
        [Export(destination="local", jobs=(1, 3)), Export(destination="mlflow", jobs=(1, 3))],
    ),
    "what is at one destination still goes to the other": (
        situation(evolve(RELEASED, exports=THERE), auto_export=("local", "mlflow")),
        [Export(destination="mlflow", jobs=(1,))],
    ),
    "an export that failed is tried again": (
        situation(evolve(RELEASED, exports=FAILING), auto_export=("local",)),
        [Export(destination="local", jobs=(1,))],
    ),
    "but not while it rests": (
        situation(evolve(RELEASED, exports=FAILING), auto_export=("local",), resting=(("export local", 1),)),
        [],
    ),
    "nor once it was given up": (situation(evolve(RELEASED, exports=GIVEN_UP), auto_export=("local",)), []),
    "an export by hand that failed later leaves what is there": (
        situation(evolve(RELEASED, exports={"local": Exported(where="f", failures=1)}), auto_export=("local",)),
        [],
    ),
    "extensions are told of an end once": (
        situation(RELEASED, evolve(RELEASED, told=True), listens=True),
        [TOLD_FIRST],
    ),
    "not before it is one": (situation(RUNNING, listens=True), []),
    "also of jobs that were never launched": (situation(CANCELLED, listens=True), [TOLD_FIRST]),
    "once what it left is home": (situation(SUCCEEDED, fetches=True, listens=True), [Collect(job=1)]),
    "not at once when that failed": (situation(RELEASED, listens=True, resting=(("tell", 1),)), []),
    "of every attempt that evalyard made, wherever what an earlier one left may be": (
        situation(
            [
                evolve(RELEASED, told=True),
                evolve(RELEASED, number=2, state=S.FAILED),
                Attempt(number=3, by_hand=True, sent=True, state=S.FAILED),
                evolve(RELEASED, number=4, collected=True),
            ],
            [RELEASED, evolve(RUNNING, number=2)],
            fetches=True,
            listens=True,
        ),
        [Tell(ends=((1, 2), (1, 4), (2, 1)))],
    ),
    "an end on record is told though an earlier one is not": (
        situation([RUNNING, evolve(RELEASED, number=2)], listens=True),
        [Tell(ends=((1, 2),))],
    ),
    "nobody is told when nobody listens": (situation(RELEASED), []),
    "results come home before they are exported": (
        situation(evolve(SUCCEEDED), fetches=True, auto_export=("local",)),
        [Collect(job=1)],
    ),
    "a released job's results are exported once they are home": (
        situation(evolve(RELEASED, collected=True), fetches=True, auto_export=("local",)),
        [Export(destination="local", jobs=(1,))],
    ),
    "the attempt that counts is exported, whoever made it": (
        situation(
            [
                evolve(RELEASED, state=S.FAILED),
                Attempt(number=2, by_hand=True, sent=True, state=S.SUCCEEDED),
            ],
            auto_export=("local",),
        ),
        [Export(destination="local", jobs=(1,))],
    ),
}


@pytest.mark.parametrize(("now", "steps"), TABLE.values(), ids=TABLE)
def test_what_follows(now: Situation, steps: list[Step]) -> None:
    assert next_steps(now) == steps


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (NeedKind.FILES, "disk full"),
        (NeedKind.SERVER, "the model server ended: disk full"),
        (NeedKind.RESOURCE, "'it', which it needs, ended: disk full"),
    ],
)
def test_a_job_whose_need_could_not_be_made_fails_and_starts_nothing(kind: NeedKind, reason: str) -> None:
    failed = Attempt(number=1, sent=True, kind=kind, state=S.FAILED, reason="disk full")
    now = situation(WAITING, needs={"it": failed}, wants=(("it", kind),))
    (step,) = next_steps(now)
    assert step == Settle(job=1, state=S.FAILED, reason=reason)


def test_a_job_that_core_ended_for_a_reason_of_its_own_fails_with_it() -> None:
    asked = evolve(WAITING, cancel_asked=True, cancel_reason="the server that it used ended")
    assert next_steps(situation(asked)) == [
        Settle(job=1, state=S.FAILED, reason="the server that it used ended"),
    ]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (situation(WAITING), True),
        (situation(RUNNING), False),
        (situation(UNANSWERED), True),
        (situation(UNANSWERED, resting=(("launch", 1),)), True),
        (situation(RUNNING, WAITING, concurrency=1), True),
        (situation(RELEASED), False),
        (situation(SUCCEEDED), False),
        (situation(SUCCEEDED, fetches=True), True),
        (situation(RUNNING, fetches=True), True),
        (situation(evolve(RELEASED, collected=True), fetches=True), False),
        (situation(RUNNING, needs=BOTH_THERE, wants=(FILES, SERVER)), True),
        (situation(RUNNING, needs=FILES_THERE, wants=(FILES,)), False),
        (situation(CANCELLED), False),
        (situation(RUNNING, auto_export=("local",)), True),
        (situation(RELEASED, auto_export=("local",)), True),
        (situation(evolve(RELEASED, exports=THERE), auto_export=("local",)), False),
        (situation(evolve(RELEASED, exports=THERE), auto_export=("local", "mlflow")), True),
        (situation(evolve(RELEASED, exports=FAILING), auto_export=("local",), resting=(("export local", 1),)), True),
        (situation(evolve(RELEASED, exports=GIVEN_UP), auto_export=("local",)), False),
        (situation(CANCELLED, auto_export=("local",)), False),
        (situation(RUNNING, listens=True), True),
        (situation(RELEASED, listens=True, resting=(("tell", 1),)), True),
        (situation(evolve(RELEASED, told=True), listens=True), False),
        (situation([RELEASED, evolve(RELEASED, number=2, told=True)], listens=True), True),
        (situation([RUNNING, evolve(RELEASED, number=2, told=True)], listens=True), False),
    ],
    ids=[
        "a job waits",
        "a job runs by itself",
        "an answer is outstanding",
        "an answer is outstanding and rests",
        "a job queues here",
        "all is done",
        "what is left costs nothing",
        "results are to be fetched",
        "results will be to be fetched",
        "results are home",
        "a server will be to be released",
        "files stay",
        "never sent",
        "results will be to be exported",
        "results are to be exported",
        "results are exported",
        "results are to be exported elsewhere",
        "an export failed and rests",
        "an export was given up",
        "there will be no results",
        "somebody will be to be told",
        "telling failed and rests",
        "everybody knows",
        "an earlier end was not told",
        "an earlier end is not on record",
    ],
)
def test_a_keeper_is_wanted_while_something_remains_that_only_we_will_do(now: Situation, expected: bool) -> None:
    assert unfinished(now) is expected


def test_steps_that_end_things_start_nothing() -> None:
    assert {*ENDING_STEPS, Provision, Launch, Abort, Export} == set(EVERY_STEP)


def test_who_does_not_stay_begins_no_export() -> None:
    assert set(EVERY_STEP) - set(BRIEF_STEPS) == {Export}


def test_exports_that_were_given_up_are_no_reason_to_stay() -> None:
    assert exporting(situation(evolve(RELEASED, exports=FAILING), auto_export=("local",)))
    assert not exporting(situation(evolve(RELEASED, exports=GIVEN_UP), auto_export=("local",)))
