"""The store: one folder per invocation under the state home.

    runs/<invocation>/invocation.json       what never changes, written once by rename
    runs/<invocation>/config.yaml           the resolved configuration
    runs/<invocation>/plans/<n>.<attempt>.json
    runs/<invocation>/journal.jsonl         what happened since
    runs/<invocation>/act.lock, keeper.lock held by the process that acts, and by the keeper

Plain files and one append-only journal: safe with several launchers and on network homes, readable after any crash,
and a damaged record costs that record only. A folder appears whole (by rename) or not at all.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from evalyard.errors import StoreError
from evalyard.ids import INVOCATION_PATTERN, new_invocation
from evalyard.records.invocations import Invocation
from evalyard.records.plans import Plan
from evalyard.store import journal
from evalyard.store.history import History, fold
from evalyard.store.home import state_home
from evalyard.store.journal import Damage, Entry, converter
from evalyard.store.locks import await_lock, try_lock

T = TypeVar("T")

LOCK_PATIENCE_S = 60.0
ABANDONED_AFTER_S = 3600.0
KEEPER_PATIENCE_S = 0.5
"""How long a keeper tries for its lock: whoever looks for a keeper holds it for a moment, which must not stop one."""


class Store:
    """Reads and writes the records of all invocations."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home or state_home()
        self.runs = self.home / "runs"

    @property
    def owner(self) -> str:
        """What tells this store from others, on whatever backend it meets them."""
        return f"{platform.node()}:{self.home.absolute()}"

    def folder(self, invocation: str) -> Path:
        """Return the folder of an invocation's records."""
        return self.runs / invocation

    def invocations(self) -> list[str]:
        """List the ids of all invocations, in no order that means anything."""
        try:
            return [entry.name for entry in os.scandir(self.runs) if INVOCATION_PATTERN.fullmatch(entry.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"cannot read {self.runs}: {error.strerror}") from error

    def unused_id(self) -> str:
        """Return an id that no invocation in this store has."""
        while self.folder(invocation := new_invocation()).exists():
            pass
        return invocation

    def create(self, invocation: Invocation, config: str, plans: Sequence[Plan], entries: Iterable[Entry]) -> None:
        """Record a new invocation, whole: the intent, before anything is sent.

        Raises:
            StoreError: when it cannot be written, or the id is taken; then nothing is left.
        """
        try:
            self.runs.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._sweep_drafts()
            draft = Path(tempfile.mkdtemp(prefix=".new-", dir=self.runs))
        except OSError as error:
            raise StoreError(
                f"cannot record runs in {self.runs}: {error.strerror}", hint="set EVALYARD_HOME to a writable folder"
            ) from error
        try:
            (draft / "plans").mkdir()
            (draft / "config.yaml").write_text(config, encoding="utf-8", errors="surrogateescape")
            (draft / "invocation.json").write_text(_dump(invocation), encoding="utf-8", errors="backslashreplace")
            for plan in plans:
                _plan_file(draft, plan).write_text(_dump(plan), encoding="utf-8", errors="backslashreplace")
            journal.append(draft / "journal.jsonl", entries)
            draft.rename(self.folder(invocation.id))
        except OSError as error:
            raise StoreError(
                f"cannot record the run in {self.runs}: {error.strerror}",
                hint="make room there, or set EVALYARD_HOME to another folder",
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _sweep_drafts(self) -> None:
        """Remove what launchers left that were killed while they recorded a run."""
        for draft in self.runs.glob(".new-*"):
            with contextlib.suppress(OSError):
                if time.time() - draft.stat().st_mtime > ABANDONED_AFTER_S:
                    shutil.rmtree(draft)

    def record(self, invocation: str, entries: Sequence[Entry]) -> None:
        """Append to an invocation's journal.

        Raises:
            StoreError: when it cannot be written.
        """
        journal.append(self.folder(invocation) / "journal.jsonl", entries)

    def read(self, invocation: str) -> History:
        """Read an invocation and what became of it.

        Raises:
            StoreError: when its header is absent or damaged; damage in the journal is in `History.damage`.
        """
        path = self.folder(invocation) / "invocation.json"
        header = _load(path, Invocation)
        entries, damage = journal.read(self.folder(invocation) / "journal.jsonl")
        return fold(header, entries, damage)

    def journal_length(self, invocation: str) -> int:
        """Return how long an invocation's journal is by now, in bytes; 0 = there is none that can be read."""
        return journal.length(self.folder(invocation) / "journal.jsonl")

    def read_all(self) -> tuple[list[History], list[Damage]]:
        """Read every invocation, newest first; one that cannot be read is named and left out."""
        histories: list[History] = []
        damage: list[Damage] = []
        for invocation in self.invocations():
            try:
                histories.append(self.read(invocation))
            except StoreError as error:
                damage.append(Damage(path=str(self.folder(invocation)), line=0, problem=error.message))
        histories.sort(key=lambda history: (history.invocation.created_at, history.invocation.id), reverse=True)
        return histories, damage

    def config(self, invocation: str) -> str:
        """Return the resolved configuration of an invocation.

        Raises:
            StoreError: when it is gone.
        """
        try:
            return (self.folder(invocation) / "config.yaml").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise StoreError(f"the configuration of {invocation} cannot be read: {error.strerror}") from error

    def write_plan(self, invocation: str, plan: Plan) -> None:
        """Keep the plan of another attempt."""
        path = _plan_file(self.folder(invocation), plan)
        draft = path.with_suffix(f".{os.getpid()}.new")
        try:
            draft.write_text(_dump(plan), encoding="utf-8", errors="backslashreplace")
            draft.replace(path)
        except OSError as error:
            raise StoreError(f"cannot record in {self.folder(invocation)}: {error.strerror}") from error

    def plan(self, invocation: str, job: int, attempt: int) -> Plan:
        """Return the plan of one attempt.

        Raises:
            StoreError: when it is absent or damaged.
        """
        return _load(self.folder(invocation) / "plans" / f"{job}.{attempt}.json", Plan)

    @contextlib.contextmanager
    def acting(self, invocation: str, *, patience_s: float = LOCK_PATIENCE_S) -> Iterator[None]:
        """Hold the right to act (launch, provision, release) on an invocation; the kernel frees it when we die.

        Raises:
            StoreError: when another process keeps it for longer than `patience_s`.
        """
        path = self.folder(invocation) / "act.lock"
        free = await_lock(path, time.monotonic() + patience_s)
        if free is None:
            busy = f"another evalyard process has been acting on {invocation} for {patience_s:.0f} s"
            raise StoreError(busy, hint=f"try again later; the lock is {path}")
        try:
            yield
        finally:
            free()

    @contextlib.contextmanager
    def keeping(self, invocation: str) -> Iterator[bool]:
        """Be the keeper of an invocation; yields False when somebody else is."""
        free = await_lock(self.folder(invocation) / "keeper.lock", time.monotonic() + KEEPER_PATIENCE_S)
        try:
            yield free is not None
        finally:
            if free is not None:
                free()

    def has_keeper(self, invocation: str) -> bool:
        """Whether a live process keeps this invocation."""
        # Shared, so that those who look do not take each other for a keeper.
        free = try_lock(self.folder(invocation) / "keeper.lock", shared=True)
        if free is None:
            return True
        free()
        return False


def _plan_file(folder: Path, plan: Plan) -> Path:
    number = plan.job.rpartition(".")[2]
    return folder / "plans" / f"{number}.{plan.attempt}.json"


def _dump(record: Any) -> str:
    # Written with `backslashreplace`: a lone surrogate (of a path that is not UTF-8) becomes its JSON escape.
    return json.dumps(converter.unstructure(record), ensure_ascii=False, indent=1) + "\n"


def _load(path: Path, cls: type[T]) -> T:
    try:
        return converter.structure(json.loads(path.read_text(encoding="utf-8")), cls)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # a damaged record may hold anything; cattrs raises groups
        raise StoreError(f"{path} is damaged ({type(error).__name__})") from error
