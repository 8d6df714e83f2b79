"""`evalyard export`, and results that go to their destinations by themselves."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from typing import Any

import pytest

from tests.cli.test_cli_extensions import install
from tests.cli.yard import DEADLINE_S, Yard, kill, until

SCORE = """
printf 'results: {tasks: {t: {metrics: {acc: {scores: {acc: {value: 0.5}}}}}}}' > "$EVALYARD_OUTPUT_DIR/results.yml"
"""

FLAKY = """
    import time
    from pathlib import Path
    from attrs import frozen
    from evalyard import BackendError, Exported, ExportSettings, Transient

    @frozen(kw_only=True)
    class Settings(ExportSettings):
        file: str
        failures: int = 0
        refuse: bool = False
        wait_for: str = ""

    class Flaky:
        api = 1
        Settings = Settings
        variables = ("FLAKY_TOKEN",)

        def export(self, ctx, settings, results):
            path = Path(settings.file)
            with path.open("a") as stream:
                for result in results:
                    token = ctx.environ.get("FLAKY_TOKEN", "none")
                    given = ctx.environ.get("GIVEN", "none")
                    print(result.card.job, len(result.scores), token, given, file=stream)
            print("an SDK that talks")
            while settings.wait_for and not Path(settings.wait_for).exists():
                time.sleep(0.02)
            if settings.refuse and not path.with_name("mended").exists():
                raise BackendError("the door is shut", hint="knock")
            if len(path.read_text().splitlines()) <= settings.failures:
                raise Transient("no answer from flaky")
            return [Exported(job=result.card.job, where=f"flaky:{result.card.job}") for result in results]
"""


@pytest.fixture(autouse=True)
def site(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(yard.folder / "site"))


def scored(name: str, *lines: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "harness": {"command": "\n".join([*lines, SCORE])}, **fields}


def configured(yard: Yard, *tasks: dict[str, Any], **destinations: Any) -> str:
    """Write a configuration whose results go to these destinations, with these settings."""
    execution = {"auto_export": {"destinations": list(destinations)}}
    return yard.config(*tasks, execution=execution, export=destinations)


def flaky(yard: Yard, **settings: Any) -> dict[str, Any]:
    install(yard, "flaky", FLAKY, group="evalyard.exporters")
    return {"file": str(yard.folder / "flaky-calls"), **settings}


def calls(yard: Yard) -> list[str]:
    path = yard.folder / "flaky-calls"
    return path.read_text().splitlines() if path.exists() else []


def exports(yard: Yard, invocation: str) -> list[dict[str, Any]]:
    return [export for row in yard.jobs(invocation) for export in row["exports"]]


def await_exports(yard: Yard, invocation: str, *states: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def reached() -> bool:
        found[:] = exports(yard, invocation)
        return [export["state"] for export in found] == list(states)

    until(reached, lambda: f"exports {states}: {found}", pause_s=0.2)
    return found


# --- by themselves --------------------------------------------------------------------------------------------------


def test_results_are_in_a_file_as_soon_as_there_are_any(yard: Yard) -> None:
    run = yard.run(configured(yard, scored("one"), scored("two"), local={"format": "csv", "output_dir": "out"}))
    found = await_exports(yard, run, "exported", "exported")
    file = yard.folder / "out" / "results.csv"
    assert {export["where"] for export in found} == {str(file)}
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [(row["job"], row["value"]) for row in rows] == [(f"{run}.1", "0.5"), (f"{run}.2", "0.5")]
    yard.await_quiet()


def test_waiting_for_a_run_is_waiting_for_its_exports_and_shows_them(yard: Yard) -> None:
    done = yard.call("run", "-c", configured(yard, scored("one"), local={}), "--wait")
    run = done.out.strip()
    file = yard.run_dir(run) / "results.json"
    assert f"{run}: exported to local: {file}" in done.err
    (job,) = json.loads(file.read_text())["jobs"]
    assert (job["job"], job["scores"][0]["value"]) == (f"{run}.1", 0.5)


def test_the_results_of_a_job_are_exported_while_others_run_and_those_of_a_failed_one_never(yard: Yard) -> None:
    failing = {"name": "bad", "harness": {"command": "exit 3"}}
    run = yard.run(configured(yard, scored("one"), failing, yard.gated("late"), local={}))
    file = yard.run_dir(run) / "results.json"
    until(file.exists, "the first results")
    assert [job["job"] for job in json.loads(file.read_text())["jobs"]] == [f"{run}.1"]
    assert [[e["state"] for e in row["exports"]] for row in yard.jobs(run)] == [["exported"], [], ["waiting"]]
    yard.open_gates("late")
    await_exports(yard, run, "exported", "exported")


def test_a_failing_export_is_tried_again_and_does_not_fail_the_run(yard: Yard) -> None:
    run = yard.run(configured(yard, scored("one"), flaky=flaky(yard, failures=2)))
    (export,) = await_exports(yard, run, "exported")
    assert export["where"] == f"flaky:{run}.1"
    assert calls(yard) == [f"{run}.1 1 none none"] * 3
    assert yard.states(run) == ["SUCCEEDED"]
    yard.await_quiet()


def test_a_refused_export_is_given_up_shown_and_made_by_hand_once_mended(yard: Yard) -> None:
    done = yard.call("run", "-c", configured(yard, scored("one"), flaky=flaky(yard, refuse=True)), "--wait")
    run = done.out.strip()
    shown = f"not exported to flaky: the door is shut; knock (tried 1 time; again: evalyard export {run} --dest flaky)"
    assert shown in done.err
    assert shown in yard.call("status", run).err
    (export,) = exports(yard, run)
    assert (export["state"], export["reason"], export["tries"]) == ("failed", "the door is shut; knock", 1)
    assert len(calls(yard)) == 1, "status does not try what was given up"
    assert "the door is shut" in yard.call("export", run, code=3).err
    (yard.folder / "mended").touch()
    yard.call("export", run)
    assert [export["state"] for export in exports(yard, run)] == ["exported"]


def test_an_export_that_takes_long_holds_up_no_job(yard: Yard) -> None:
    go = yard.folder / "go"
    settings = flaky(yard, wait_for=str(go))
    execution = {"mode": "sequential", "auto_export": {"destinations": ["flaky"]}}
    tasks = [scored("one"), yard.gated("two")]
    run = yard.run(yard.config(*tasks, execution=execution, export={"flaky": settings}))
    until(lambda: calls(yard), "the export of the first job")
    yard.await_notes("start two")
    assert [export["state"] for export in exports(yard, run)] == ["waiting", "waiting"]
    yard.call("kill", f"{run}.2", code=None)
    go.touch()
    await_exports(yard, run, "exported")


def test_an_interrupt_ends_an_export_that_goes_on(yard: Yard) -> None:
    settings = flaky(yard, wait_for=str(yard.folder / "never"))
    process = yard.start("evalyard", "run", "-c", configured(yard, scored("one"), flaky=settings), "--wait")
    until(lambda: calls(yard), "the export", process=process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130, err
    yard.await_quiet()


def test_after_the_keepers_death_the_next_command_exports(yard: Yard) -> None:
    run = yard.run(configured(yard, yard.gated("one"), flaky=flaky(yard, failures=1)))
    yard.await_notes("start one")
    keeper = yard.keeper(run)
    kill(keeper.pid)
    until(lambda: not [p for p in yard.processes() if p.pid == keeper.pid], "the keeper's end")
    yard.open_gates("one")
    yard.await_states(run, "SUCCEEDED")
    await_exports(yard, run, "exported")
    assert len(calls(yard)) == 2


def test_resume_exports_what_a_dead_keeper_left(yard: Yard) -> None:
    run = yard.run(configured(yard, yard.gated("one"), local={}))
    yard.await_notes("start one")
    kill(yard.keeper(run).pid)
    yard.open_gates("one")
    until((yard.run_dir(run) / "one" / "attempts" / "1" / "exit.json").exists, "the job's end")
    yard.call("resume", run, "--wait")
    assert (yard.run_dir(run) / "results.json").exists()


def test_variables_reach_the_exporter_in_the_keeper_and_stay_out_of_every_other_file(yard: Yard) -> None:
    (yard.folder / ".env").write_text("FLAKY_TOKEN=s3cret-of-the-sdk\nMINE=s3cret-of-mine\n")
    settings = {"env_vars": {"GIVEN": "host:MINE"}, "flaky": flaky(yard)}
    execution = {"auto_export": {"destinations": ["flaky"]}}
    run = yard.run(yard.config(scored("one"), execution=execution, export=settings))
    await_exports(yard, run, "exported")
    assert calls(yard) == [f"{run}.1 1 s3cret-of-the-sdk s3cret-of-mine"]
    holders = [path for path, text in yard.texts(yard.home, yard.folder / "runs") if "s3cret" in text]
    assert holders == [yard.home / "runs" / run / "exports" / ".secrets.env"]
    assert holders[0].stat().st_mode & 0o777 == 0o600
    (yard.folder / ".env").unlink()
    yard.call("export", run)
    assert calls(yard)[1] == calls(yard)[0], "the run's own file serves later commands"


# --- what is wrong is found before the run --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("destinations", "export", "expected"),
    [
        (["local"], {"local": {"formt": "csv"}}, "export.local.formt: unknown key; did you mean 'format'?"),
        (["local"], {"local": {"format": "xml"}}, "export.local.format: 'xml' is none of json, csv"),
        (["mlflow"], {}, "exporter 'mlflow' is not installed; pip install evalyard-mlflow"),
        (["locale"], {}, "exporter 'locale' is not installed; did you mean 'local'?"),
        (
            [],
            {"local": {}},
            (
                "export.local: nothing exports there: add local to execution.auto_export.destinations, "
                "or remove it (-o ~export.local)"
            ),
        ),
    ],
)
def test_what_is_wrong_with_exports_stops_a_run(
    yard: Yard, destinations: list[str], export: dict[str, Any], expected: str
) -> None:
    config = yard.config(scored("one"), execution={"auto_export": {"destinations": destinations}}, export=export)
    done = yard.call("run", config, code=2)
    assert expected in done.err
    assert done.err.startswith("error: run.yaml:")
    assert not (yard.folder / "runs").exists()


@pytest.mark.parametrize("command", [["validate"], ["run", "--dry-run"]], ids=" ".join)
def test_it_is_found_without_running_too(yard: Yard, command: list[str]) -> None:
    config = configured(yard, scored("one"), local={"formt": "csv"})
    assert "export.local.formt: unknown key" in yard.call(*command, config, code=2).err


def test_a_variable_that_is_not_set_stops_a_run(yard: Yard) -> None:
    execution = {"auto_export": {"destinations": ["local"]}}
    config = yard.config(scored("one"), execution=execution, export={"env_vars": {"A": "host:NOWHERE"}, "local": {}})
    done = yard.call("run", config, code=2)
    assert "variable NOWHERE" in done.err
    assert "run.yaml:" in done.err


# --- by hand --------------------------------------------------------------------------------------------------------


def test_results_of_several_runs_gather_in_one_file(yard: Yard) -> None:
    config = yard.config(scored("one"))
    runs = [yard.call("run", "-c", config, "--wait").out.strip() for _ in range(2)]
    chosen = ["--dest", "local", "-o", "output_dir=all", "-o", "export.local.output_filename=mine.json"]
    yard.call("export", runs[0], *chosen)
    rows = json.loads(yard.call("export", *runs, *chosen, "--json").out)
    file = yard.folder / "all" / "mine.json"
    assert [(row["job"], row["destination"], row["where"]) for row in rows] == [
        (f"{run}.1", "local", str(file)) for run in runs
    ]
    assert [job["job"] for job in json.loads(file.read_text())["jobs"]] == [f"{run}.1" for run in runs]


def test_jobs_without_results_are_named(yard: Yard) -> None:
    config = yard.config(scored("one"), {"name": "bad", "harness": {"command": "exit 3"}})
    run = yard.call("run", "-c", config, "--wait", code=1).out.strip()
    done = yard.call("export", run, "-d", "local", code=1)
    assert f"{run}.1" in done.out
    assert f"{run}.2: not exported: FAILED: exit code 3" in done.err


def test_a_folder_is_exported_without_records(yard: Yard) -> None:
    config = yard.config(scored("one"))
    run = yard.call("run", "-c", config, "--wait").out.strip()
    moved = yard.run_dir(run).rename(yard.folder / "moved")
    shutil.rmtree(yard.home)
    yard.call("export", "--job-dirs", "moved", "-d", "local")
    (job,) = json.loads((moved / "results.json").read_text())["jobs"]
    assert (job["job"], job["scores"][0]["value"]) == (f"{run}.1", 0.5)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "does not say where its results go"),
        (["-d", "wandb"], "exporter 'wandb' is not installed\n  pip install evalyard-wandb"),
        (["-d", "local", "-o", "fromat=csv"], "export.local.fromat: unknown key; did you mean 'format'?"),
        (["-d", "local", "-o", "export.mlflow.tags={}"], "nothing is exported to mlflow"),
        (["--job-dirs", "nowhere"], "a folder does not say where its results go"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_message(yard: Yard, arguments: list[str], expected: str) -> None:
    yard.call("run", "-c", yard.config(scored("one")), "--wait")
    done = yard.call("export", *arguments, code=2)
    assert expected in done.err
    assert done.err.count("error:") == 1
    assert done.out == ""


def test_a_folder_without_jobs_is_named(yard: Yard) -> None:
    assert "nowhere: no job has been here" in yard.call("export", "--job-dirs", "nowhere", "-d", "local", code=None).err


def test_a_damaged_file_stays_as_it_is(yard: Yard) -> None:
    yard.call("run", "-c", yard.config(scored("one")), "--wait")
    (yard.folder / "results.json").write_text('{"jobs": [')
    done = yard.call("export", "-d", "local", "-o", "output_dir=.", code=2)
    assert "results.json is not a JSON object" in done.err
    assert (yard.folder / "results.json").read_text() == '{"jobs": ['


def test_one_destination_that_fails_leaves_the_others_alone(yard: Yard) -> None:
    settings = flaky(yard, failures=9)
    yard.call("run", "-c", yard.config(scored("one")), "--wait")
    done = yard.call(
        "export",
        "-d",
        "flaky",
        "-d",
        "local",
        "-o",
        f"export.flaky.file={settings['file']}",
        "-o",
        "export.flaky.failures=9",
        code=3,
    )
    assert "no answer from flaky" in done.err
    assert "local" in done.out


BREAKAGES = {
    "raises": ("raise RuntimeError('boom')", "the export failed inside the plugin: RuntimeError: boom"),
    "dies": ("import os; os._exit(7)", "the exporter ended with code 7 and no answer: last words"),
    "forgets": ("return []", "the exporter's answer is not about"),
}


@pytest.mark.parametrize(("body", "expected"), BREAKAGES.values(), ids=BREAKAGES)
def test_a_broken_exporter_is_named(yard: Yard, body: str, expected: str) -> None:
    source = f"""
    import sys
    from evalyard import ExportSettings

    class Broken:
        api = 1
        Settings = ExportSettings

        def export(self, ctx, settings, results):
            print("last words", file=sys.stderr, flush=True)
            {body}
    """
    install(yard, "broken", source, group="evalyard.exporters")
    yard.call("run", "-c", yard.config(scored("one")), "--wait")
    done = yard.call("export", "-d", "broken", code=2)
    assert f"broken: {expected}" in done.err
