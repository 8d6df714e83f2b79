"""Secrets reach the harness and the model server on the node, and nobody else."""

import secrets
import stat

import psutil
import pytest

from tests.slurm.slurmyard import SlurmYard

pytestmark = pytest.mark.slurm

SHOW = 'printf %s "$CANARY" > "$EVALYARD_OUTPUT_DIR/seen"'


def test_a_secret_is_in_its_file_and_in_the_harness_alone(yard: SlurmYard) -> None:
    canary = f"canary-{secrets.token_hex(16)}"
    config = yard.config(yard.gated("one", SHOW), env_vars={"CANARY": "host:MY_CANARY"})
    invocation = yard.run(config, env={"MY_CANARY": canary})
    yard.await_notes("start one")
    job = yard.job(invocation)
    cluster = yard.cluster
    shown = cluster.ask("scontrol", "show", "job", "--details", job)
    shown += cluster.ask("scontrol", "write", "batch_script", job, "-")
    shown += "".join(" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
    assert f"JobId={job}" in shown
    assert canary not in shown
    yard.open_gates("one")
    assert yard.ends(invocation) == {"one": ("SUCCEEDED", "")}
    assert (yard.run_dir(invocation) / "one" / "artifacts" / "seen").read_text() == canary
    places = [cluster.folder / name for name in ("logs", "spool", "state", "home")]
    found = [path for path, text in yard.texts(yard.folder, yard.home, *places) if canary in text]
    kept = {path for path in found if path.name != "seen"}
    assert {path.name for path in kept} <= {".secrets.env"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} <= {0o600}


def test_nothing_of_the_caller_reaches_the_job(near_yard: SlurmYard) -> None:
    config = near_yard.config(near_yard.task("one", 'env > "$EVALYARD_OUTPUT_DIR/seen"'))
    invocation = near_yard.run(config, env={"MY_CANARY": "canary", "BASH_ENV": "/nowhere", "SLURM_CPUS_PER_TASK": "7"})
    assert near_yard.ends(invocation) == {"one": ("SUCCEEDED", "")}
    seen = (near_yard.run_dir(invocation) / "one" / "artifacts" / "seen").read_text()
    names = {line.partition("=")[0] for line in seen.splitlines()}
    assert {"SLURM_JOB_ID", "PATH"} <= names
    assert not {"MY_CANARY", "BASH_ENV", "EVALYARD_HOME", "SLURM_CPUS_PER_TASK"} & names
