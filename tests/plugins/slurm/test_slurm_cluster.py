"""Submitting, finding, watching and ending at a Slurm that breaks as told, with core's parts for batch schedulers."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from attrs import evolve

from evalyard import BackendError, Context, Handle, JobState, LaunchError, Need, NeedKind, Plan, PlannedFile, Transient
from evalyard.batch.logs import Logs
from evalyard.records.files import SecretRef
from evalyard.secrets import SecretSource
from evalyard_slurm.system import CLUSTER
from tests.plugins.slurm.jobs import MARK, OTHER_MARK
from tests.plugins.slurm.stand_in import StandIn

NAME = "ey-a1b2c3d4-1-1"


def plan(ctx: Context, number: int = 1, mark: str = MARK, *, made: bool = True) -> Plan:
    name = f"ey-a1b2c3d4-{number}-1"
    directory = Path(ctx.run_dir) / f"task{number}"
    if made:
        directory.mkdir(exist_ok=True)
        (directory / "job.sbatch").write_text("#!/bin/bash\n")
    return Plan(
        job=f"a1b2c3d4.{number}",
        task=f"task{number}",
        attempt=1,
        name=name,
        mark=mark,
        directory=str(directory),
        argv=("sbatch", "--parsable", f"--job-name={name}", "job.sbatch", "1"),
    )


def submitted(ctx: Context, *plans: Plan) -> list[Handle]:
    answers = CLUSTER.submit(ctx, plans)
    handles = [answers[plan.name] for plan in plans]
    assert all(isinstance(handle, Handle) for handle in handles), handles
    return [handle for handle in handles if isinstance(handle, Handle)]


def end_of(plan: Plan, exit_code: int = 0, signal: str = "") -> None:
    record = {
        "attempt": 1,
        "mark": plan.mark,
        "by_hand": False,
        "exit_code": exit_code,
        "signal": signal,
        "reason": "",
        "results": exit_code == 0,
        "started_at": "",
        "ended_at": "",
    }
    (Path(plan.directory) / "attempts" / "1" / "exit.json").write_text(f"{json.dumps(record)}\n")


# --- files ----------------------------------------------------------------------------------------------------------


def files_need(ctx: Context, *files: PlannedFile, mounts: tuple[str, ...] = ()) -> Need:
    directory = f"{ctx.run_dir}s/2026 it's/new"
    return Need(key="files", kind=NeedKind.FILES, directory=directory, files=files, payload={"mounts": list(mounts)})


def test_files_arrive_as_planned_and_secrets_are_the_owners_alone(ctx: Context, slurm: StandIn) -> None:
    del slurm
    secret = PlannedFile(path="t/.secrets.env", mode=0o600, secrets=(SecretRef(name="KEY", variable="MINE"),))
    context = Context(
        connection=ctx.connection, secrets=SecretSource(environ={"MINE": "it's \udcff\nmine"}), run_dir=ctx.run_dir
    )
    need = files_need(ctx, PlannedFile(path="t/run.sh", text="ü\n", mode=0o755), secret)
    CLUSTER.write(context, need)
    root = Path(need.directory)
    assert (root / "t" / "run.sh").read_text() == "ü\n"
    assert (root / "t" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (root / "t" / ".secrets.env").read_bytes() == b"KEY='it'\\''s \xff\nmine'\n"
    assert (root / "t" / ".secrets.env").stat().st_mode & 0o777 == 0o600
    assert (root.parent / "latest").readlink() == Path("new")


def test_files_that_are_there_are_replaced(ctx: Context) -> None:
    CLUSTER.write(ctx, files_need(ctx, PlannedFile(path="a", text="old")))
    need = files_need(ctx, PlannedFile(path="a", text="new"))
    CLUSTER.write(ctx, need)
    assert (Path(need.directory) / "a").read_text() == "new"


def test_a_mount_that_is_not_there_stops_the_run_and_is_named(ctx: Context, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"^not on the cluster: /nowhere/a\n") as raised:
        CLUSTER.write(ctx, files_need(ctx, mounts=(str(tmp_path), "/nowhere/a")))
    assert not raised.value.transient


def test_a_folder_that_cannot_be_made_is_told(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(BackendError, match="cannot write") as raised:
        CLUSTER.write(ctx, files_need(ctx))
    assert not raised.value.transient


# --- submitting -----------------------------------------------------------------------------------------------------


def test_jobs_are_submitted_by_name_in_their_folders(ctx: Context, slurm: StandIn) -> None:
    plans = [plan(ctx, 1), plan(ctx, 2)]
    handles = submitted(ctx, *plans)
    assert [(handle.name, handle.mark, handle.id) for handle in handles] == [
        ("ey-a1b2c3d4-1-1", MARK, "101"),
        ("ey-a1b2c3d4-2-1", MARK, "102"),
    ]
    assert slurm.calls() == [
        "sbatch --parsable --job-name=ey-a1b2c3d4-1-1 job.sbatch 1",
        "sbatch --parsable --job-name=ey-a1b2c3d4-2-1 job.sbatch 1",
    ]
    assert [line.split("|")[5] for line in slurm.jobs()] == [plan.directory for plan in plans]


def test_the_mark_is_in_the_jobs_folder_and_not_in_what_slurm_shows(ctx: Context, slurm: StandIn) -> None:
    (handle,) = submitted(ctx, plan(ctx))
    assert MARK in (Path(handle.data["directory"]) / "attempts" / "1" / "submitting").read_text()
    assert MARK not in "".join(slurm.jobs() + slurm.calls())


def test_submitting_again_submits_nothing(ctx: Context, slurm: StandIn) -> None:
    first = submitted(ctx, plan(ctx))
    assert submitted(ctx, plan(ctx)) == first
    assert len(slurm.calls("sbatch")) == 1


def test_a_job_whose_number_was_never_written_down_is_found_in_the_queue(ctx: Context, slurm: StandIn) -> None:
    first = submitted(ctx, plan(ctx))
    (Path(ctx.run_dir) / "task1" / "attempts" / "1" / "submitted").unlink()
    assert submitted(ctx, plan(ctx)) == first
    assert len(slurm.calls("sbatch")) == 1


def test_a_job_that_left_the_queue_has_left_its_number(ctx: Context, slurm: StandIn) -> None:
    first = submitted(ctx, plan(ctx))
    record = Path(ctx.run_dir) / "task1" / "attempts" / "1"
    (record / "submitted").unlink()
    (record / "job").write_text("101\n")
    slurm.say("jobs")
    assert submitted(ctx, plan(ctx)) == first
    assert len(slurm.calls("sbatch")) == 1


def test_an_accepted_job_whose_answer_was_lost_runs_once(ctx: Context, slurm: StandIn) -> None:
    slurm.say("silence")
    answer = CLUSTER.submit(ctx, [plan(ctx)])[NAME]
    assert answer == LaunchError(
        message="Batch job submission failed: Socket timed out on send/recv operation", transient=True
    )
    assert CLUSTER.find(ctx, {NAME: MARK})[NAME].id == "101"
    assert [handle.id for handle in submitted(ctx, plan(ctx))] == ["101"]
    assert len(slurm.calls("sbatch")) == 1


def test_while_the_queue_is_silent_a_lost_job_is_not_sent_again(ctx: Context, slurm: StandIn) -> None:
    slurm.say("silence")
    CLUSTER.submit(ctx, [plan(ctx)])
    slurm.say("down")
    answer = CLUSTER.submit(ctx, [plan(ctx)])[NAME]
    assert answer == LaunchError(message="Unable to contact slurm controller (connect failure)", transient=True)
    assert len(slurm.calls("sbatch")) == 1
    with pytest.raises(Transient, match="Unable to contact"):
        CLUSTER.find(ctx, {NAME: MARK})


def test_a_refused_job_fails_alone_in_slurms_words(ctx: Context, slurm: StandIn) -> None:
    answers = CLUSTER.submit(ctx, [plan(ctx, 1), plan(ctx, 2, made=False), plan(ctx, 3)])
    assert isinstance(answers["ey-a1b2c3d4-1-1"], Handle)
    assert isinstance(answers["ey-a1b2c3d4-3-1"], Handle)
    assert answers["ey-a1b2c3d4-2-1"] == LaunchError(message=f"there is no folder {ctx.run_dir}/task2")
    slurm.say("refusal", "sbatch: error: Batch job submission failed: Invalid account\tor so\n")
    assert CLUSTER.submit(ctx, [plan(ctx, 4)])["ey-a1b2c3d4-4-1"] == LaunchError(
        message="Batch job submission failed: Invalid account or so"
    )


def test_a_refused_job_can_be_sent_again(ctx: Context, slurm: StandIn) -> None:
    slurm.say("refusal", "sbatch: error: no\n")
    CLUSTER.submit(ctx, [plan(ctx)])
    slurm.unsay("refusal")
    assert [handle.id for handle in submitted(ctx, plan(ctx))] == ["101"]


def test_an_attempt_of_another_launch_is_not_taken(ctx: Context, slurm: StandIn) -> None:
    submitted(ctx, plan(ctx))
    answer = CLUSTER.submit(ctx, [plan(ctx, mark=OTHER_MARK)])[NAME]
    assert answer == LaunchError(message="somebody else has this attempt")
    assert len(slurm.calls("sbatch")) == 1


def test_what_the_launchers_own_job_was_told_of_slurm_does_not_reach_sbatch(
    ctx: Context, slurm: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_JOB_ID", "SBATCH_PARTITION", "SLURM_EXPORT_ENV", "SQUEUE_FORMAT"):
        monkeypatch.setenv(name, "inherited")
    monkeypatch.setenv("SLURM_CONF", "/etc/mine.conf")
    submitted(ctx, plan(ctx))
    seen = (slurm.folder / "environment").read_text()
    assert "inherited" not in seen
    assert "SLURM_CONF=/etc/mine.conf\n" in seen


def test_two_who_submit_at_once_submit_once(ctx: Context, slurm: StandIn) -> None:
    from concurrent.futures import ThreadPoolExecutor

    one = plan(ctx)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: CLUSTER.submit(ctx, [one])[NAME], range(8)))
    assert len(set(map(str, answers))) == 1
    assert len(slurm.calls("sbatch")) == 1


# --- finding --------------------------------------------------------------------------------------------------------


def test_only_what_has_our_mark_is_found(ctx: Context, slurm: StandIn) -> None:
    del slurm
    handles = submitted(ctx, plan(ctx))
    assert CLUSTER.find(ctx, {NAME: OTHER_MARK}) == {}
    assert CLUSTER.find(ctx, {NAME: MARK}) == {NAME: handles[0]}


def test_where_nothing_was_written_nothing_is_found(ctx: Context, slurm: StandIn, tmp_path: Path) -> None:
    del slurm
    elsewhere = Context(connection=ctx.connection, run_dir=str(tmp_path / "nowhere"))
    assert CLUSTER.find(elsewhere, {NAME: MARK}) == {}


# --- watching -------------------------------------------------------------------------------------------------------


def test_one_question_for_all_jobs_and_none_to_accounting_while_the_queue_knows(ctx: Context, slurm: StandIn) -> None:
    handles = submitted(ctx, *(plan(ctx, number) for number in range(1, 6)))
    slurm.job(102, "RUNNING", "ey-a1b2c3d4-2-1")
    slurm.say("calls")
    seen = CLUSTER.status(ctx, handles)
    assert [seen[handle.name].state for handle in handles] == [
        JobState.QUEUED,
        JobState.RUNNING,
        *[JobState.QUEUED] * 3,
    ]
    assert [line.split()[0] for line in slurm.calls()] == ["squeue"]


def test_a_job_that_the_queue_forgot_is_asked_of_accounting_once(ctx: Context, slurm: StandIn) -> None:
    handles = submitted(ctx, plan(ctx, 1), plan(ctx, 2))
    slurm.say("jobs")
    slurm.say("accounts", f"101|CANCELLED by 1000|0:0|2026-01-01T00:00:00|{NAME}\n")
    slurm.say("calls")
    seen = CLUSTER.status(ctx, handles)
    assert set(seen) == {NAME}, "the other one is nowhere"
    assert seen[NAME].state is JobState.CANCELLED
    assert [line.split()[0] for line in slurm.calls()] == ["squeue", "sacct"]
    assert "--jobs=101,102" in slurm.calls("sacct")[0]


def test_without_accounting_the_exit_file_decides(ctx: Context, slurm: StandIn) -> None:
    one = plan(ctx)
    handles = submitted(ctx, one)
    slurm.say("jobs")
    assert CLUSTER.status(ctx, handles) == {}
    end_of(one, 3)
    seen = CLUSTER.status(ctx, handles)[NAME]
    assert (seen.state, seen.exit and seen.exit.exit_code) == (JobState.FAILED, 3)


def test_the_last_words_of_a_model_server_are_told(ctx: Context, slurm: StandIn) -> None:
    del slurm
    one = plan(ctx)
    handles = submitted(ctx, one)
    end_of(one, 70)
    served = Path(one.directory) / "deployment" / "101"
    served.mkdir(parents=True)
    (served / "server.log").write_text("0: loading\n1: out of luck\n\nslurmstepd-n1: error: *** STEP CANCELLED ***\n")
    assert CLUSTER.status(ctx, handles)[NAME].reason.endswith(": out of luck")


def test_accounting_that_is_down_is_unknown_and_spoils_no_other(ctx: Context, slurm: StandIn) -> None:
    handles = submitted(ctx, plan(ctx, 1), plan(ctx, 2))
    slurm.say("jobs", "102|RUNNING|None|N/A|ey-a1b2c3d4-2-1|/x\n")
    slurm.say("accounts")
    slurm.say("accounts-down")
    seen = CLUSTER.status(ctx, handles)
    assert seen[NAME].state is JobState.UNKNOWN
    assert "slurm_persist_conn_open" in seen[NAME].reason
    assert seen["ey-a1b2c3d4-2-1"].state is JobState.RUNNING


def test_a_controller_that_is_down_is_no_news(ctx: Context, slurm: StandIn) -> None:
    handles = submitted(ctx, plan(ctx))
    slurm.say("down")
    with pytest.raises(Transient, match="Unable to contact slurm controller"):
        CLUSTER.status(ctx, handles)


# --- ending ---------------------------------------------------------------------------------------------------------


def test_cancelling_asks_slurm_once_for_all_that_live(ctx: Context, slurm: StandIn) -> None:
    handles = submitted(ctx, plan(ctx, 1), plan(ctx, 2), plan(ctx, 3))
    slurm.job(102, "COMPLETED", "ey-a1b2c3d4-2-1")
    assert CLUSTER.end(ctx, handles, wait=False) == ()
    assert slurm.calls("scancel") == ["scancel 101 103"]
    assert CLUSTER.end(ctx, handles, wait=False) == ()
    assert slurm.calls("scancel") == ["scancel 101 103"], "what has ended is not asked again"


def test_a_number_that_another_job_has_now_is_left_alone(ctx: Context, slurm: StandIn) -> None:
    handles = submitted(ctx, plan(ctx))
    slurm.job(101, "RUNNING", "somebody-elses")
    assert CLUSTER.end(ctx, handles, wait=True) == ()
    assert slurm.calls("scancel") == []


def test_what_was_sent_and_not_heard_of_will_not_begin(ctx: Context, slurm: StandIn) -> None:
    unheard = Handle(name=NAME, mark=MARK)
    assert CLUSTER.end(ctx, [unheard], wait=True) == ()
    answer = CLUSTER.submit(ctx, [plan(ctx)])[NAME]
    assert answer == LaunchError(message="it was cancelled before it was submitted")
    assert slurm.calls("sbatch") == []


def test_what_was_sent_and_is_in_the_queue_is_ended(ctx: Context, slurm: StandIn) -> None:
    slurm.say("silence")
    CLUSTER.submit(ctx, [plan(ctx)])
    assert CLUSTER.end(ctx, [Handle(name=NAME, mark=MARK)], wait=True) == ()
    assert slurm.calls("scancel") == ["scancel 101"]


def test_what_does_not_go_is_said_to_remain(ctx: Context, slurm: StandIn) -> None:
    handles = submitted(ctx, plan(ctx))
    (slurm.bin / "scancel").write_text("#!/bin/sh\n")
    patient = Context(connection=ctx.connection, run_dir=ctx.run_dir)
    patient.deadline -= 117.0
    assert CLUSTER.end(patient, handles, wait=True) == tuple(handles)


def test_a_controller_that_is_down_ends_nothing_and_says_so(ctx: Context, slurm: StandIn) -> None:
    handles = submitted(ctx, plan(ctx))
    slurm.say("down")
    for wait in (False, True):
        with pytest.raises(Transient, match="Unable to contact"):
            CLUSTER.end(ctx, handles, wait=wait)


def test_what_this_launcher_submitted_and_nobody_knows_is_an_orphan(ctx: Context, slurm: StandIn) -> None:
    (handle,) = submitted(ctx, plan(ctx))
    slurm.job(7, "RUNNING", "ey-ffffffff-1-1", folder="/nowhere")
    assert CLUSTER.orphans(ctx, {}) == (handle,)
    assert CLUSTER.orphans(ctx, {NAME: MARK}) == ()
    other = Context(connection=ctx.connection, run_dir=ctx.run_dir, owner="somebody")
    assert CLUSTER.orphans(other, {}) == ()


# --- files of a job -------------------------------------------------------------------------------------------------


def test_a_log_is_read_to_its_end_in_pieces(ctx: Context, slurm: StandIn) -> None:
    one = plan(ctx)
    (handle,) = submitted(ctx, one)
    slurm.job(101, "RUNNING", NAME)
    log = Path(one.directory) / "logs" / "stdout.log"
    log.parent.mkdir()
    log.write_bytes("é one\ntwo\nlast".encode())
    logs = Logs(CLUSTER)
    first = logs.read(ctx, handle, "client", "", 3)
    assert (first.lines, first.ended) == (("é one",), False)
    second = logs.read(ctx, handle, "client", first.cursor, 1 << 16)
    assert (second.lines, second.ended) == (("two",), False)
    end_of(one)
    last = logs.read(ctx, handle, "client", second.cursor, 1 << 16)
    assert (last.lines, last.ended) == (("last",), True)
    assert len(slurm.calls("squeue")) == 1, "whether it runs is not asked for each piece"


def test_the_log_of_a_killed_job_ends_too(ctx: Context, slurm: StandIn) -> None:
    (handle,) = submitted(ctx, plan(ctx))
    slurm.job(101, "NODE_FAIL", NAME)
    chunk = Logs(CLUSTER).read(ctx, handle, "client", "", 100)
    assert (chunk.lines, chunk.ended) == ((), True)


def test_while_slurm_is_silent_a_log_does_not_end(ctx: Context, slurm: StandIn) -> None:
    (handle,) = submitted(ctx, plan(ctx))
    slurm.say("down")
    assert not Logs(CLUSTER).read(ctx, handle, "client", "", 100).ended


def test_the_model_servers_log_is_that_of_the_job(ctx: Context, slurm: StandIn) -> None:
    del slurm
    one = plan(ctx)
    (handle,) = submitted(ctx, one)
    served = Path(one.directory) / "deployment" / "101"
    served.mkdir(parents=True)
    (served / "server.log").write_text("serving\n")
    assert Logs(CLUSTER).read(ctx, handle, "server", "", 100).lines == ("serving",)


def test_a_jobs_files_come_home_and_its_secrets_do_not(ctx: Context, slurm: StandIn, tmp_path: Path) -> None:
    del slurm
    one = plan(ctx)
    (handle,) = submitted(ctx, one)
    for name in ("artifacts/results.yml", "logs/stdout.log", ".secrets.env"):
        path = Path(one.directory) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    brought = CLUSTER.fetch(ctx, handle, tmp_path / "home")
    assert CLUSTER.fetch(ctx, handle, tmp_path / "home") == brought
    assert {"artifacts/results.yml", "logs/stdout.log", "attempts/1/submitted"} <= set(brought)
    assert (tmp_path / "home" / "artifacts" / "results.yml").read_text() == "artifacts/results.yml"
    assert not (tmp_path / "home" / ".secrets.env").exists()


def test_what_is_on_this_disk_already_is_not_brought(ctx: Context, slurm: StandIn) -> None:
    del slurm
    one = plan(ctx)
    (handle,) = submitted(ctx, one)
    (Path(one.directory) / "artifacts").mkdir()
    (Path(one.directory) / "artifacts" / "results.yml").touch()
    assert CLUSTER.fetch(ctx, handle, Path(one.directory)) == ()
    assert CLUSTER.fetch(ctx, evolve(handle, mark=OTHER_MARK), Path(one.directory)) != ()


# --- shells ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_every_shell_says_the_same(
    ctx: Context, slurm: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    import shutil

    place = shutil.which(shell)
    if place is None:
        pytest.skip(f"there is no {shell}")
    (tmp_path / "sh").mkdir()
    words = "busybox sh" if shell == "busybox" else shell
    (tmp_path / "sh" / "sh").write_text(f'#!/bin/{"sh"}\nexec {words} "$@"\n')
    (tmp_path / "sh" / "sh").chmod(0o755)
    if shell == "busybox":
        applets = subprocess.run([place, "--list"], capture_output=True, text=True, check=True).stdout.split()
        for name in {"tr", "sort", "sed", "cut", "mkdir", "mv", "tar", "tail", "head", "flock", "date"} & set(applets):
            (tmp_path / "sh" / name).symlink_to(place)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "sh"), os.environ["PATH"]]))
    CLUSTER.write(ctx, evolve(files_need(ctx, PlannedFile(path="a/b", text="x", mode=0o755))))
    one = plan(ctx)
    handles = submitted(ctx, one)
    assert CLUSTER.find(ctx, {NAME: MARK}) == {NAME: handles[0]}
    assert CLUSTER.status(ctx, handles)[NAME].state is JobState.QUEUED
    log = Path(one.directory) / "logs" / "stdout.log"
    log.parent.mkdir()
    log.write_text("one\ntwo\n")
    assert Logs(CLUSTER).read(ctx, handles[0], "client", "4", 100).lines == ("two",)
    assert "logs/stdout.log" in CLUSTER.fetch(ctx, handles[0], tmp_path / "home")
    assert CLUSTER.orphans(ctx, {}) == tuple(handles)
    assert CLUSTER.end(ctx, [*handles, Handle(name="ey-a1b2c3d4-9-1", mark=OTHER_MARK)], wait=True) == ()
    assert slurm.calls("scancel") == ["scancel 101"]
