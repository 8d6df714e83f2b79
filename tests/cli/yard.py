"""A yard of a test's own: a folder, a state home, and the real `evalyard` command in it.

Everything that a test starts here, detached or not, carries the yard's state home in its environment. So the yard can
name whatever is still alive, and end exactly that when the test is over.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil
from attrs import frozen

DEADLINE_S = 90.0
"""How long anything may take before a test gives up: far beyond what a healthy machine needs."""
ID = re.compile(r"[0-9a-f]{8}")
LEAVE_RESULTS = 'echo "results: {}" > "$EVALYARD_OUTPUT_DIR/results.yml"'
UNUSED_URL = "http://127.0.0.1:9/v1/chat/completions"


@frozen(kw_only=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it said."""
        return self.out + self.err


class Yard:
    """Where the commands of one test run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = Path(os.environ["EVALYARD_HOME"])
        self.ledger = folder / "ledger"
        """Harnesses append a line to it for whatever they do."""

    # --- configurations ---------------------------------------------------------------------------------------------

    def config(self, *tasks: Mapping[str, Any], name: str = "run.yaml", **sections: Any) -> str:
        """Write a configuration (JSON is YAML) and return its name."""
        data: dict[str, Any] = {
            "execution": self.execution() | sections.pop("execution", {}),
            "evaluation": {"tasks": list(tasks), **sections.pop("evaluation", {})},
        }
        if "deployment" not in sections:
            data["target"] = {"api_endpoint": {"url": UNUSED_URL, "model_id": "m"}}
        (self.folder / name).write_text(json.dumps(data | sections, indent=1))
        return name

    def execution(self) -> dict[str, Any]:
        """Return what `execution` says unless a test says otherwise."""
        return {"type": "local", "use_docker": False, "output_dir": "runs", "kill_grace_s": 5}

    def task(self, name: str, *lines: str, **fields: Any) -> dict[str, Any]:
        """Return a task whose harness is these lines of shell text and then leaves an empty result file."""
        return {"name": name, "harness": {"command": "\n".join([*lines, LEAVE_RESULTS])}, **fields}

    def gated(self, name: str, *lines: str, **fields: Any) -> dict[str, Any]:
        """Return a task that notes its start, runs the lines, and ends once its gate is open."""
        gate = shlex.quote(str(self.gate(name)))
        wait = f"until [ -e {gate} ]; do sleep 0.05; done"
        return self.task(name, self.note(f"start {name}"), *lines, wait, self.note(f"end {name}"), **fields)

    def note(self, text: str) -> str:
        """Return shell text that appends a line to the ledger."""
        return f"echo {shlex.quote(text)} >> {shlex.quote(str(self.ledger))}"

    def notes(self) -> list[str]:
        """Return the lines of the ledger."""
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []

    def gate(self, name: str) -> Path:
        """Return the file for which a gated task waits."""
        return self.folder / f"gate-{name}"

    def open_gates(self, *names: str) -> None:
        """Let gated tasks end."""
        for name in names:
            self.gate(name).touch()

    # --- commands ---------------------------------------------------------------------------------------------------

    def call(
        self, *arguments: str, code: int | None = 0, env: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> Done:
        """Run `evalyard`; returns only once nobody holds its stdout and stderr any more.

        Args:
            code: the exit code that it must have; None = any.
        """
        return self.program("evalyard", *arguments, code=code, env=env, folder=folder)

    def program(
        self, *argv: str, code: int | None = 0, env: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> Done:
        """Run any program the same way."""
        process = self.start(*argv, env=env, folder=folder)
        try:
            out, err = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        done = Done(code=process.returncode, out=out, err=err)
        assert code is None or done.code == code, f"{shlex.join(argv)} exited with {done.code}\n{done.out}\n{done.err}"
        return done

    def start(
        self, *argv: str, env: Mapping[str, str] | None = None, folder: Path | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a program with its stdout and stderr in pipes."""
        given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        variables = os.environ | (env or {})
        return subprocess.Popen(argv, cwd=folder or self.folder, env=variables, text=True, **given)

    def run(self, config: str, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None) -> str:
        """Start a run and return its id."""
        done = self.call("run", "-c", config, *arguments, code=code, env=env)
        invocation = done.out.strip()
        assert ID.fullmatch(invocation), f"stdout should be an id alone: {done.out!r}"
        return invocation

    def jobs(self, *ids: str) -> list[dict[str, Any]]:
        """Return the rows of `status --json`."""
        rows: list[dict[str, Any]] = json.loads(self.call("status", "--json", *ids, code=None).out)
        return rows

    def states(self, *ids: str) -> list[str]:
        """Return the states in `status --json`."""
        return [row["state"] for row in self.jobs(*ids)]

    def await_states(self, invocation: str, *states: str) -> list[dict[str, Any]]:
        """Wait until the jobs of a run are in these states, in their order, and return the rows."""
        rows: list[dict[str, Any]] = []

        def reached() -> bool:
            rows[:] = self.jobs(invocation)
            return [row["state"] for row in rows] == list(states)

        until(reached, lambda: f"states {states}: {[(row['state'], row['reason']) for row in rows]}", pause_s=0.2)
        return rows

    def await_notes(self, *wanted: str) -> None:
        """Wait until these lines are in the ledger."""
        until(lambda: set(wanted) <= set(self.notes()), lambda: f"{wanted} in {self.notes()}")

    def await_text(self, file: Path, text: str) -> None:
        """Wait until a file holds just this."""
        until(lambda: file.exists() and file.read_text(encoding="utf-8") == text, lambda: f"{text!r} in {file}")

    # --- what is there ----------------------------------------------------------------------------------------------

    def run_dir(self, invocation: str) -> Path:
        """Return the run directory of an invocation."""
        (found,) = (self.folder / "runs").glob(f"*-{invocation}")
        return found

    def started(self, invocation: str, task: str, attempt: int = 1) -> dict[str, Any]:
        """Return what the job script recorded when it took an attempt, once it has."""
        path = self.run_dir(invocation) / task / "attempts" / str(attempt) / "started.json"
        until(path.exists, lambda: f"{path}")
        record: dict[str, Any] = json.loads(path.read_text())
        return record

    def keeper(self, invocation: str) -> psutil.Process:
        """Return the keeper's process."""
        (found,) = (p for p in self.processes() if command(p)[-2:] == ["evalyard.orchestrator.keeper", invocation])
        return found

    def processes(self) -> list[psutil.Process]:
        """Return every living process that was started in this yard, by whatever generation."""
        return list(_carriers("EVALYARD_HOME", str(self.home)))

    def await_quiet(self) -> None:
        """Wait until no process of this yard lives any more."""
        until(lambda: not self.processes(), lambda: f"nothing left running: {[command(p) for p in self.processes()]}")

    def end_everything(self) -> None:
        """SIGKILL whatever a test left behind."""
        for process in self.processes():
            kill(process.pid)

    def texts(self, *roots: Path) -> Iterable[tuple[Path, str]]:
        """Return every file below these folders with its text."""
        for root in roots:
            for path in sorted(root.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    yield path, path.read_bytes().decode("utf-8", errors="surrogateescape")


def until(
    reached: Callable[[], object], what: Callable[[], str] | str, *, pause_s: float = 0.05, process: Any = None
) -> None:
    """Wait for something, failing with what it was when it does not come.

    Args:
        process: a Popen that must not end meanwhile.
    """
    give_up = time.monotonic() + DEADLINE_S
    while not reached():
        text = what if isinstance(what, str) else what()
        assert time.monotonic() < give_up, f"waited in vain for {text}"
        assert process is None or process.poll() is None or reached(), f"ended before {text}"
        time.sleep(pause_s)


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process that may just have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def command(process: psutil.Process) -> list[str]:
    """Return a process's argument list; empty when it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _carriers(variable: str, value: str) -> Iterable[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get(variable) == value:
                yield process
        except psutil.Error:
            continue
