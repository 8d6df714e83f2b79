"""evalyard.harness.carried: a job as an argument list, and what comes home through its log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from attrs import evolve

from evalyard.harness.carried import (
    PIECE,
    carried_job,
    carried_server,
    is_for_home,
    read_home,
    unpack_home,
)
from evalyard.harness.script import job_script
from evalyard.records.files import PlannedFile, SecretRef
from evalyard.records.jobs import Job
from evalyard.records.programs import Harness, Server
from evalyard.specs import EndpointSpec, ResultFile, TaskSpec
from tests.cli.yard import until

MARK = "0123456789abcdef0123456789abcdef"
LEAVE = 'echo "results: {}" > "$EVALYARD_OUTPUT_DIR/results.yml"'
AWKWARD = """it's "quoted" $(touch executed) `x` \\n ünï\n%s no newline at the end"""


def job(command: str, *files: PlannedFile) -> Job:
    return Job(
        invocation="0a1b2c3d",
        number=1,
        attempt=1,
        mark=MARK,
        task=TaskSpec(name="one"),
        harness=Harness(name="command", script=command, files=files, results=ResultFile()),
        endpoint=EndpointSpec(url="http://127.0.0.1:9/v1", model_id="m", type="chat"),
        run_dir="/nowhere/2026-run",
        folder="one",
    )


def words(given: Job, *, timeout_s: int = 0, limit_bytes: int = 1 << 20) -> tuple[str, ...]:
    script = PlannedFile(path="one/run.sh", text=job_script(given, program=given.contained.script), mode=0o755)
    files = [script, *given.contained.files]
    return carried_job(given, files, timeout_s=timeout_s, grace_s=1, limit_bytes=limit_bytes)


def variables(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    place = {"EVALYARD_PLACE": str(folder), "TMPDIR": str(folder), "EVALYARD_LAUNCH": MARK, "EVALYARD_ATTEMPT": "1"}
    return {"PATH": os.environ["PATH"], **place, **(more or {})}


def ran(argv: Sequence[str], folder: Path, more: Mapping[str, str] | None = None) -> tuple[int, list[str]]:
    done = subprocess.run(argv, env=variables(folder, more), capture_output=True, text=True, check=False, cwd=folder)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_results_come_home_through_the_log_and_nothing_of_that_is_for_its_reader(tmp_path: Path) -> None:
    given = job(f"echo hello; {LEAVE}; head -c 9000 /dev/urandom > $EVALYARD_OUTPUT_DIR/blob")
    code, lines = ran(words(given), tmp_path / _made(tmp_path, "box"))
    home = read_home(lines, MARK)
    assert code == 0
    assert home is not None
    assert home.exit is not None
    assert (home.exit.exit_code, home.exit.results, home.exit.mark, home.whole, home.late) == (
        0,
        True,
        MARK,
        True,
        False,
    )
    assert home.lines > 2
    brought = unpack_home(lines, MARK, home, tmp_path / "home")
    assert {"artifacts/results.yml", "artifacts/blob", "logs/stdout.log", "attempts/1/exit.json"} <= set(brought)
    blob = (tmp_path / "box" / "2026-run" / "one" / "artifacts" / "blob").read_bytes()
    assert (tmp_path / "home" / "artifacts" / "blob").read_bytes() == blob
    said = [line for line in lines if not is_for_home(line)]
    assert said[1] == "hello"
    assert len(said) == 3
    assert max(map(len, lines)) < 4000


def test_a_line_that_is_missing_or_changed_is_noticed(tmp_path: Path) -> None:
    _, lines = ran(words(job(f"{LEAVE}; head -c 9000 /dev/urandom > $EVALYARD_OUTPUT_DIR/b")), tmp_path)
    home = read_home(lines, MARK)
    assert home is not None
    pieces = [number for number, line in enumerate(lines) if is_for_home(line)]
    without = [line for number, line in enumerate(lines) if number != pieces[1]]
    with pytest.raises(ValueError, match="1 of"):
        unpack_home(without, MARK, home, tmp_path / "home")
    lines[pieces[1]] = lines[pieces[1]].replace("A", "B", 1)
    with pytest.raises(ValueError, match="damaged"):
        unpack_home(lines, MARK, home, tmp_path / "home")
    assert not (tmp_path / "home").exists()
    assert read_home(lines, "f" * 32) is None


def test_awkward_files_arrive_as_they_are_and_secrets_stay_behind(tmp_path: Path) -> None:
    awkward = PlannedFile(path="one/with space/ü.txt", text=AWKWARD, mode=0o640)
    secret = PlannedFile(path="one/.secrets.env", mode=0o600, secrets=(SecretRef(name="K", variable="K"),))
    code, _ = ran(words(job(LEAVE, awkward, secret)), tmp_path)
    there = tmp_path / "2026-run" / "one" / "with space" / "ü.txt"
    assert code == 0
    assert there.read_text() == AWKWARD
    assert there.stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / "2026-run" / "one" / ".secrets.env").exists()
    assert not list(tmp_path.rglob("executed"))


def test_a_large_job_is_cut_into_arguments_that_every_kernel_takes(tmp_path: Path) -> None:
    large = PlannedFile(path="one/large.txt", text="ü" * 300_000)
    argv = words(job(LEAVE, large))
    assert max(len(word.encode()) for word in argv) <= 4 * PIECE < 128 * 1024
    assert ran(argv, tmp_path)[0] == 0
    assert (tmp_path / "2026-run" / "one" / "large.txt").read_text() == large.text


@pytest.mark.parametrize(
    ("command", "code"), [("exit 3", 3), ("true", 1), (f"{LEAVE}; kill -9 $$", 137)], ids=["3", "no result", "killed"]
)
def test_only_success_with_a_result_exits_with_0(tmp_path: Path, command: str, code: int) -> None:
    found, lines = ran(words(job(command)), tmp_path)
    assert found == code
    home = read_home(lines, MARK)
    assert home is not None
    assert home.exit is not None


def test_what_is_too_large_for_the_log_leaves_the_result_file_at_least(tmp_path: Path) -> None:
    given = job(f"{LEAVE}; head -c 90000 /dev/urandom > $EVALYARD_OUTPUT_DIR/b")
    _, lines = ran(words(given, limit_bytes=5000), tmp_path)
    home = read_home(lines, MARK)
    assert home is not None
    assert not home.whole
    brought = unpack_home(lines, MARK, home, tmp_path / "home")
    assert set(brought) == {"artifacts/results.yml", "attempts/1/exit.json", "attempts/1/started.json"}


def test_a_time_limit_ends_even_a_harness_that_does_not_listen(tmp_path: Path) -> None:
    code, lines = ran(words(job("trap '' TERM; while :; do sleep 0.1; done"), timeout_s=1), tmp_path)
    home = read_home(lines, MARK)
    assert code != 0
    assert home is not None
    assert home.late


def test_sigterm_lets_the_harness_flush_and_the_record_come_home(tmp_path: Path) -> None:
    flush = """trap 'echo flushed > "$EVALYARD_OUTPUT_DIR/flushed"; exit 143' TERM; touch "$EVALYARD_OUTPUT_DIR/up" """
    argv = words(job(f"{flush}\nwhile :; do sleep 0.1; done"))
    with subprocess.Popen(argv, env=variables(tmp_path), stdout=subprocess.PIPE, text=True) as process:
        until((tmp_path / "2026-run" / "one" / "artifacts" / "up").exists, "the harness runs", process=process)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    home = read_home(out.splitlines(), MARK)
    assert home is not None
    assert home.exit is not None
    assert home.exit.signal == "TERM"
    assert (tmp_path / "2026-run" / "one" / "artifacts" / "flushed").exists()


def test_storage_keeps_the_run_directory(tmp_path: Path) -> None:
    storage = tmp_path / "storage" / "evalyard"
    code, _ = ran(words(job(LEAVE)), tmp_path, {"EVALYARD_STORAGE": str(storage)})
    assert code == 0
    record = json.loads((storage / "2026-run" / "one" / "exit.json").read_text())
    assert record["mark"] == MARK


def test_a_server_serves_with_its_files_and_variables(tmp_path: Path) -> None:
    server = Server(
        recipe="generic",
        model_id="m",
        script='cat "$EVALYARD_JOB_DIR/model/said.txt"; echo "port $PORT $REGION"; touch "$EVALYARD_OUTPUT_DIR/x"',
        files=(PlannedFile(path="deployment/model/said.txt", text="it's here\n"),),
        runtime={"REGION": "ZONE"},
    )
    more = {"PORT": "80", "ZONE": "eu 1"}
    assert ran(carried_server(server, "0a1b2c3d"), tmp_path, more) == (0, ["it's here", "port 80 eu 1"])
    assert (tmp_path / "deployment" / "artifacts" / "x").exists()
    done = subprocess.run(
        carried_server(evolve(server, runtime={"A": "NOT_SET"}), "0a1b2c3d"),
        env=variables(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "NOT_SET" in done.stderr


def _made(folder: Path, name: str) -> str:
    (folder / name).mkdir()
    return name


@pytest.mark.docker
def test_in_a_container_of_busybox_alone_fixed_names_lead_to_the_job(busybox_image: str, tmp_path: Path) -> None:
    command = (
        "echo 'results: {}' > /results/results.yml; cat /evalyard/job/said.txt; echo x > /evalyard/output/cache-test; "
        "readlink /evalyard/harness"
    )
    argv = words(job(command, PlannedFile(path="one/said.txt", text="it's said\n")))
    settings = ["--env", f"EVALYARD_LAUNCH={MARK}", "--env", "EVALYARD_ATTEMPT=1", "--network", "none"]
    done = subprocess.run(
        ["docker", "run", "--rm", *settings, "--entrypoint", argv[0], busybox_image, *argv[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    home = read_home(lines, MARK)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"it's said", "/evalyard/2026-run/harness"} <= set(lines)
    assert home is not None
    assert "artifacts/results.yml" in unpack_home(lines, MARK, home, tmp_path)
