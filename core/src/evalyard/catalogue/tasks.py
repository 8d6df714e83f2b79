"""Benchmarks by name: what `evalyard ls tasks` lists and what a task's name means.

Two tables: `tasks.csv` (benchmark, harness, endpoint types) and `harnesses.csv` (harness, its image pinned by digest,
the package that has it for host mode). The bundled ones are data of this package; others bring folders with tables of
the same form (`evalyard.data` packages, and the configuration's `catalogue:` key), which are read after them.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from attrs import field, frozen

from evalyard.config.compose import data_folders
from evalyard.errors import ConfigError

PREFERENCE = ("simple_evals", "lm-evaluation-harness", "bigcode-evaluation-harness")
"""For a bare name that several harnesses have, when neither the endpoint type nor the container decides: the first of
these that has it, then any harness other than LAST_RESORT, in alphabetical order."""

LAST_RESORT = ("codec",)
"""Harnesses that reuse the names of other benchmarks for something else (contamination detection)."""

KINDS = ("smoke", "nemo", "lm-eval")
"""Ways of running a harness that evalyard knows."""

OPEN_KINDS = ("lm-eval",)
"""Those whose tasks are not listed: any `harness.task` is taken."""

_TASK_COLUMNS = ("task", "harness", "endpoint_types")
_HARNESS_COLUMNS = ("harness", "kind")


@frozen(kw_only=True)
class ListedHarness:
    """A harness of the catalogue."""

    name: str
    kind: str
    """How it is run: `smoke`, `nemo` (nemo-evaluator's contract), `lm-eval`."""
    image: str = ""
    digest: str = ""
    architectures: str = ""
    package: str = ""
    """What pip installs to have it on this machine; empty = nothing is known."""

    @property
    def pinned_image(self) -> str | None:
        """The image by digest; by its tag where no digest is known; None where there is no image."""
        if not self.image:
            return None
        if not self.digest:
            return self.image
        repository, colon, tag = self.image.rpartition(":")
        return f"{repository if colon and '/' not in tag else self.image}@{self.digest}"


@frozen(kw_only=True)
class ListedTask:
    """One benchmark that a configuration may name without saying how it is run."""

    name: str
    harness: ListedHarness
    endpoint_types: tuple[str, ...]
    """Kinds of endpoint that it can use, the preferred one first."""
    description: str = ""

    @property
    def full_name(self) -> str:
        """`harness.task`: the name that no other benchmark has."""
        return self.name if self.harness.kind == "smoke" else f"{self.harness.name}.{self.name}"


@frozen(kw_only=True)
class Catalogue:
    """All benchmarks that are known."""

    tasks: tuple[ListedTask, ...]
    harnesses: Mapping[str, ListedHarness]
    _by_name: Mapping[str, tuple[ListedTask, ...]] = field(init=False, eq=False, repr=False)

    @_by_name.default
    def _index(self) -> Mapping[str, tuple[ListedTask, ...]]:
        index: dict[str, tuple[ListedTask, ...]] = {}
        for task in self.tasks:
            for name in dict.fromkeys((task.name, task.full_name)):
                index[name] = (*index.get(name, ()), task)
        return index

    def named(self, name: str) -> tuple[ListedTask, ...]:
        """Return every benchmark that a bare name or `harness.task` can mean; empty = none."""
        return self._by_name.get(name, ())

    def find(self, name: str, *, endpoint_type: str | None = None, container: str | None = None) -> ListedTask | None:
        """Return what a name means, or None when no benchmark has it.

        Where several have it, the container's own harness wins, then the one for the endpoint type, then PREFERENCE.
        """
        candidates = self.named(name) or self._open(name)
        for fits in (
            lambda task: bool(container) and _same_repository(container or "", task.harness.image),
            lambda task: endpoint_type in task.endpoint_types,
            lambda task: task.harness.name not in LAST_RESORT,
        ):
            candidates = tuple(filter(fits, candidates)) or candidates
        return min(candidates, key=_rank, default=None)

    def _open(self, name: str) -> tuple[ListedTask, ...]:
        """Return `harness.task` of a harness whose tasks nobody lists: it has hundreds, and its users add their own."""
        prefix, dot, rest = name.partition(".")
        harness = self.harnesses.get(prefix)
        if not dot or not rest or harness is None or harness.kind not in OPEN_KINDS:
            return ()
        return (ListedTask(name=rest, harness=harness, endpoint_types=("chat", "completions")),)

    def closest(self, name: str) -> str:
        """Return `; did you mean '...'?` with the nearest name, or nothing."""
        found = difflib.get_close_matches(name, self._by_name, n=1)
        return f"; did you mean '{found[0]}'?" if found else ""

    def search(self, text: str = "", *, harness: str = "", endpoint_type: str = "") -> tuple[ListedTask, ...]:
        """Return the benchmarks whose name or description holds `text`, of a harness, for a kind of endpoint."""
        wanted = text.lower()
        return tuple(
            task
            for task in self.tasks
            if wanted in f"{task.full_name} {task.description}".lower()
            and harness.lower() in ("", task.harness.name.lower())
            and (not endpoint_type or endpoint_type in task.endpoint_types)
        )


def catalogue(folders: Sequence[str | Path] = ()) -> Catalogue:
    """Return the bundled catalogue, with those of installed `evalyard.data` packages and of further folders.

    A harness or task that is given again replaces the former.

    Raises:
        ConfigError: a table of a folder is not of the form; the message names file and line.
    """
    further = [*data_folders(), *map(Path, folders)]
    if not further:
        return _bundled()
    return _read([files("evalyard.catalogue"), *further])


@cache
def _bundled() -> Catalogue:
    return _read([files("evalyard.catalogue")])


def _read(folders: Iterable[Traversable | Path]) -> Catalogue:
    harnesses: dict[str, ListedHarness] = {}
    tasks: dict[tuple[str, str], ListedTask] = {}
    for folder in folders:
        for place, row in _rows(folder.joinpath("harnesses.csv"), _HARNESS_COLUMNS):
            harnesses[row["harness"]] = _harness(row, place)
        for place, row in _rows(folder.joinpath("tasks.csv"), _TASK_COLUMNS):
            harness = harnesses.get(row["harness"])
            if harness is None:
                raise ConfigError([f"{place}: no harnesses.csv has the harness '{row['harness']}'"])
            tasks[row["harness"], row["task"]] = ListedTask(
                name=row["task"],
                harness=harness,
                endpoint_types=tuple(row["endpoint_types"].split()),
                description=row.get("description") or "",
            )
    return Catalogue(tasks=tuple(tasks.values()), harnesses=harnesses)


def _harness(row: Mapping[str, str], place: str) -> ListedHarness:
    if row["kind"] not in KINDS:
        raise ConfigError([f"{place}: kind '{row['kind']}' is not one of {', '.join(KINDS)}"])
    return ListedHarness(
        name=row["harness"],
        kind=row["kind"],
        image=row.get("image") or "",
        digest=row.get("digest") or "",
        architectures=row.get("architectures") or "",
        package=row.get("package") or "",
    )


def _rows(table: Traversable | Path, columns: Sequence[str]) -> Iterable[tuple[str, Mapping[str, str]]]:
    if not table.is_file():
        return
    reader = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise ConfigError([f"{table}:1: the table has no column {', '.join(missing)}"])
    for row in reader:
        place = f"{table}:{reader.line_num}"
        empty = [column for column in columns if not (row.get(column) or "").strip()]
        if empty:
            raise ConfigError([f"{place}: {', '.join(empty)} must not be empty"])
        yield place, row


def _rank(task: ListedTask) -> tuple[int, str]:
    known = task.harness.name in PREFERENCE
    return (PREFERENCE.index(task.harness.name) if known else len(PREFERENCE), task.harness.name.lower())


def _same_repository(container: str, image: str) -> bool:
    return bool(image) and _repository(container) == _repository(image)


def _repository(image: str) -> str:
    """Return an image's name without registry, tag and digest: `nvcr.io/a/b/simple-evals:1` -> `simple-evals`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
