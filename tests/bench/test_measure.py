"""bench.measure and bench.run: figures come from the commands themselves."""

import os
import sys
from pathlib import Path

import pytest

from bench.launch import endpoint, harness_start_s, write_config
from bench.measure import CommandFailed, Sample, median, run_once


def test_failed_command_is_named_with_what_it_said() -> None:
    with pytest.raises(CommandFailed, match="exited with 3:\nno such thing"):
        run_once([sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"], os.environ)


def test_user_time_is_that_of_the_command_and_of_the_children_it_waited_for() -> None:
    spin = "import os\nwhile os.times().user < 0.3: sum(range(100_000))"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}], check=True)"
    # A tick of os.times() less than the loop's own end.
    assert run_once([sys.executable, "-c", nested], os.environ).user_s > 0.28


def test_median_leaves_the_warm_up_out() -> None:
    samples = iter(Sample(user_s=value, wall_s=10 * value) for value in (99.0, 1.0, 3.0, 2.0))
    assert median(lambda: next(samples), runs=3) == Sample(user_s=2.0, wall_s=20.0)


def test_harness_of_the_launch_case_marks_its_start_and_leaves_results(tmp_path: Path) -> None:
    harness_start_s(tmp_path, os.environ)
    assert (tmp_path / "alone").read_text() == "x"
    assert (tmp_path / "results.yml").read_text() == "results: {}\n"


def test_configuration_has_as_many_tasks_as_asked_for(tmp_path: Path) -> None:
    with endpoint() as url:
        config = write_config(tmp_path / "many.yaml", url=url, tasks=12)
    assert config.read_text().count("name: bench_") == 12
