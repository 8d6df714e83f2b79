"""Claims about what reaches the harness, what comes back, and what nobody else may see: names, secrets, results."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from evalyard.records.handles import Handle, LaunchError
from evalyard.secrets import SECRETS_FILE
from evalyard.specs import EnvValue, ValueSource
from evalyard.states import JobState
from evalyard.testing.claims import Claims
from evalyard.testing.claims_logs import read_to_end
from evalyard.testing.effects import requests
from evalyard.testing.rig import LEAVE_RESULTS, Rig, task, texts

_AWKWARD = """ "double" 'single' $(echo executed) `echo executed` \\back\\slash\n second line, ünïcode """
_PROGRAMS = ("os.posix_spawn", "os.system", "subprocess.Popen")
_SURROUNDINGS = {
    "SLURM_JOB_ID": "4242424242",
    "SLURM_JOB_NAME": "somebody-elses-job",
    "SLURM_JOB_PARTITION": "somebody-elses-partition",
    "SBATCH_PARTITION": "no-such-partition",
    "PBS_JOBID": "4343434343",
    "CDPATH": "/somebody-elses-folder",
}


class OutputClaims(Claims):
    """Names, secrets, results."""

    def test_awkward_names_and_commands_are_taken_literally(self, rig: Rig) -> None:
        """Names of tasks and shell text of harnesses are any text: quote them, or hand them over in files."""
        say = """printf '%s|' "$EVALYARD_TASK" 'it'"'"'s "ü" $HOME \\n' > "$EVALYARD_OUTPUT_DIR/said\""""
        name = """naïve "double" 'single' $(touch executed) \\ * end"""
        trial = rig.trial(task(f"{say}; {LEAVE_RESULTS}", name=name))
        (handle,) = trial.begin()
        assert trial.await_end(handle).state is JobState.SUCCEEDED
        assert self.read_file(trial.artifact("said")).decode() == f"""{name}|it's "ü" $HOME \\n|"""

    def test_awkward_values_reach_the_harness_exactly(self, rig: Rig) -> None:
        """Values are quoted once, by whoever renders shell text; `evalyard.quote` does it."""
        env = {"AWKWARD": EnvValue(source=ValueSource.LITERAL, text=_AWKWARD, where="claims.yaml:1")}
        trial = rig.trial(task(f'printf %s "$AWKWARD" > "$EVALYARD_OUTPUT_DIR/seen"; {LEAVE_RESULTS}', env=env))
        (handle,) = trial.begin()
        assert trial.await_end(handle).state is JobState.SUCCEEDED
        assert self.read_file(trial.artifact("seen")).decode() == _AWKWARD

    def test_an_awkward_output_folder_is_taken_literally(self, rig: Rig) -> None:
        """Paths are passed as arguments of their own, and quoted in shell text."""
        folder = f"{rig.section['output_dir']}/{self.awkward_folder}"
        trial = rig.trial(task(LEAVE_RESULTS), settings={"output_dir": folder})
        (handle,) = trial.begin()
        assert trial.await_end(handle).state is JobState.SUCCEEDED
        assert self.read_file(trial.artifact("results.yml")) == b"results: {}\n"

    def test_the_callers_surroundings_change_nothing(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        """evalyard may be started inside of another job: what that one's scheduler set is not meant for ours."""
        command = f'env > "$EVALYARD_OUTPUT_DIR/env"; {LEAVE_RESULTS}'
        for name, value in _SURROUNDINGS.items():
            monkeypatch.setenv(name, value)
        trial = rig.trial(task(command))
        assert not any(value in texts(trial.plans) for value in _SURROUNDINGS.values())
        (handle,) = trial.begin()
        assert trial.await_end(handle).state is JobState.SUCCEEDED

    def test_a_secret_reaches_the_harness_exactly_and_nothing_else(self, rig: Rig) -> None:
        """Write secrets with `ctx.content` into a file of mode 0600; never into arguments, labels or messages."""
        token = f"canary-{secrets.token_hex(8)}"
        rig.environ["CLAIM_CANARY"] = f"{token}{_AWKWARD}"
        env = {"CANARY": EnvValue(source=ValueSource.HOST, text="CLAIM_CANARY", where="claims.yaml:1")}
        keep = 'printf %s "$CANARY" > "$EVALYARD_OUTPUT_DIR/.seen" && mv "$EVALYARD_OUTPUT_DIR/.seen" '
        command = f'{keep} "$EVALYARD_OUTPUT_DIR/seen"; sleep 1; {LEAVE_RESULTS}'
        trial = rig.trial(task(command, env=env))
        with requests() as asked:
            (handle,) = trial.begin()
            rig.wait_until(lambda: bool(self.lines_of(trial.artifact("seen"))), "the harness runs")
            leaking = [words for words in _command_lines() if token in words]
            trial.finish()
        # Those that were over before anybody could look.
        leaking += [words for words in asked if words.startswith(_PROGRAMS) and token in words]
        assert self.read_file(trial.artifact("seen")).decode() == rig.environ["CLAIM_CANARY"]
        assert leaking == []
        assert f"{self.file_mode(f'{trial.plans[0].directory}/{SECRETS_FILE}'):o}" == "600", "who may read it"
        assert token not in texts([trial.plans, handle, trial.run.history()])
        assert token not in "\n".join(read_to_end(trial, handle, 1 << 16))
        for record in (path for path in rig.store.home.rglob("*") if path.is_file()):
            assert token not in record.read_text(encoding="utf-8", errors="replace"), record
        for file in (file for need in trial.plans[0].needs for file in need.files if not file.secrets):
            assert token not in self.read_file(f"{trial.run.invocation.run_dir}/{file.path}").decode(), file.path

    def test_neither_a_refusal_nor_debug_output_tells_a_secret(self, rig: Rig) -> None:
        """Errors are shown and stored, and what is logged is shown to others: say names, never a whole environment or
        command."""
        token = f"canary-{secrets.token_hex(8)}"
        rig.environ["CLAIM_CANARY"] = token
        env = {"CANARY": EnvValue(source=ValueSource.HOST, text="CLAIM_CANARY", where="claims.yaml:1")}
        trial = rig.trial(*(task(LEAVE_RESULTS, name=name, env=env) for name in ("taken", "refused")))
        taken, refused = trial.plans
        with _logged() as said:
            trial.provision()
            self.spoil(refused)
            answers = trial.session.launch(trial.run.context(), trial.plans)
            handle = answers[taken.name]
            assert isinstance(handle, Handle), handle
            trial.await_end(handle)
        assert isinstance(answers[refused.name], LaunchError)
        assert token not in repr(answers)
        assert [words for words in said if token in words] == []

    def test_an_unset_secret_is_named_and_nothing_is_launched(self, rig: Rig) -> None:
        """`ctx.content` and `ctx.secret` raise, naming the variable: let it pass."""
        env = {"CANARY": EnvValue(source=ValueSource.HOST, text="NOT_SET_ANYWHERE", where="claims.yaml:7")}
        trial = rig.trial(task(LEAVE_RESULTS, env=env))
        trial.conductor.act()
        assert trial.attempt().state is JobState.FAILED
        assert "NOT_SET_ANYWHERE" in trial.attempt().reason
        assert trial.session.find(trial.run.context(), trial.marks) == {}

    def test_artifacts_come_home_as_often_as_they_are_asked_for(self, rig: Rig, tmp_path: Path) -> None:
        """A run may be fetched again, over what is there; return the paths below `dest`."""
        trial = rig.trial(task(LEAVE_RESULTS))
        self.offered("fetch", there=trial.session.fetches)
        (handle,) = trial.begin()
        trial.await_end(handle)
        for _ in range(2):
            brought = trial.session.fetch(trial.run.context(), handle, tmp_path / "home")
            assert "artifacts/results.yml" in brought
            assert (tmp_path / "home" / "artifacts" / "results.yml").read_text(encoding="utf-8") == "results: {}\n"


class _Kept(logging.Handler):
    """Keeps what is logged, tracebacks included."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Collect all that is logged by this process, at whatever level."""
    handler, root = _Kept(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield handler.said
    finally:
        root.setLevel(before)
        root.removeHandler(handler)


def _command_lines() -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            found.append("\0".join(process.cmdline()))
        except psutil.Error:
            continue
    return found
