"""Claims about what is read and what must never be: logs, names, secrets."""

from __future__ import annotations

import secrets
from pathlib import Path

import psutil

from evalyard.records import Handle
from evalyard.secrets import SECRETS_FILE
from evalyard.specs import EnvValue, ValueSource
from evalyard.states import JobState
from evalyard.testing.claims import Claims
from evalyard.testing.rig import LEAVE_RESULTS, Rig, Trial, task, texts, wait_until

TINY_LIMIT = 7
_AWKWARD = """ "double" 'single' $(echo executed) `echo executed` \\back\\slash\n second line, ünïcode """


class OutputClaims(Claims):
    """Logs, names, secrets."""

    def test_logs_give_every_line_once_however_small_the_pieces(self, rig: Rig) -> None:
        count = 'i=0; while [ "$i" -lt 60 ]; do echo "line-$i is longer than the limit"; i=$((i + 1)); done'
        trial = rig.trial(task(f"{count}; sleep 0.3; echo line-last; {LEAVE_RESULTS}"))
        (handle,) = trial.begin()
        lines = [line for line in _log(trial, handle) if line.startswith("line-")]
        assert lines == [*(f"line-{number} is longer than the limit" for number in range(60)), "line-last"]

    def test_logs_survive_bytes_that_are_no_text_and_never_split_a_character(self, rig: Rig) -> None:
        trial = rig.trial(task(f"echo ünïcödé-ünïcödé; printf 'bad-\\377-byte\\n'; {LEAVE_RESULTS}"))
        (handle,) = trial.begin()
        lines = _log(trial, handle)
        assert lines.count("ünïcödé-ünïcödé") == 1
        assert lines.count("bad-\N{REPLACEMENT CHARACTER}-byte") == 1

    def test_logs_keep_last_words_without_a_newline(self, rig: Rig) -> None:
        trial = rig.trial(task(f"{LEAVE_RESULTS}; printf last-words"))
        (handle,) = trial.begin()
        assert "\n".join(_log(trial, handle)).count("last-words") == 1

    def test_logs_stay_ended_after_the_end(self, rig: Rig) -> None:
        trial = rig.trial(task(f"echo one; {LEAVE_RESULTS}"))
        (handle,) = trial.begin()
        trial.await_end(handle)
        cursor, ended = "", False
        while not ended:
            chunk = trial.session.logs(trial.run.context(), handle, "client", cursor, 1 << 20)
            cursor, ended = chunk.cursor, chunk.ended
        after = trial.session.logs(trial.run.context(), handle, "client", cursor, 1 << 20)
        assert (after.lines, after.ended) == ((), True)

    def test_awkward_names_and_commands_are_taken_literally(self, rig: Rig) -> None:
        say = """printf '%s|' "$EVALYARD_TASK" 'it'"'"'s "ü" $HOME \\n' > "$EVALYARD_OUTPUT_DIR/said\""""
        name = """naïve "double" 'single' $(touch executed) \\ * end"""
        trial = rig.trial(task(f"{say}; {LEAVE_RESULTS}", name=name))
        (handle,) = trial.begin()
        assert trial.await_end(handle).state is JobState.SUCCEEDED
        assert self.read_file(trial.artifact("said")).decode() == f"""{name}|it's "ü" $HOME \\n|"""

    def test_a_secret_reaches_the_harness_exactly_and_nothing_else(self, rig: Rig) -> None:
        token = f"canary-{secrets.token_hex(8)}"
        rig.environ["CLAIM_CANARY"] = f"{token}{_AWKWARD}"
        env = {"CANARY": EnvValue(source=ValueSource.HOST, text="CLAIM_CANARY", where="claims.yaml:1")}
        keep = 'printf %s "$CANARY" > "$EVALYARD_OUTPUT_DIR/.seen" && mv "$EVALYARD_OUTPUT_DIR/.seen" '
        command = f'{keep} "$EVALYARD_OUTPUT_DIR/seen"; sleep 1; {LEAVE_RESULTS}'
        trial = rig.trial(task(command, env=env))
        (handle,) = trial.begin()
        wait_until(lambda: bool(self.lines_of(trial.artifact("seen"))), "the harness runs")
        leaking = [words for words in _command_lines() if token in words]
        trial.finish()
        assert self.read_file(trial.artifact("seen")).decode() == rig.environ["CLAIM_CANARY"]
        assert leaking == []
        assert self.file_mode(f"{trial.plans[0].directory}/{SECRETS_FILE}") == 0o600
        assert token not in texts([trial.plans, handle, trial.run.history()])
        assert token not in "\n".join(_log(trial, handle))
        for record in (path for path in rig.store.home.rglob("*") if path.is_file()):
            assert token not in record.read_text(encoding="utf-8", errors="replace"), record
        for file in (file for need in trial.plans[0].needs for file in need.files if not file.secrets):
            assert token not in self.read_file(f"{trial.run.invocation.run_dir}/{file.path}").decode(), file.path

    def test_an_unset_secret_is_named_and_nothing_is_launched(self, rig: Rig) -> None:
        env = {"CANARY": EnvValue(source=ValueSource.HOST, text="NOT_SET_ANYWHERE", where="claims.yaml:7")}
        trial = rig.trial(task(LEAVE_RESULTS, env=env))
        trial.conductor.act()
        assert trial.attempt().state is JobState.FAILED
        assert "NOT_SET_ANYWHERE" in trial.attempt().reason
        assert trial.session.find(trial.run.context(), trial.marks) == {}

    def test_artifacts_come_home_as_often_as_they_are_asked_for(self, rig: Rig, tmp_path: Path) -> None:
        trial = rig.trial(task(LEAVE_RESULTS))
        self.offered("fetch", there=trial.session.fetches)
        (handle,) = trial.begin()
        trial.await_end(handle)
        for _ in range(2):
            brought = trial.session.fetch(trial.run.context(), handle, tmp_path / "home")
            assert "artifacts/results.yml" in brought
            assert (tmp_path / "home" / "artifacts" / "results.yml").read_text(encoding="utf-8") == "results: {}\n"


def _log(trial: Trial, handle: Handle) -> list[str]:
    """Read a job's log to its end, in pieces as small as they can be."""
    lines: list[str] = []
    cursor, ended = "", False

    def read_on() -> bool:
        nonlocal cursor, ended
        chunk = trial.session.logs(trial.run.context(), handle, "client", cursor, TINY_LIMIT)
        lines.extend(chunk.lines)
        cursor, ended = chunk.cursor, chunk.ended
        return ended

    while not read_on():
        if not trial.observe(handle).state.final:
            continue
        wait_until(read_on, "the log of an ended job ends")
        break
    return lines


def _command_lines() -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            found.append("\0".join(process.cmdline()))
        except psutil.Error:
            continue
    return found
