"""evalyard.batch.checks: what is looked at before anything is submitted."""

from pathlib import Path

from evalyard import Connection, Context, Finding, Plan, Severity
from evalyard.batch.checks import findings
from evalyard.batch.cluster import Cluster
from tests.core.batch.toy import TOY, Toy

CLUSTER = Cluster(TOY)


def plan(folder: Path, *mounts: str) -> Plan:
    return Plan(
        job="a1b2c3d4.1",
        task="smoke",
        attempt=1,
        name="ey-a1b2c3d4-1-1",
        mark="0" * 32,
        directory=str(folder / "run"),
        payload={"output_dir": str(folder), "mounts": list(mounts)},
    )


def found(ctx: Context, one: Plan) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings(CLUSTER, ctx, [one])}


def test_a_cluster_that_answers_is_content(ctx: Context, toy: Toy, tmp_path: Path) -> None:
    seen = found(ctx, plan(tmp_path / "new" / "folder", str(tmp_path)))
    assert {one.severity for one in seen.values()} == {Severity.OK}
    assert seen["output folder"].message == f"{tmp_path} is writable"
    assert toy.calls("tsub") == []


def test_a_scheduler_that_is_silent_is_unreachable(ctx: Context, toy: Toy, tmp_path: Path) -> None:
    toy.say("down")
    seen = found(ctx, plan(tmp_path))["toy"]
    assert (seen.severity, seen.unreachable) == (Severity.ERROR, True)
    assert "toy: no answer" in seen.message


def test_a_command_that_is_missing_is_named(ctx: Context, toy: Toy, tmp_path: Path) -> None:
    (toy.folder / "bin" / "tdel").unlink()
    seen = found(ctx, plan(tmp_path))["toy"]
    assert (seen.severity, seen.message) == (Severity.ERROR, "this machine has no tdel on PATH")


def test_what_jobs_mount_and_where_they_write_has_to_be_there(ctx: Context, toy: Toy, tmp_path: Path) -> None:
    del toy
    (tmp_path / "file").touch()
    seen = found(ctx, plan(tmp_path / "file", "/nowhere"))
    assert seen["mounts"].message == "not on the cluster: /nowhere"
    assert seen["output folder"].message == f"{tmp_path / 'file'} is a file"
    assert {seen[name].severity for name in ("mounts", "output folder")} == {Severity.ERROR}


def test_a_bare_doctor_without_the_scheduler_is_content() -> None:
    bare = Context(connection=Connection(executor="toy"))
    (finding,) = findings(CLUSTER, bare, [], which=lambda _name: None)
    assert finding.severity is Severity.OK


def test_a_bare_doctor_only_warns_of_a_scheduler_that_is_silent(toy: Toy) -> None:
    toy.say("down")
    (finding,) = findings(CLUSTER, Context(connection=Connection(executor="toy")), [])
    assert finding.severity is Severity.WARNING
