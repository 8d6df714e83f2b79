"""evalyard_slurm.checks: what is found out about a cluster before anything is submitted."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from evalyard import Connection, Context, Finding, Plan, Severity
from evalyard.batch.commands import command_text
from evalyard_slurm.checks import findings
from evalyard_slurm.plans import plan_job
from evalyard_slurm.settings import ContainerRuntime, Settings
from evalyard_slurm.system import SLURM
from tests.plugins.slurm.jobs import make_job
from tests.plugins.slurm.stand_in import StandIn


def plan(folder: Path, **more: Any) -> Plan:
    settings = Settings(output_dir=str(folder / "not" / "yet"), container_runtime=ContainerRuntime.NONE, **more)
    return plan_job(settings, make_job(run_dir=f"{folder}/not/yet/run"))


def found(ctx: Context, *plans: Plan) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings(ctx, plans)}


def test_a_healthy_cluster_has_no_errors(ctx: Context, slurm: StandIn, tmp_path: Path) -> None:
    seen = found(ctx, plan(tmp_path))
    assert {finding.severity for finding in seen.values()} <= {Severity.OK, Severity.WARNING}
    assert seen["slurm"].message == "slurm-wlm 22.05.8 on this machine"
    assert "output folder" in seen
    assert slurm.calls("sbatch")[0].startswith("sbatch --test-only --export=NONE --partition=batch --time=01:00:00")


def test_what_sbatch_refuses_is_an_error_in_its_words(ctx: Context, slurm: StandIn, tmp_path: Path) -> None:
    slurm.say("refusal", "allocation failure: Invalid account or account/partition combination specified\n")
    seen = found(ctx, plan(tmp_path))["slurm jobs"]
    assert seen.severity is Severity.ERROR
    assert seen.message == "sbatch refuses them: Invalid account or account/partition combination specified"


@pytest.mark.parametrize(
    ("nodes", "severity", "message"),
    [
        ("idle\nmixed*\n", Severity.ERROR, "sbatch refuses them: Requested node configuration is not available"),
        ("idle\ndrained\n", Severity.WARNING, "no node takes them now: Requested node configuration is not available"),
    ],
)
def test_nodes_that_are_out_of_service_for_a_while_stop_no_run(
    ctx: Context, slurm: StandIn, tmp_path: Path, nodes: str, severity: Severity, message: str
) -> None:
    slurm.say("refusal", "allocation failure: Requested node configuration is not available\n")
    slurm.say("nodes", nodes)
    seen = found(ctx, plan(tmp_path))["slurm jobs"]
    assert (seen.severity, seen.message) == (severity, message)


def test_a_walltime_that_would_wait_for_ever_is_an_error(ctx: Context, slurm: StandIn, tmp_path: Path) -> None:
    slurm.say("partition", "PartitionName=batch\n   MaxTime=00:30:00 MaxNodes=1\n   State=UP\n")
    errors = [finding for finding in findings(ctx, [plan(tmp_path)]) if finding.severity is Severity.ERROR]
    assert [(error.message, error.remedy) for error in errors] == [
        ("partition batch allows 00:30:00, and the walltime is 01:00:00", "-o execution.walltime=00:30:00")
    ]


def test_more_nodes_than_the_partition_gives_to_a_job_are_an_error(
    ctx: Context, slurm: StandIn, tmp_path: Path
) -> None:
    slurm.say("partition", "PartitionName=batch\n   MaxTime=UNLIMITED MaxNodes=2\n   State=UP\n")
    for nodes, expected in ((2, []), (3, ["-o execution.num_nodes=2"])):
        errors = [one for one in findings(ctx, [plan(tmp_path, num_nodes=nodes)]) if one.severity is Severity.ERROR]
        assert [error.remedy for error in errors] == expected


def test_a_controller_that_is_down_is_unreachable(ctx: Context, slurm: StandIn, tmp_path: Path) -> None:
    slurm.say("down")
    seen = found(ctx, plan(tmp_path))["slurm"]
    assert (seen.severity, seen.unreachable) == (Severity.ERROR, True)
    assert "Unable to contact slurm controller" in seen.message


def test_what_jobs_mount_has_to_be_there(ctx: Context, slurm: StandIn, tmp_path: Path) -> None:
    del slurm
    one = plan(tmp_path)
    seen = found(ctx, evolve(one, payload={**one.payload, "mounts": [str(tmp_path), "/nowhere"]}))["mounts"]
    assert (seen.severity, seen.message) == (Severity.ERROR, "not on the cluster: /nowhere")


def test_an_output_folder_that_is_a_file_is_an_error(ctx: Context, slurm: StandIn, tmp_path: Path) -> None:
    del slurm
    (tmp_path / "not").write_text("")
    seen = found(ctx, plan(tmp_path))["output folder"]
    assert (seen.severity, seen.message) == (Severity.ERROR, f"{tmp_path / 'not'} is a file")


def test_a_machine_without_slurm_says_what_to_set(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("sh", "env", "sed", "tr", "df", "stat", "dirname"):
        place = shutil.which(name)
        assert place is not None
        (tmp_path / "bin" / name).symlink_to(place)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    seen = found(evolve_without_profile(ctx, monkeypatch, tmp_path), plan(tmp_path))["slurm"]
    assert seen.severity is Severity.ERROR
    assert "squeue" in seen.message
    assert seen.remedy == "set execution.hostname to a login node"


def evolve_without_profile(ctx: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Context:
    """Let a command not look for Slurm where this machine's own profile would find it."""
    from evalyard.batch import cluster

    text = command_text(SLURM, "check").replace("/etc/profile", str(tmp_path / "profile"))
    monkeypatch.setattr(cluster, "command_text", lambda _system, _name: text)
    return ctx


def test_a_bare_doctor_without_slurm_is_content() -> None:
    bare = Context(connection=Connection(executor="slurm"))
    (finding,) = findings(bare, [], which=lambda _name: None)
    assert (finding.severity, finding.message) == (
        Severity.OK,
        "this machine is of no cluster; clusters are reached over ssh",
    )


def test_a_bare_doctor_looks_at_the_slurm_of_this_machine(slurm: StandIn) -> None:
    bare = Context(connection=Connection(executor="slurm"))
    assert [finding.severity for finding in findings(bare, [])] == [Severity.OK]
    assert slurm.calls("sbatch") == []


def test_a_bare_doctor_is_content_with_commands_that_have_no_cluster(slurm: StandIn) -> None:
    said = "fatal: Could not establish a configuration source"
    (slurm.bin / "squeue").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    bare = Context(connection=Connection(executor="slurm"))
    assert [finding.severity for finding in findings(bare, [])] == [Severity.OK]


def test_a_bare_doctor_warns_of_a_controller_that_is_down(slurm: StandIn) -> None:
    slurm.say("down")
    bare = Context(connection=Connection(executor="slurm"))
    assert [finding.severity for finding in findings(bare, [])] == [Severity.WARNING]
