"""Whatever is wrong with what a user wrote: one short message, exit code 2, nothing started."""

import json
from typing import Any

import pytest

from tests.cli.yard import UNUSED_URL, Done, Yard

GOOD: dict[str, Any] = {
    "execution": {"type": "local", "use_docker": False, "output_dir": "runs"},
    "target": {"api_endpoint": {"url": UNUSED_URL, "model_id": "m"}},
    "evaluation": {"tasks": [{"name": "one", "harness": {"command": "true"}}]},
}


def changed(path: str, value: Any) -> str:
    """Return the good configuration with one key changed."""
    data = json.loads(json.dumps(GOOD))
    *parents, last = path.split(".")
    node = data
    for parent in parents:
        node = node[int(parent)] if parent.isdecimal() else node.setdefault(parent, {})
    node[last] = value
    return json.dumps(data, indent=1)


BROKEN = {
    "no tasks": (changed("evaluation.tasks", []), ["evaluation.tasks"]),
    "no evaluation": (json.dumps({key: GOOD[key] for key in ("execution", "target")}), ["evaluation"]),
    "misspelt at the top": (changed("evaluaton", {}), ["evaluaton", "evaluation"]),
    "misspelt in execution": (changed("execution.max_paralel", 2), ["max_paralel", "max_parallel"]),
    "misspelt in the endpoint": (changed("target.api_endpoint.api_key_nmae", "K"), ["api_key_nmae", "api_key_name"]),
    "misspelt in a task": (changed("evaluation.tasks.0.harnes", {}), ["harnes", "harness"]),
    "misspelt in the deployment": (changed("deployment", {"type": "demo", "imgae": "x"}), ["imgae", "image"]),
    "an unknown task": (changed("evaluation.tasks", [{"name": "smokee"}]), ["smokee", "smoke"]),
    "an unknown parameter": (
        changed(
            "evaluation.tasks",
            [{"name": "smoke", "nemo_evaluator_config": {"config": {"params": {"limit_sample": 3}}}}],
        ),
        ["limit_sample", "limit_samples"],
    ),
    "a wrong type": (changed("execution.max_parallel", "many"), ["execution.max_parallel"]),
    "a number out of range": (changed("execution.max_parallel", 0), ["max_parallel"]),
    "a wrong word": (changed("execution.mode", "paralel"), ["execution.mode", "parallel"]),
    "tasks that are no list": (changed("evaluation.tasks", {"name": "smoke"}), ["evaluation.tasks"]),
    "an unknown executor": (changed("execution.type", "locl"), ["locl", "local"]),
    "an executor that is not installed": (changed("execution.type", "lepton"), ["pip install evalyard-lepton"]),
    "a task without a container": (changed("execution.use_docker", True), ["run.yaml:", "container", "--no-docker"]),
    "no output folder": (changed("execution.output_dir", "???"), ["execution.output_dir"]),
    "an unknown extension": (changed("extensions", {"notify": {}}), ["notify"]),
    "no yaml": ("execution: [1,\n  }", ["run.yaml:"]),
    "a tab": ("execution:\n\ttype: local\n", ["run.yaml:2"]),
    "a duplicate key": ("execution: {}\nexecution: {}\n", ["run.yaml:2", "execution"]),
    "an empty file": ("", ["run.yaml"]),
    "a list": ("- 1\n", ["run.yaml"]),
    "an interpolation of nothing": (changed("execution.output_dir", "${nothing.here}"), ["nothing.here"]),
    "a stranger's shell text": (changed("evaluation.pre_cmd", "rm -rf /"), ["--trust-pre-cmd"]),
    "a bad url": (changed("target.api_endpoint.url", "localhost:8000/v1"), ["target.api_endpoint.url", "http://"]),
}


def assert_short(done: Done, *, lines: int = 6) -> None:
    assert done.err.startswith("error: "), done.err
    assert len(done.err.splitlines()) <= lines, done.err
    assert "Traceback" not in done.err
    assert "bug in evalyard" not in done.err


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_configuration_is_one_short_message(yard: Yard, name: str) -> None:
    text, said = BROKEN[name]
    (yard.folder / "run.yaml").write_text(text)
    done = yard.call("run", "-c", "run.yaml", code=2)
    assert_short(done)
    assert not [word for word in said if word not in done.err], done.err
    assert done.out == ""
    assert [path.name for path in yard.folder.iterdir()] == ["run.yaml"]
    assert not yard.home.exists()


def test_validate_says_what_run_would_say(yard: Yard) -> None:
    (yard.folder / "run.yaml").write_text(BROKEN["misspelt in execution"][0])
    refused = yard.call("run", "-c", "run.yaml", code=2)
    assert yard.call("validate", "run.yaml", code=2).err == refused.err
    said = json.loads(yard.call("validate", "--json", "run.yaml", code=2).out)
    assert said["valid"] is False
    assert "max_paralel" in said["problems"][0]
    (yard.folder / "run.yaml").write_text(json.dumps(GOOD))
    assert "1 job on local" in yard.call("validate", "run.yaml").out


def test_all_problems_of_a_file_are_said_at_once(yard: Yard) -> None:
    (yard.folder / "run.yaml").write_text(
        "execution: {type: local, output_dir: '???', mdoe: parallel}\n"
        "target: {api_endpoint: {url: '???'}}\n"
        "evaluation:\n  tasks:\n    - nmae: smoke\n"
    )
    done = yard.call("run", "-c", "run.yaml", code=2)
    for place in ("run.yaml:1", "run.yaml:2", "run.yaml:5"):
        assert place in done.err
    assert_short(done, lines=8)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "-c", "absent.yaml"),
        ("run", "-c", "."),
        ("run", "--config-name", "absent"),
        ("run", "-c", "run.yaml", "-o", "nonsense"),
        ("run", "-c", "run.yaml", "-o", "execution.nonsense=1"),
        ("run", "-c", "run.yaml", "--env-file", "absent"),
        ("run", "-c", "run.yaml", "--nonsense"),
        ("runn",),
        ("ls", "everything"),
        ("status", "--json", "zzzz"),
        ("validate",),
        ("resume",),
        ("info", "a", "b"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_one_short_message(yard: Yard, arguments: tuple[str, ...]) -> None:
    (yard.folder / "run.yaml").write_text(json.dumps(GOOD))
    done = yard.call(*arguments, code=2)
    assert_short(done)
    assert done.out == ""
    assert not (yard.folder / "runs").exists()


def test_an_output_folder_that_cannot_be_written_stops_the_run(yard: Yard) -> None:
    (yard.folder / "runs").write_text("a file")
    (yard.folder / "run.yaml").write_text(json.dumps(GOOD))
    done = yard.call("run", "-c", "run.yaml", code=2)
    assert "is a file" in done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    assert yard.call("ls", "runs", "--json").out.strip() == "[]"


def test_help_and_version_need_nothing(yard: Yard) -> None:
    yard.home.parent.mkdir(parents=True, exist_ok=True)
    yard.home.write_text("not a folder")
    assert "run" in yard.call("--help").out
    assert yard.call("--version").out.strip()[0].isdecimal()
    for name in ("run", "status", "logs", "kill", "resume", "info", "results", "ls", "validate", "doctor"):
        assert name in yard.call("--help").out
    assert "--env-file" in yard.call("run", "--help").out
