"""How jobs of a real Grid Engine end that do not end by themselves, and what is seen while its master is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from evalyard_gridengine.plugin import GridEngine

from evalyard import JobState, Transient
from evalyard.testing.patience import wait_until
from evalyard.testing.rig import BEAT, LEAVE_RESULTS, Rig, rigged, task
from tests.gridengine.cluster import GridEngineCluster

pytestmark = pytest.mark.gridengine


@pytest.fixture
def rig(tmp_path: Path, cluster: GridEngineCluster) -> Iterator[Rig]:
    """The executor at the cluster."""
    del cluster
    with rigged(GridEngine, "gridengine", {"poll_interval_s": 0.1, "walltime": "00:10:00"}, tmp_path) as made:
        yield made


def test_a_job_that_meets_its_walltime_has_timed_out_and_could_flush(rig: Rig) -> None:
    rig.section = {**rig.section, "walltime": "00:05"}
    trial = rig.trial(task(f"""trap 'echo x >"$EVALYARD_OUTPUT_DIR/flushed"; exit 143' TERM\n{BEAT}"""))
    trial.finish()
    assert (trial.attempt().state, trial.attempt().reason) == (JobState.TIMED_OUT, "it met its walltime of 5 s")
    assert Path(trial.artifact("flushed")).exists()


def test_a_job_that_somebody_deletes_has_failed_with_a_reason(rig: Rig, cluster: GridEngineCluster) -> None:
    trial = rig.trial(task(BEAT))
    (handle,) = trial.begin()
    wait_until(lambda: Path(trial.artifact("beat")).exists(), "the harness runs")
    cluster.ask("qdel", handle.id)
    trial.finish()
    assert (trial.attempt().state, trial.attempt().exit_code) == (JobState.FAILED, 143)
    assert "SIGTERM" in trial.attempt().reason


def test_a_job_that_is_held_back_waits_and_is_gone_after_teardown(rig: Rig, cluster: GridEngineCluster) -> None:
    cluster.ask("qmod", "-d", "all.q")
    try:
        trial = rig.trial(task(LEAVE_RESULTS))
        (handle,) = trial.begin()
        assert trial.observe(handle).state is JobState.QUEUED
        assert trial.session.teardown(trial.run.context(), [handle]) == ()
        assert cluster.ask("qstat") == ""
    finally:
        cluster.ask("qmod", "-e", "all.q")


def test_a_job_whose_folder_is_gone_waits_with_the_reason_and_is_gone_after_teardown(
    rig: Rig, cluster: GridEngineCluster
) -> None:
    cluster.ask("qmod", "-d", "all.q")
    try:
        trial = rig.trial(task(LEAVE_RESULTS))
        (handle,) = trial.begin()
        Path(trial.plans[0].directory).rename(f"{trial.plans[0].directory}.away")
    finally:
        cluster.ask("qmod", "-e", "all.q")
    wait_until(lambda: trial.observe(handle).reason != "", "Grid Engine has tried to begin it")
    seen = trial.observe(handle)
    reason = f"waits: it could not begin; why: qstat -j {handle.id}"
    assert (seen.state, seen.reason) == (JobState.QUEUED, reason)
    assert trial.session.teardown(trial.run.context(), [handle]) == ()
    assert cluster.ask("qstat") == ""


def test_while_the_master_cannot_be_reached_nothing_is_known_and_nothing_ends(
    rig: Rig, cluster: GridEngineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = rig.trial(task(BEAT))
    (handle,) = trial.begin()
    wait_until(lambda: Path(trial.artifact("beat")).exists(), "the harness runs")
    with monkeypatch.context() as away:
        away.setenv("SGE_QMASTER_PORT", str(cluster.free_port()))
        seen = trial.observe(handle)
        assert (seen.state, seen.missing) == (JobState.UNKNOWN, False)
        assert "qmaster" in seen.reason
        with pytest.raises(Transient, match="qmaster"):
            trial.session.teardown(trial.run.context(), [handle])
    assert trial.observe(handle).state is JobState.RUNNING
