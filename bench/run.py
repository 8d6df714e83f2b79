"""How long evalyard's commands take, as medians of whole processes: `python -m bench.run`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from attrs import frozen

from bench import cluster, contained
from bench.launch import endpoint, evalyard_command, harness_command, sample_first_byte, write_config
from bench.measure import CommandFailed, Figure, Sample, median, run_once
from bench.results import fill_results
from evalyard.testing.synthetic import fill_store
from tests.backends import why_absent


@frozen(kw_only=True)
class Case:
    """A command to measure."""

    name: str
    take: Callable[[], Sample]
    user_target_s: float | None = None
    wall_target_s: float | None = None


@frozen(kw_only=True)
class Row:
    """A measured case."""

    case: Case
    sample: Sample

    @property
    def missed(self) -> bool:
        """Whether a target was set and not met."""
        user_s, wall_s = self.case.user_target_s, self.case.wall_target_s
        return (user_s is not None and self.sample.user_s > user_s) or (
            wall_s is not None and self.sample.wall_s > wall_s
        )


def cases(folder: Path, url: str) -> Iterator[Case]:
    """Yield what is measured, making what each needs in `folder` first."""
    # What Python itself and a user's session need, and nothing that configures evalyard.
    inherited = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "TMPDIR") if name in os.environ}

    def environment(home: str) -> dict[str, str]:
        return {**inherited, "EVALYARD_HOME": str(folder / home)}

    small, large, fresh = environment("small"), environment("large"), environment("fresh")
    measured = environment("measured")
    fill_results(folder / "measured", tasks=500)
    fill_store(folder / "small", invocations=3, jobs=5)
    fill_store(folder / "large", invocations=1000, jobs=5)
    one = write_config(folder / "one.yaml", url=url, tasks=1)
    thousand = write_config(folder / "thousand.yaml", url=url, tasks=1000)
    mark = folder / "first-byte"
    launched = write_config(folder / "launched.yaml", url=url, tasks=1, command=harness_command(mark))
    evalyard = evalyard_command()

    yield Case(
        name="python -c 'import cyclopts'", take=partial(run_once, [sys.executable, "-c", "import cyclopts"], small)
    )
    yield Case(name="--help", take=partial(run_once, [*evalyard, "--help"], small), user_target_s=0.40)
    yield Case(name="ls tasks", take=partial(run_once, [*evalyard, "ls", "tasks"], small), user_target_s=0.40)
    yield Case(name="status", take=partial(run_once, [*evalyard, "status"], small, codes=(0, 1)), user_target_s=0.40)
    yield Case(name="ls runs, 1000 x 5", take=partial(run_once, [*evalyard, "ls", "runs"], large), user_target_s=0.40)
    yield Case(name="results, 500 tasks", take=partial(run_once, [*evalyard, "results"], measured), user_target_s=3.0)
    yield Case(
        name="run --dry-run, 1 task",
        take=partial(run_once, [*evalyard, "run", "--config", str(one), "--dry-run"], fresh),
        user_target_s=0.70,
    )
    yield Case(
        name="run --dry-run, 1000 tasks",
        take=partial(run_once, [*evalyard, "run", "--config", str(thousand), "--dry-run"], fresh),
        user_target_s=3.0,
    )
    yield Case(
        name="run to harness's first byte", take=partial(sample_first_byte, launched, mark, fresh), wall_target_s=1.0
    )


def table(rows: Sequence[Row]) -> str:
    """Render measured rows as plain text."""
    lines = [f"{'command':<30} {'user s':>8} {'wall s':>8}  target"]
    for row in rows:
        target = ""
        if row.case.user_target_s is not None:
            target = f"user <= {row.case.user_target_s:.2f}"
        elif row.case.wall_target_s is not None:
            target = f"wall <= {row.case.wall_target_s:.2f}"
        user = f"{row.sample.user_s:.3f}" if row.case.wall_target_s is None else "-"
        verdict = "" if not target else "  MISSED" if row.missed else "  met"
        lines.append(f"{row.case.name:<30} {user:>8} {row.sample.wall_s:>8.3f}  {target}{verdict}".rstrip())
    return "\n".join(lines)


def main() -> int:
    """Measure and print; with --check, return 1 when a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="measured runs of each command, after one warm-up (7)")
    parser.add_argument("--docker", action="store_true", help="what containers cost instead, with a Docker engine")
    parser.add_argument(
        "--slurm", action="store_true", help="what a cluster costs instead, with Slurm's daemons, as root"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 when a target is missed")
    arguments = parser.parse_args()
    if arguments.docker:
        if not contained.has_image():
            sys.exit(f"bench: no Docker engine with {contained.IMAGE}, which `make test` makes")
        return _figures(contained.figures, check=arguments.check)
    if arguments.slurm:
        if reason := why_absent("slurm"):
            sys.exit(f"bench: {reason}")
        return _figures(cluster.figures, check=arguments.check)
    with tempfile.TemporaryDirectory(prefix="evalyard-bench-") as folder, endpoint() as url:
        try:
            rows = [Row(case=case, sample=median(case.take, runs=arguments.runs)) for case in cases(Path(folder), url)]
        except CommandFailed as failure:
            sys.exit(f"bench: {failure}")
    print(table(rows))
    return 1 if arguments.check and any(row.missed for row in rows) else 0


def _figures(figures: Callable[[Path, str, Mapping[str, str]], Iterable[Figure]], *, check: bool) -> int:
    inherited = {name: os.environ[name] for name in ("DOCKER_HOST", "HOME", "PATH") if name in os.environ}
    missed = False
    with tempfile.TemporaryDirectory(prefix="evalyard-bench-") as folder, endpoint() as url:
        try:
            for figure in figures(Path(folder), url, {**inherited, "EVALYARD_HOME": f"{folder}/home"}):
                target = f"  <= {figure.target} {figure.unit}" if figure.target is not None else ""
                verdict = "" if not target else "  MISSED" if figure.missed else "  met"
                print(f"{figure.name:<45} {figure.value:>8.2f} {figure.unit}{target}{verdict}", flush=True)
                missed = missed or figure.missed
        except CommandFailed as failure:
            sys.exit(f"bench: {failure}")
    return 1 if check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
