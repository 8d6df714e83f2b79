"""What claims are tried with: an executor, a folder and a store of their own, and runs made by core's own code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from evalyard.config import structure
from evalyard.ids import new_mark
from evalyard.orchestrator.plan import Attempt as Planned, first_attempts, headers, plan_attempts
from evalyard.orchestrator.run import OpenRun
from evalyard.plugins.session import Session
from evalyard.records.handles import Handle
from evalyard.records.invocations import Invocation
from evalyard.records.plans import Plan
from evalyard.specs import CommandSpec, DeploymentSpec, EndpointSpec, EnvValue, RunSpec, Section, ServerPaths, TaskSpec
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store
from evalyard.testing.patience import PATIENCE_S, wait_until
from evalyard.testing.trial import Trial

LEAVE_RESULTS = 'echo "results: {}" > "$EVALYARD_OUTPUT_DIR/results.yml"'
"""Shell text of a harness that succeeds."""
NOTE_START = 'echo started >> "$EVALYARD_OUTPUT_DIR/starts"'
"""Shell text of a harness that lets its starts be counted."""


def beat(for_s: float) -> str:
    """Return shell text of a harness that shows that it lives, for this long at most."""
    return (
        f'i=0\nwhile [ "$i" -lt {10 * for_s:.0f} ]; do '
        'echo x >> "$EVALYARD_OUTPUT_DIR/beat"; sleep 0.1; i=$((i + 1)); done'
    )


BEAT = beat(PATIENCE_S)


def task(command: str, name: str = "claim", env: Mapping[str, EnvValue] | None = None) -> TaskSpec:
    """Return a task whose harness is this shell text."""
    return TaskSpec(name=name, harness=CommandSpec(command=command), env=env or {})


def deployed(command: str) -> DeploymentSpec:
    """Return a model server that is this shell text."""
    return DeploymentSpec(
        type="generic", command=command, served_model_name="model", port=0, endpoints=ServerPaths(health="/")
    )


@define(kw_only=True)
class Rig:
    """Makes trials at one executor.

    Attributes:
        section: the `execution:` section as plain data.
        environ: where the values of secrets are looked up.
        image: the container image of tasks and servers; empty = they have none.
        server_config: what `deployment.<executor>_config` says of model servers.
        patience_s: how long anything is waited for.
    """

    executor: type[Any]
    name: str
    section: Mapping[str, Any]
    store: Store
    environ: dict[str, str] = field(factory=dict)
    image: str = ""
    server_config: Mapping[str, Any] = field(factory=dict)
    patience_s: float = PATIENCE_S
    trials: list[Trial] = field(factory=list, init=False)

    @property
    def beat(self) -> str:
        """Shell text of a harness that shows that it lives, for as long as anything is waited for."""
        return beat(self.patience_s)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; see `wait_until`."""
        wait_until(condition, what, self.patience_s)

    def settings(self, other: Mapping[str, Any] | None = None) -> Any:
        """Return the section, with some settings replaced, as the executor's own Settings.

        Raises:
            ConfigError: they are not what they may be.
        """
        data = {**self.section, **(other or {})}
        return structure(Section(name=self.name, path="execution", data=data), self.executor.Settings)

    def session(self, *faults: object) -> Session:
        """Open another session at the backend, as another process would."""
        return Session(self.executor, self.settings().connection(), faults)

    def trial(
        self,
        *tasks: TaskSpec,
        deployment: DeploymentSpec | None = None,
        settings: Mapping[str, Any] | None = None,
        faults: Sequence[object] = (),
    ) -> Trial:
        """Plan a run of these tasks and put it on record.

        Args:
            settings: what replaces settings of the section.
            faults: wrappers around the executor's hooks.
        """
        typed = self.settings(settings)
        connection = typed.connection()
        session = Session(self.executor, connection, faults)
        spec = self._spec(tasks, deployment)
        invocation = self._invocation(self.store.unused_id(), spec, typed)
        plans = plan_attempts(spec, session, typed, invocation, first_attempts(spec))
        planned = [
            Entry(event=Event.PLANNED, at=0.0, job=header.number, mark=plan.mark)
            for header, plan in zip(invocation.jobs, plans, strict=True)
        ]
        self.store.create(invocation, spec.resolved, plans, planned)
        run = OpenRun(store=self.store, invocation=invocation, session=session, environ=self.environ)
        made = Trial(run=run, spec=spec, settings=typed, plans=plans, patience_s=self.patience_s)
        self.trials.append(made)
        return made

    def dry(
        self, *tasks: TaskSpec, deployment: DeploymentSpec | None = None, settings: Mapping[str, Any] | None = None
    ) -> tuple[Plan, ...]:
        """Return the plans of a run that is nowhere on record: equal for equal arguments.

        Raises:
            EvalyardError: the executor refuses to plan it.
        """
        typed, spec = self.settings(settings), self._spec(tasks, deployment)
        invocation = self._invocation("0badcafe", spec, typed)
        marked = [Planned(number=number, mark=f"{number:032x}") for number in range(1, len(tasks) + 1)]
        return plan_attempts(spec, Session(self.executor, typed.connection()), typed, invocation, marked)

    def _spec(self, tasks: Sequence[TaskSpec], deployment: DeploymentSpec | None) -> RunSpec:
        return RunSpec(
            source="claims.yaml",
            tasks=tuple(evolve(task, container=task.container or self.image or None) for task in tasks),
            endpoint=EndpointSpec(
                url=None if deployment else "http://127.0.0.1:9/v1/chat/completions", model_id="model"
            ),
            deployment=self._server(deployment) if deployment else None,
            execution=Section(name=self.name, path="execution", data=self.section),
            resolved="# the configuration of a claim\n",
        )

    def _server(self, deployment: DeploymentSpec) -> DeploymentSpec:
        key = f"{self.name}_config"
        told = Section(name=self.name, path=f"deployment.{key}", data=self.server_config)
        return evolve(
            deployment,
            image=deployment.image or self.image or None,
            executor_config=told if self.server_config else deployment.executor_config,
        )

    def _invocation(self, number: str, spec: RunSpec, settings: Any) -> Invocation:
        return Invocation(
            id=number,
            created_at="2026-01-01T00:00:00.000+00:00",
            source=spec.source,
            run_dir=f"{settings.output_dir}/{number}",
            connection=settings.connection(),
            jobs=headers(spec),
        )

    def close(self) -> None:
        """End whatever the trials started."""
        for made in self.trials:
            made.close()


@contextlib.contextmanager
def rigged(
    executor: type[Any], name: str, settings: Mapping[str, Any], folder: Path, image: str = "", **more: Any
) -> Iterator[Rig]:
    """Lend a rig whose store and run directories lie in a folder, and end what it started.

    Args:
        more: further attributes of the rig.
    """
    section = {"output_dir": str(folder / "runs"), **settings}
    rig = Rig(executor=executor, name=name, section=section, store=Store(folder / "store"), image=image, **more)
    try:
        yield rig
    finally:
        rig.close()


def stranger(handle: Handle) -> Handle:
    """Return a handle of the same shape for something that does not exist."""
    return strangers(handle, 1)[0]


def strangers(handle: Handle, count: int) -> list[Handle]:
    """Return as many handles of the same shape for things that do not exist."""
    return [
        Handle(name=f"ey-00000000-{number}-1", mark=new_mark(), kind=handle.kind, id=handle.id, data=handle.data)
        for number in range(1, count + 1)
    ]


def texts(items: Sequence[object]) -> str:
    """Return everything that can be read in these records."""
    return "\n".join(map(repr, items))
