"""What is killed, and what must be true after it was gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import psutil
from attrs import field, frozen

from evalyard import JobState
from evalyard.store.runs import Store
from evalyard.testing.killpoints import KillPoint
from tests.docker_images import BUSYBOX

PATIENCE_S = 60.0
ENDPOINT = "target: {api_endpoint: {url: 'http://127.0.0.1:9/v1/chat/completions', model_id: m}}"
DEPLOYMENT = """\
deployment:
  type: generic
  command: exec "$EVALYARD_PYTHON" -m http.server "$PORT" --bind "$HOST"
  served_model_name: m
  port: 0
  endpoints: {health: /}"""
CONTAINED_DEPLOYMENT = """\
deployment:
  type: generic
  image: {image}
  command: mkdir /tmp/www; echo well >/tmp/www/index.html; exec httpd -f -p "$PORT" -h /tmp/www
  served_model_name: m
  endpoints: {{health: /}}"""
COMMAND = ("evalyard.cli.app:call",)
KEEPER = ("evalyard.orchestrator.keeper:main",)
NO_KEEPER = ("--leave-out", "evalyard.orchestrator.begin:start_keeper")


@frozen(kw_only=True)
class Scenario:
    """A process to kill at every line of it."""

    name: str
    command: str = "run"
    """Which command dies: `run`; `resume`, of a run that failed; `kill`, of one whose jobs would never end."""
    served: bool = False
    wait: bool = False
    sequential: bool = False
    keeper: bool = False
    """Whether it is the keeper that dies, rather than the command."""
    contained: bool = False
    """Whether everything runs in containers."""


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="run-wait", wait=True),
        Scenario(name="run-with-server", served=True),
        Scenario(name="keeper", sequential=True, keeper=True),
        Scenario(name="docker-run-wait", contained=True, wait=True),
        Scenario(name="docker-keeper-with-server", contained=True, served=True, keeper=True),
    )
}


@frozen(kw_only=True)
class Yard:
    """One scenario in a folder and a state home of its own, on this machine."""

    watched: ClassVar[tuple[str, ...]] = (
        "evalyard.orchestrator",
        "evalyard.store",
        "evalyard.harness",
        "evalyard_local",
        "evalyard_local.docker",
    )
    """The packages at whose lines it dies."""

    scenario: Scenario
    folder: Path
    environ: dict[str, str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "DOCKER_HOST") if name in os.environ}
        object.__setattr__(self, "environ", {**kept, "EVALYARD_HOME": str(self.folder / "home")})
        harness = f"echo $EVALYARD_TASK $EVALYARD_ATTEMPT >> '{self.count_file}'; {self._rest()}"
        image = f"container: {BUSYBOX}, " if self.scenario.contained else ""
        tasks = "".join(
            f"    - {{name: {name}, {image}harness: {{command: {json.dumps(harness)}}}}}\n" for name in self.tasks
        )
        (self.folder / "config.yaml").write_text(
            f"execution: {self.execution()}\n{self.model()}\nevaluation:\n  tasks:\n{tasks}", encoding="utf-8"
        )

    # --- what it is -------------------------------------------------------------------------------------------------

    def execution(self) -> str:
        """Return the `execution` section."""
        mode = "sequential" if self.scenario.sequential else "parallel"
        # Every container stays, so that they can be counted.
        seen = f"{{evaluation: {{'{self.folder}': '{self.folder}'}}}}"
        docker = f"true, pull: never, keep: all, mounts: {seen}" if self.scenario.contained else "false"
        return f"{{type: local, use_docker: {docker}, mode: {mode}, output_dir: {self.folder}/out}}"

    def model(self) -> str:
        """Return the section that says which model is evaluated."""
        if not self.scenario.served:
            return ENDPOINT
        return CONTAINED_DEPLOYMENT.format(image=BUSYBOX) if self.scenario.contained else DEPLOYMENT

    def _rest(self) -> str:
        """Return what a harness does after it has counted itself."""
        leave = 'echo "results: {}" > "$EVALYARD_OUTPUT_DIR/results.yml"'
        return {"run": leave, "resume": f"test $EVALYARD_ATTEMPT -gt 1 && {leave}", "kill": "sleep 600"}[
            self.scenario.command
        ]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks."""
        return ("one", "two")

    @property
    def count_file(self) -> Path:
        """Where every harness that starts appends a line."""
        return self.folder / "count"

    @property
    def store(self) -> Store:
        """The records."""
        return Store(self.folder / "home")

    # --- what happens -----------------------------------------------------------------------------------------------

    def count(self) -> str:
        """Let it happen undisturbed; return how often each line was executed, as JSON."""
        record = self.folder / "counts.json"
        done = self._driver(["--record", str(record)])
        if done.returncode != 0:
            raise AssertionError(f"{self.scenario.name} without a kill: {done.returncode}\n{done.stdout}{done.stderr}")
        return record.read_text(encoding="utf-8")

    def kill(self, point: KillPoint) -> bool:
        """Let it die at a point; return whether it got there (a last poll of the count may not come again)."""
        done = self._driver(["--kill", str(point)])
        if done.returncode not in (0, -signal.SIGKILL):
            raise AssertionError(f"{point}: exit code {done.returncode}: {done.stderr}")
        return done.returncode != 0

    def go_on(self) -> list[str]:
        """Go on after the kill; return what is wrong afterwards."""
        invocations = self.store.invocations()
        problems = []
        if not invocations:
            problems += [f"not on record, and started: {line}" for line in self._lines()]
            problems += [f"not on record, and running: {line}" for line in self.running()]
            again = self.evalyard("run", "--config", "config.yaml", "--wait")
        elif self.scenario.command == "kill":
            again = self.evalyard("kill", invocations[0])
        else:
            again = self.evalyard("resume", invocations[0], "--wait")
        if again.returncode != 0 and "nothing to resume" not in again.stderr:
            problems.append(f"going on afterwards: exit code {again.returncode}: {again.stdout}{again.stderr}")
        return problems + self.unsound()

    def clear(self) -> None:
        """Remove what was made here and stays when all is well."""
        if self.scenario.contained:
            for kind, remove in ((("ps", "--all"), ("rm", "--force")), (("network", "ls"), ("network", "rm"))):
                if found := self._docker(*kind, "--quiet"):
                    subprocess.run(["docker", *remove, *found], capture_output=True, check=False)

    def _driver(self, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
        target: list[str] = [*COMMAND, "run", "--config", "config.yaml"]
        if self.scenario.keeper:
            target = [*KEEPER, self._begun(*NO_KEEPER, *target)]
        elif self.scenario.command == "kill":
            target = [*COMMAND, "kill", self.begin_endless()]
        elif self.scenario.command == "resume":
            target = [*COMMAND, "resume", self._begun(*target, "--wait", code=1)]
        return self._python(*options, *target, *(["--wait"] if self.scenario.wait else []))

    def begin_endless(self) -> str:
        """Begin a run whose jobs do not end, wait until all of them run, and return its id."""
        # Without a keeper nobody else ends what `kill` does not.
        invocation = self._begun(*NO_KEEPER, *COMMAND, "run", "--config", "config.yaml")
        wanted = [f"{name} 1" for name in self.tasks]
        give_up = time.monotonic() + PATIENCE_S
        while sorted(self._lines()) != wanted:
            if time.monotonic() > give_up:
                raise AssertionError(f"waited in vain for {wanted}: {self._lines()}")
            time.sleep(0.02)
        return invocation

    def _begun(self, *arguments: str, code: int = 0) -> str:
        """Begin a run undisturbed and return its id."""
        done = self._python(*arguments)
        if done.returncode != code:
            raise AssertionError(f"{arguments}: exit code {done.returncode}: {done.stderr}")
        return done.stdout.split()[0]

    # --- what must be true ------------------------------------------------------------------------------------------

    def running(self) -> list[str]:
        """Return all that was started here and lives."""
        return [*self._processes(), *(self._docker("ps", "--format={{.Names}}") if self.scenario.contained else [])]

    def too_many(self) -> list[str]:
        """Say what an attempt got more than once, and what else should not be there."""
        if not self.scenario.contained:
            return []
        names = Counter(self._docker("ps", "--all", "--format", '{{.Label "evalyard.name"}}'))
        problems = [f"{count} containers: {name}" for name, count in names.items() if count != 1]
        jobs = self._docker("ps", "--all", "--filter=label=evalyard.role=client", "--format={{.Names}}")
        problems += [f"containers of jobs: {jobs}"] if len(jobs) != len(self.tasks) else []
        networks = self._docker("network", "ls", "--format={{.Name}}")
        return problems + [f"a network is left: {name}" for name in networks]

    @property
    def attempts(self) -> tuple[int, ...]:
        """The attempts that every task had in the end."""
        return (1, 2) if self.scenario.command == "resume" else (1,)

    def unsound(self) -> list[str]:
        """Say what is wrong once all should have ended."""
        problems = []
        give_up = time.monotonic() + PATIENCE_S
        while (running := self.running()) and time.monotonic() < give_up:
            time.sleep(0.05)
        problems += [f"still running: {line}" for line in running]
        wanted = sorted(f"{name} {attempt}" for name in self.tasks for attempt in self.attempts)
        if sorted(self._lines()) != wanted:
            problems.append(f"started: {self._lines()}, not {wanted}")
        histories, damage = self.store.read_all()
        problems += [f"unreadable: {one}" for one in damage]
        problems += [f"{len(histories)} invocations on record"] if len(histories) != 1 else []
        end = (JobState.CANCELLED, "cancelled") if self.scenario.command == "kill" else (JobState.SUCCEEDED, "")
        for history in histories:
            states = [(job.latest.state, job.latest.reason) for job in history.jobs]
            if states != [end] * len(self.tasks):
                problems.append(f"states: {states}")
            if len(history.damage) > 1:
                problems.append(f"damaged: {history.damage}")
            problems += [
                f"not released: {need.key}"
                for need in history.needs
                if need.latest.sent and not need.latest.released and not need.latest.kind.lasting
            ]
        return problems + self.too_many()

    # --- the tools --------------------------------------------------------------------------------------------------

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        watched = [word for package in self.watched for word in ("--watch", package)]
        return self._run([sys.executable, "-m", "evalyard.testing.killpoints", *watched, *arguments])

    def evalyard(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command undisturbed."""
        return self._run([str(Path(sys.executable).with_name("evalyard")), *arguments])

    def _run(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 2,
            check=False,
        )

    def _lines(self) -> list[str]:
        return self.count_file.read_text(encoding="utf-8").splitlines() if self.count_file.exists() else []

    def _docker(self, *arguments: str) -> list[str]:
        """Return the lines that docker prints about what was made here."""
        argv = ["docker", *arguments, f"--filter=label=evalyard.owner={self.store.owner}"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()

    def _processes(self) -> list[str]:
        """Return the command lines of everything that was started for this scenario and lives."""
        found = []
        for process in psutil.process_iter():
            try:
                if self.owns(process):
                    found.append(f"{process.pid} {' '.join(process.cmdline())}")
            except psutil.Error:
                continue
        return found

    def owns(self, process: psutil.Process) -> bool:
        """Whether a process was started for this scenario."""
        return process.environ().get("EVALYARD_HOME") == self.environ["EVALYARD_HOME"]
