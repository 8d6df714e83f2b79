"""Secrets: the harness gets them exactly, and nothing else ever shows them."""

import json
import secrets
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cli.yard import Yard, command, kill

DUMP = 'python3 -c \'import json, os; json.dump(dict(os.environ), open("seen.json", "w"))\''


def canary() -> str:
    return f"canary-{secrets.token_hex(16)}"


def nasty(folder: Path) -> dict[str, str]:
    """Return values that break careless quoting; each holds a canary of its own."""
    return {
        "QUOTES": f"""{canary()} "double" 'single' `touch {folder}/X`""",
        "COMMAND": f"{canary()} $(touch {folder}/X) ${{HOME}} $HOME \\$(touch {folder}/X)",
        "BACKSLASH": f"{canary()} \\ \\\\ \\n \\' end\\",
        "LINES": f"{canary()}\nsecond {canary()}\n\nEVIL=1\n",
        "UNICODE": f"{canary()} grün 日本語 🔑",
        "BLANKS": f"  {canary()} \t # no comment = ; & | < > * ? [a] {{b}} ~ ! ",
    }


def leaks(yard: Yard, values: list[str], *, allowed: str = ".secrets.env") -> list[str]:
    """Return the files below the yard that hold one of these values and must not."""
    return [
        str(path)
        for path, text in yard.texts(yard.folder / "runs", yard.home)
        for value in values
        if value in text and path.name not in (allowed, "seen.json")
    ]


def test_values_of_every_level_and_source_arrive_exactly_and_appear_nowhere_else(yard: Yard) -> None:
    values = nasty(yard.folder)
    top, middle, inner = canary(), canary(), canary()
    environment = {
        **{f"MY_{name}": value for name, value in values.items()},
        "TOP": top,
        "MIDDLE": middle,
        "INNER": inner,
        "LATER": "known where it runs",
    }
    yard.config(
        yard.gated("one", DUMP, env_vars={"SHARED": "$host:INNER", "BARE": "INNER"}),
        yard.gated("two", DUMP),
        env_vars={name: f"host:MY_{name}" for name in values} | {"SHARED": "host:TOP", "ONLY_TOP": "host:TOP"},
        evaluation={
            "env_vars": {"SHARED": "host:MIDDLE", "PLAIN": "lit:$(touch X) as it is", "GIVEN": "runtime:LATER"}
        },
        execution={"max_parallel": 2},
    )
    everything = [canary for value in [*values.values(), top, middle, inner] for canary in _canaries(value)]
    dry = yard.call("run", "-c", "run.yaml", "--dry-run", env=environment)
    dry_json = yard.call("run", "-c", "run.yaml", "--dry-run", "--json", env=environment)
    started = yard.call("run", "-c", "run.yaml", "--json", env=environment)
    invocation = json.loads(started.out)["invocation"]
    yard.await_notes("start one", "start two")
    arguments = [" ".join(command(process)) for process in yard.processes()]
    running = yard.call("status", invocation)
    yard.open_gates("one", "two")
    yard.await_states(invocation, "SUCCEEDED", "SUCCEEDED")
    one, two = (json.loads((yard.run_dir(invocation) / name / "seen.json").read_text()) for name in ("one", "two"))
    for seen in (one, two):
        assert {name: seen[name] for name in values} == values
        assert (seen["ONLY_TOP"], seen["PLAIN"], seen["GIVEN"]) == (top, "$(touch X) as it is", "known where it runs")
        assert "EVIL" not in seen
    assert (one["SHARED"], one["BARE"], two["SHARED"]) == (inner, inner, middle)
    assert not list(yard.folder.rglob("X")), "a value was executed"
    files = list(yard.run_dir(invocation).glob("*/.secrets.env"))
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    said = [yard.call(name, invocation).text for name in ("status", "logs", "info", "results")]
    for text in [dry.text, dry_json.text, started.text, running.text, *said, *arguments]:
        assert not [value for value in everything if value in text], text
    assert leaks(yard, everything) == []


def _canaries(value: str) -> list[str]:
    return [word for word in value.replace("\n", " ").split() if word.startswith("canary-")]


def test_a_harness_that_prints_its_key_does_not_get_it_into_what_we_print_or_record(yard: Yard) -> None:
    key = canary()
    yard.config(yard.task("one", 'echo "the key is $KEY"; exit 7'), env_vars={"KEY": "host:KEY"})
    done = yard.call("run", "-c", "run.yaml", "--wait", code=1, env={"KEY": key})
    invocation = done.out.strip()
    said = [yard.call(name, invocation, code=None).text for name in ("status", "logs", "info", "results", "resume")]
    said += [yard.call("status", invocation, "--json", code=None).text, yard.call("logs", "-f", invocation).text]
    assert "the key is ***" in done.text
    assert not [text for text in [done.text, *said] if key in text]
    assert leaks(yard, [key], allowed="stdout.log") == [
        str(path) for path in yard.run_dir(invocation).rglob(".secrets.env")
    ]


def test_values_from_an_env_file_are_used_and_the_environment_wins(yard: Yard) -> None:
    ours, theirs = canary(), canary()
    (yard.folder / "keys").write_text(f'FIRST="{ours}"\nSECOND={ours}\n')
    yard.config(yard.task("one", DUMP), env_vars={"FIRST": "host:FIRST", "SECOND": "host:SECOND"})
    done = yard.call("run", "-c", "run.yaml", "--wait", "--env-file", "keys", env={"SECOND": theirs})
    seen = json.loads((yard.run_dir(done.out.strip()) / "one" / "seen.json").read_text())
    assert (seen["FIRST"], seen["SECOND"]) == (ours, theirs)
    assert "from the env file: FIRST" in done.err
    assert ours not in done.text
    assert "no such file" in yard.call("run", "-c", "run.yaml", "--env-file", "absent", code=2).err.lower()


def test_a_queued_job_and_a_resume_get_secrets_that_the_environment_no_longer_has(yard: Yard) -> None:
    key = canary()
    yard.config(
        yard.gated("one", env_vars={"KEY": "host:KEY"}),
        yard.task("two", DUMP, "[ -e again ] || { touch again; exit 1; }", env_vars={"KEY": "host:KEY"}),
        execution={"mode": "sequential"},
    )
    invocation = yard.run("run.yaml", env={"KEY": key})
    yard.open_gates("one")
    yard.await_states(invocation, "SUCCEEDED", "FAILED")
    seen = yard.run_dir(invocation) / "two" / "seen.json"
    assert json.loads(seen.read_text())["KEY"] == key
    seen.unlink()
    yard.call("resume", invocation, "--wait")
    assert json.loads(seen.read_text())["KEY"] == key
    assert leaks(yard, [key]) == []


@pytest.mark.parametrize("where", ["top", "evaluation", "task"])
def test_an_unset_variable_is_named_with_its_place_and_nothing_starts(yard: Yard, where: str) -> None:
    (yard.folder / "run.yaml").write_text(
        "execution: {type: local, use_docker: false, output_dir: runs}\n"
        "target: {api_endpoint: {url: 'http://127.0.0.1:9/v1/chat/completions', model_id: m}}\n"
        + ("env_vars: {KEY: host:NOT_SET_HERE}\n" if where == "top" else "env_vars: {}\n")
        + "evaluation:\n"
        + ("  env_vars: {KEY: host:NOT_SET_HERE}\n" if where == "evaluation" else "  env_vars: {}\n")
        + "  tasks:\n    - name: one\n      harness: {command: 'true'}\n"
        + ("      env_vars: {KEY: host:NOT_SET_HERE}\n" if where == "task" else "")
    )
    line = {"top": 3, "evaluation": 5, "task": 9}[where]
    done = yard.call("run", "-c", "run.yaml", code=2)
    assert "NOT_SET_HERE" in done.err
    assert f"run.yaml:{line}" in done.err
    assert done.out == ""
    assert not (yard.folder / "runs").exists()
    yard.call("run", "-c", "run.yaml", "--dry-run")


def test_a_runtime_variable_that_is_absent_where_the_job_runs_is_the_reason(yard: Yard) -> None:
    yard.config(yard.task("one"), env_vars={"KEY": "runtime:NOT_SET_THERE"})
    done = yard.call("run", "-c", "run.yaml", "--wait", code=1)
    assert "NOT_SET_THERE" in yard.jobs(done.out.strip())[0]["reason"]


def test_errors_of_the_configuration_never_quote_a_value(yard: Yard) -> None:
    key = canary()
    for name, env_vars in {"interpolated": "${oc.env:KEY}", "literal": f"lit: {key}", "odd": f"{key} 'x"}.items():
        yard.config(yard.task("one"), env_vars={"TOKEN": env_vars, "OTHER": ["x"]}, name=f"{name}.yaml")
        done = yard.call("run", "-c", f"{name}.yaml", code=2, env={"KEY": key})
        assert key not in done.text, name
        assert f"{name}.yaml:" in done.err


def test_the_api_key_of_an_endpoint_reaches_the_harness_by_name_alone(yard: Yard) -> None:
    key = canary()
    server = yard.start(
        "python",
        "-m",
        "evalyard.serving.demo",
        "--api-key-name",
        "DEMO_KEY",
        env={"DEMO_KEY": key},
        stderr=subprocess.STDOUT,
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        limit = {"nemo_evaluator_config": {"config": {"params": {"limit_samples": 3}}}}
        endpoint = {"url": f"{url}/v1/chat/completions", "api_key_name": "MY_KEY"}
        yard.config({"name": "smoke", **limit}, target={"api_endpoint": endpoint})
        assert "MY_KEY" in yard.call("run", "-c", "run.yaml", code=None).err
        done = yard.call("run", "-c", "run.yaml", "--wait", env={"MY_KEY": key})
        assert yard.states(done.out.strip()) == ["SUCCEEDED"]
        wrong = canary()
        refused = yard.call("run", "-c", "run.yaml", code=None, env={"MY_KEY": wrong})
        assert refused.code in (2, 3)
        assert wrong not in refused.text
        assert leaks(yard, [key, wrong]) == []
    finally:
        kill(server.pid)
        server.communicate()


def test_a_servers_secrets_are_in_its_own_file_and_not_in_the_harnesses(yard: Yard) -> None:
    ours, theirs = canary(), f"{canary()} \"'$(touch X)"
    serve = 'exec python3 -m http.server "$PORT" --bind 127.0.0.1 --directory .'
    yard.config(
        yard.gated("one", DUMP, env_vars={"TASK_KEY": "host:OURS"}),
        deployment={
            "type": "generic",
            "command": f"{DUMP}\n{serve}",
            "port": 0,
            "served_model_name": "toy",
            "endpoints": {"health": "/seen.json"},
            "env_vars": {"SERVER_KEY": "host:THEIRS"},
        },
    )
    invocation = yard.run("run.yaml", env={"OURS": ours, "THEIRS": theirs})
    yard.await_notes("start one")
    arguments = " ".join(word for process in yard.processes() for word in command(process))
    yard.open_gates("one")
    yard.await_states(invocation, "SUCCEEDED")
    folder = yard.run_dir(invocation)
    server, harness = (json.loads((folder / name / "seen.json").read_text()) for name in ("deployment", "one"))
    assert (server["SERVER_KEY"], harness["TASK_KEY"]) == (theirs, ours)
    assert "SERVER_KEY" not in harness
    assert "TASK_KEY" not in server
    assert stat.S_IMODE((folder / "deployment" / ".secrets.env").stat().st_mode) == 0o600
    assert not [key for key in (ours, theirs.split(maxsplit=1)[0]) if key in arguments]
    assert leaks(yard, [ours, theirs.split(maxsplit=1)[0]]) == []
    assert not list(yard.folder.rglob("X"))
