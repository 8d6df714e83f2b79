"""evalyard_slurm.nodes: what is found out from a node, by a doctor alone."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from evalyard import Connection, Context, EndpointSpec, Finding, Plan, Severity
from evalyard_slurm import checks
from evalyard_slurm.plans import plan_job
from evalyard_slurm.settings import ContainerRuntime, Settings
from tests.plugins.slurm.jobs import make_job, served_job
from tests.plugins.slurm.stand_in import StandIn

OK, ERROR, WARNING = Severity.OK, Severity.ERROR, Severity.WARNING


@pytest.fixture
def doctor(slurm: StandIn) -> Context:
    """The context of a doctor at a cluster whose one node is this machine."""
    del slurm
    return Context(connection=Connection(executor="slurm"), thorough=True)


def plan(folder: Path, runtime: ContainerRuntime = ContainerRuntime.NONE, **more: Any) -> Plan:
    settings = Settings(output_dir=str(folder / "out"), container_runtime=runtime, partition="cpu")
    job = make_job(run_dir=f"{folder}/out/run", **more)
    return plan_job(settings, job)


def found(ctx: Context, *plans: Plan) -> list[tuple[Severity, str]]:
    """Return what is said of the node."""
    return [(one.severity, one.message) for one in nodes_of(checks.findings(ctx, plans))]


def nodes_of(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if "node" in one.subject]


def test_a_node_that_sees_the_folder_is_told_and_nothing_stays(doctor: Context, tmp_path: Path, slurm: StandIn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        endpoint = EndpointSpec(url=f"http://127.0.0.1:{port}/v1/chat/completions?key=secret")
        said = found(doctor, plan(tmp_path, endpoint=endpoint))
    assert said == [
        (OK, f"n1 sees {tmp_path / 'out'} as the login node does"),
        (OK, f"127.0.0.1:{port} takes connections from n1"),
    ]
    assert not [*tmp_path.rglob(".evalyard-look-*")]
    (call,) = slurm.calls("srun")
    assert "--partition=cpu" in call
    assert "secret" not in call


def test_nothing_is_started_for_a_check_that_is_not_thorough(doctor: Context, tmp_path: Path, slurm: StandIn) -> None:
    assert found(evolve(doctor, thorough=False), plan(tmp_path)) == []
    assert slurm.calls("srun") == []


def test_a_node_that_is_not_free_is_no_fault(doctor: Context, tmp_path: Path, slurm: StandIn) -> None:
    slurm.say("busy")
    said = found(doctor, plan(tmp_path))
    assert said == [(WARNING, "no node was asked: Unable to allocate resources: Requested nodes are busy")]


def test_what_answers_nowhere_is_unreachable(doctor: Context, tmp_path: Path) -> None:
    endpoint = EndpointSpec(url="http://127.0.0.1:9/v1/chat/completions")
    (finding,) = nodes_of(checks.findings(doctor, [plan(tmp_path, endpoint=endpoint)]))[1:]
    assert (finding.severity, finding.unreachable) == (ERROR, True)
    assert finding.message == "127.0.0.1:9 takes no connections from n1: Connection refused"


def test_a_model_that_is_served_in_the_job_is_not_asked_for(tmp_path: Path) -> None:
    settings = Settings(output_dir=str(tmp_path / "out"), container_runtime=ContainerRuntime.NONE)
    served = plan_job(settings, evolve(served_job(image=None, port=0), run_dir=f"{tmp_path}/out/run"))
    assert served.payload["endpoint"] == ""


def on_the_node(slurm: StandIn, name: str, text: str) -> None:
    """Put a program before others of its name on the PATH of whoever logs in."""
    program = slurm.bin / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    (Path.home() / ".profile").write_text(f"PATH={slurm.bin}:$PATH\n")


@pytest.mark.parametrize(
    ("runtime", "program", "said"),
    [
        (ContainerRuntime.PODMAN, "podman", "n1 has no podman: it is broken"),
        (ContainerRuntime.APPTAINER, "apptainer", "n1 has no apptainer: it is broken"),
        (ContainerRuntime.PYXIS, "enroot", "n1 has no pyxis: its srun knows no --container-image"),
    ],
)
def test_a_runtime_that_is_not_there_is_an_error(
    doctor: Context, tmp_path: Path, slurm: StandIn, runtime: ContainerRuntime, program: str, said: str
) -> None:
    on_the_node(slurm, program, "echo it is broken; exit 1")
    assert (ERROR, said) in found(doctor, plan(tmp_path, runtime))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, "n1 has registry.example/harness:1"),
        (1, "n1 has not pulled registry.example/harness:1: it does when a job begins"),
    ],
)
def test_podman_says_whether_it_has_the_image(
    doctor: Context, tmp_path: Path, slurm: StandIn, code: int, said: str
) -> None:
    on_the_node(slurm, "podman", f"case $1 in --version) echo podman version 4 ;; *) exit {code} ;; esac")
    found_there = found(doctor, plan(tmp_path, ContainerRuntime.PODMAN))
    assert [(OK, "n1 has podman version 4"), (OK, said)] == found_there[1:3]


def test_an_image_file_has_to_be_readable_on_the_node(doctor: Context, tmp_path: Path) -> None:
    one = plan(tmp_path)
    given = evolve(one, payload={**one.payload, "images": ["/nowhere/x.sqsh", str(Path(__file__))]})
    said = found(doctor, given)
    assert (ERROR, "n1 cannot read /nowhere/x.sqsh") in said
    assert (OK, f"n1 has {__file__}") in said


def test_a_program_that_a_harness_calls_has_to_be_there(doctor: Context, tmp_path: Path) -> None:
    harness = evolve(make_job().harness, program="no-such-harness")
    said = found(doctor, plan(tmp_path, harness=harness))
    assert (ERROR, "n1 has no no-such-harness on PATH") in said
