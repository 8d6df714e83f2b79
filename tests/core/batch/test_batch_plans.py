"""evalyard.batch.plans: what is written and submitted, and the script that the scheduler runs."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from evalyard import ConfigError, Job, NeedKind, Plan, Server
from evalyard.batch.plans import batch_script, plan_batch
from tests.core.batch.jobs import MARK, ToySettings, make_job
from tests.core.batch.toy import TOY

HARNESS = """\
trap 'echo stopped >>said; exit 143' TERM
echo "$EVALYARD_LAUNCH $EVALYARD_ATTEMPT $EVALYARD_GRACE_S" >>said
i=0; while [ ! -e go ] && [ "$i" -lt 600 ]; do sleep 0.1; i=$((i + 1)); done
exit 7
"""


def planned(job: Job | None = None, **settings: Any) -> Plan:
    return plan_batch(ToySettings(output_dir="/shared/out", **settings), TOY, job or make_job(), ["-q short"])


def text_of(plan: Plan, path: str) -> str:
    (file,) = [file for need in plan.needs for file in need.files if file.path == path]
    return file.text


def test_a_plan_submits_its_own_script_under_its_own_name() -> None:
    plan = planned()
    assert plan.argv == ("tsub", "--name", "ey-a1b2c3d4-1-1", "job.sh", "1")
    assert [need.kind for need in plan.needs] == [NeedKind.FILES]
    assert text_of(plan, "smoke/run.sh").startswith("#!/bin/sh\n")
    assert text_of(plan, "smoke/job.sh").splitlines()[:2] == ["#!/bin/sh", "#TOY -q short"]
    assert plan.notes == ("'evaluate' has to be on PATH where the job runs",)


def test_credentials_are_in_the_secrets_file_by_name_beside_the_jobs_own() -> None:
    (need,) = planned(credentials=("HF_TOKEN", "KEY")).needs
    (secrets,) = [file for file in need.files if file.secrets]
    assert (secrets.path, secrets.mode) == ("smoke/.secrets.env", 0o600)
    assert [(ref.name, ref.variable) for ref in secrets.secrets] == [("KEY", "MY_KEY"), ("HF_TOKEN", "HF_TOKEN")]


def test_proxies_are_variables_of_the_job() -> None:
    text = text_of(planned(https_proxy="http://proxy.example:3128"), "smoke/job.sh")
    assert "export https_proxy='http://proxy.example:3128'\n" in text


def test_secrets_of_whoever_submits_are_not_inherited(folder: Path) -> None:
    (folder / "run.sh").write_text('echo "${MY_KEY:-nothing} ${HF_TOKEN:-nothing} $OTHER" >said\n')
    job = make_job(run_dir=str(folder.parent), secret_variables=("MY_KEY",))
    settings = ToySettings(output_dir="/o", credentials=("HF_TOKEN",))
    (folder / "job.sh").write_text(batch_script(settings, TOY, job, ()))
    environment = {"PATH": os.environ["PATH"], "MY_KEY": "canary", "HF_TOKEN": "canary", "OTHER": "x"}
    assert subprocess.run(["sh", "job.sh", "1"], cwd=folder, env=environment, check=False).returncode == 0
    assert said(folder) == ["nothing nothing x"]


def test_a_model_server_is_refused() -> None:
    with pytest.raises(ConfigError, match="Toy jobs start no model server"):
        planned(make_job(server=Server(recipe="vllm", model_id="m", script="serve")))


def test_a_relative_output_folder_is_refused() -> None:
    with pytest.raises(ConfigError, match="'runs' is not an absolute path"):
        plan_batch(ToySettings(output_dir="runs"), TOY, make_job(), ())


def test_a_user_without_a_host_is_told_to_mean_nothing() -> None:
    assert "username means nothing without hostname" in planned(username="me").notes
    assert "username means nothing without hostname" not in planned(username="me", hostname="login").notes


# --- the script -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A task's folder with a harness in place of `run.sh`, as it is right before the scheduler begins the job."""
    made = tmp_path / "run it's" / "smoke"
    (made / "attempts" / "1").mkdir(parents=True)
    (made / "attempts" / "1" / "submitting").write_text(f"{MARK}\tey-a1b2c3d4-1-1\tme\n")
    (made / "run.sh").write_text(HARNESS)
    return made


def begun(
    folder: Path,
    *arguments: str,
    walltime: str = "01:00:00",
    signals: tuple[str, ...] = ("TERM", "USR2"),
    programs: Path | None = None,
) -> subprocess.Popen[bytes]:
    job = make_job(run_dir=str(folder.parent))
    settings = ToySettings(output_dir=str(folder.parent.parent), walltime=walltime)
    (folder / "job.sh").write_text(batch_script(settings, evolve(TOY, signals=signals), job, ()))
    path = f"{programs}{os.pathsep}{os.environ['PATH']}" if programs else os.environ["PATH"]
    environment = {"PATH": path, "TOY_ID": "17"}
    return subprocess.Popen(["sh", "job.sh", *arguments], cwd=folder, env=environment, start_new_session=True)


def said(folder: Path) -> list[str]:
    try:
        return (folder / "said").read_text().splitlines()
    except FileNotFoundError:
        return []


def await_words(folder: Path, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 30
    while not said(folder):
        assert process.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_job_that_begins_leaves_its_number_and_ends_with_the_harnesss_code(folder: Path) -> None:
    (folder / "go").touch()
    assert begun(folder, "1").wait(30) == 7
    assert (folder / "attempts" / "1" / "job").read_text() == "17\n"
    assert said(folder) == [f"{MARK} 1 20"]


def test_run_by_hand_it_is_no_attempt_of_evalyards(folder: Path) -> None:
    (folder / "go").touch()
    assert begun(folder).wait(30) == 7
    assert said(folder) == ["  20"]
    assert not (folder / "attempts" / "1" / "job").exists()


def test_a_job_that_is_begun_a_second_time_does_nothing_and_says_why(folder: Path) -> None:
    (folder / "attempts" / "1" / "job").write_text("17\n")
    assert begun(folder, "1").wait(30) == 75
    assert said(folder) == []
    assert (folder / "attempts" / "1" / "why").read_text().startswith("FAILED\tToy began it a second time")


def test_another_job_of_the_same_attempt_does_nothing_and_leaves_the_record_to_the_first(folder: Path) -> None:
    record = folder / "attempts" / "1"
    (record / "job").write_text("16\n")
    assert begun(folder, "1").wait(30) == 75
    assert said(folder) == []
    assert [path.name for path in record.iterdir() if path.name in ("why", "job")] == ["job"]
    assert (record / "job").read_text() == "16\n"


def test_a_job_that_is_told_that_it_will_be_suspended_goes_on(folder: Path) -> None:
    process = begun(folder, "1")
    await_words(folder, process)
    os.killpg(process.pid, signal.SIGUSR1)
    (folder / "go").touch()
    assert process.wait(30) == 7
    assert said(folder) == [f"{MARK} 1 20"]


@pytest.mark.parametrize("to_all", [False, True], ids=["script", "all processes"])
def test_a_signal_of_the_schedulers_is_passed_on_as_term(folder: Path, to_all: bool) -> None:
    process = begun(folder, "1")
    await_words(folder, process)
    if to_all:
        os.killpg(process.pid, signal.SIGUSR2)
    else:
        process.send_signal(signal.SIGUSR2)
    assert process.wait(30) == 143
    assert said(folder)[1:] == ["stopped"]


def test_a_job_that_is_stopped_before_it_listens_begins_nothing_and_leaves_word(folder: Path, tmp_path: Path) -> None:
    # A command that the script runs first, and that tells it to end.
    early = tmp_path / "early"
    early.mkdir()
    (early / "ln").write_text('#!/bin/sh\nkill -s USR2 "$PPID"\nexec /bin/ln "$@"\n')
    (early / "ln").chmod(0o755)
    assert begun(folder, "1", programs=early).wait(30) == 143
    assert said(folder) == []
    assert (folder / "attempts" / "1" / "stop").exists()


def test_shortly_before_its_walltime_the_harness_is_told_and_the_reason_is_left(folder: Path) -> None:
    process = begun(folder, "1", walltime="00:02")
    assert process.wait(30) == 143
    assert said(folder)[1:] == ["stopped"]
    assert (folder / "attempts" / "1" / "why").read_text() == "TIMED_OUT\tit met its walltime of 2 s\n"


@pytest.mark.parametrize("killed", [False, True], ids=["by itself", "killed"])
def test_what_watches_the_time_ends_with_the_job(folder: Path, killed: bool) -> None:
    process = begun(folder, "1")
    await_words(folder, process)
    if killed:
        process.kill()
    (folder / "go").touch()
    assert process.wait(30) == (-signal.SIGKILL if killed else 7)
    give_up = time.monotonic() + 30
    while True:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < give_up, "something of the job lives on"
        time.sleep(0.05)
