"""What every group of claims stands on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

import pytest

from evalyard.batch.answers import BatchAnswer
from evalyard.batch.evidence import observe
from evalyard.batch.system import BatchSystem, JobRow
from evalyard.errors import EvalyardError
from evalyard.ids import new_mark
from evalyard.plugins.discovery import load_executor
from evalyard.records.handles import Handle
from evalyard.records.observations import Observation
from evalyard.records.plans import Plan
from evalyard.testing.patience import PATIENCE_S
from evalyard.testing.rig import Rig, rigged
from evalyard.testing.weather import Weather, weather

T = TypeVar("T")

_found_out: WeakKeyDictionary[type, dict[str, Any]] = WeakKeyDictionary()


class Claims:
    """The attributes and methods that a plugin author sets or replaces; see `Conformance`."""

    executor: ClassVar[str] = ""
    executor_class: ClassVar[type[Any] | None] = None
    settings: ClassVar[Mapping[str, Any]] = {}
    environ: ClassVar[Mapping[str, str]] = {}
    serves: ClassVar[bool] = False
    server_config: ClassVar[Mapping[str, Any]] = {}
    image: ClassVar[str] = ""
    not_offered: ClassVar[frozenset[str]] = frozenset()
    heavy_modules: ClassVar[frozenset[str]] = frozenset(
        {"boto3", "botocore", "docker", "google", "grpc", "httpx", "kubernetes", "leptonai", "numpy", "paramiko"}
        | {"pandas", "requests", "torch"}
    )
    other_settings: ClassVar[Mapping[str, Any]] = {}
    not_in_plan: ClassVar[frozenset[str]] = frozenset()
    impatient: ClassVar[Mapping[str, Any]] = {}
    awkward_folder: ClassVar[str] = "näïve 'single' \"double\" $(touch executed)"
    restarts_servers: ClassVar[bool] = False
    stored: ClassVar[Path | None] = None
    patience_s: ClassVar[float] = PATIENCE_S
    races: ClassVar[int] = 50
    polls: ClassVar[int] = 100
    crowd: ClassVar[int] = 1000
    log_lines: ClassVar[int] = 20_000
    hang_s: ClassVar[float] = 2.0
    late_s: ClassVar[float] = 5.0

    def loaded(self) -> type[Any]:
        """Return the executor's class."""
        return self.executor_class or load_executor(self.executor)

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[Rig]:
        """The executor with a folder and a store of its own; whatever a claim started is ended after it."""
        executor = self.loaded()
        with rigged(
            executor,
            self.executor or executor.__name__.lower(),
            self.settings,
            tmp_path,
            self.image,
            environ=dict(self.environ),
            server_config=self.server_config,
            patience_s=self.patience_s,
        ) as made:
            yield made

    def offered(self, capability: str, *, there: bool) -> None:
        """Skip the calling claim when the author says that a capability is not offered; fail when it is just absent."""
        if capability in self.not_offered:
            assert not there, f"'{capability}' is offered, and listed in not_offered"
            pytest.skip(f"not offered: {capability}")
        assert there, f"'{capability}' is not offered; if that is meant, list it in not_offered"

    def disturbed(self, disturbed: Sequence[str], hook: str) -> None:
        """Skip the calling claim where no fault was made and the author says so; fail where he does not."""
        if not disturbed and "outage" in self.not_offered:
            pytest.skip("not offered: outage")
        assert disturbed, (
            f"{hook} started no program and opened no connection, so nothing went wrong and nothing was tried: "
            "replace `weather`, or list 'outage' in not_offered where no backend is asked"
        )

    def weather(self, kind: Weather) -> AbstractContextManager[Sequence[str]]:
        """Make the backend hang, be unreachable, or answer nothing or by halves, for programs and connections of this
        process that begin within the block: replace it where the backend is asked in another way.

        What the block gets is a list of what was disturbed, which grows meanwhile: empty = nothing was asked.
        """
        return weather(kind)

    @contextmanager
    def no_error(self) -> Iterator[None]:
        """Fail the calling claim when the executor refuses what is to be taken for done."""
        try:
            yield
        except EvalyardError as error:
            raise AssertionError(f"an error, where none is one: {error.message}") from error

    def once(self, what: str, find_out: Callable[[], T]) -> T:
        """Return what `find_out` found out the first time that a claim of this class asked, or raise what it raised:
        several claims about one costly thing."""
        known = _found_out.setdefault(type(self), {})
        if what not in known:
            try:
                known[what] = find_out(), None
            except Exception as error:  # noqa: BLE001 - kept for the next claim: it would go wrong again, as slowly
                known[what] = None, error
        found, problem = known[what]
        if problem is not None:
            raise problem
        answer: T = found
        return answer

    def read_file(self, path: str) -> bytes:
        """Return the content of a file at the backend: replace it where the run directory is not on this machine.

        Raises:
            FileNotFoundError: there is none.
        """
        return Path(path).read_bytes()

    def file_mode(self, path: str) -> int:
        """Return the permission bits of a file at the backend."""
        return Path(path).stat().st_mode & 0o777

    def observation_of(self, word: str) -> Observation | None:
        """Return what the executor makes of a word that its backend says of a live job; None = it has no such words.

        Replace it where states are words; of a `BatchExecutor` they are known.
        """
        system = getattr(self.loaded(), "system", None)
        return _in_queue(system, word) if isinstance(system, BatchSystem) else None

    def spoil(self, plan: Plan) -> None:
        """Make the backend refuse a provisioned job: here, a file stands where its directory was."""
        shutil.rmtree(plan.directory)
        Path(plan.directory).write_text("in the way", encoding="utf-8")

    def lines_of(self, path: str) -> list[str]:
        """Return the lines of a file at the backend; none when there is no file."""
        try:
            return self.read_file(path).decode().splitlines()
        except FileNotFoundError:
            return []

    def starts(self, directory: str) -> int:
        """Return how often a harness has begun that runs NOTE_START, in whatever attempt."""
        places = [directory, *(f"{directory}/attempts/{number}" for number in range(1, 5))]
        return sum(len(self.lines_of(f"{place}/artifacts/starts")) for place in places)


def _in_queue(system: BatchSystem, word: str) -> Observation | None:
    """Return what is known of a job of which the queue says this word, and nobody says more."""
    job = Handle(name="ey-0badcafe-1-1", mark=new_mark(), id="1")
    answer = BatchAnswer(jobs={job.id: JobRow(id=job.id, name=job.name, word=word)})
    return observe(system, job, answer) if system.observe is None else system.observe(job, answer)
