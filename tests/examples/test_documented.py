"""Every command and every form of a configuration that the language has, executed against an endpoint.

Whatever is here works: each case is run to its end, and its effect is looked at where it shows.
"""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from evalyard.config import examples
from tests.examples.desk import ENOUGH, MODEL, Desk

# --- commands ------------------------------------------------------------------------------------------------------


def test_a_configuration_is_started_from_an_example(desk: Desk) -> None:
    listed = desk.type("ls", "examples")
    assert all(one.name in listed for one in examples())
    assert desk.type("init", "local_basic", "--output", "mine.yaml") == "mine.yaml\n"
    mine = (desk.folder / "mine.yaml").read_text()
    desk.type("init", "local_basic", "--output", "mine.yaml", code=2)
    assert "there already; nothing was written" in desk.said
    assert (desk.folder / "mine.yaml").read_text() == mine
    desk.type("init", "local_basik", code=2)
    assert "did you mean 'local_basic'" in desk.said
    desk.type("run", "--config", "mine.yaml", *desk.endpoint(), "-o", ENOUGH, "--wait")
    assert desk.rows()


@pytest.mark.parametrize(
    "words",
    [
        ["--config", "local_basic"],
        ["--config", "local_basic.yaml"],
        ["--config-name", "local_basic"],
        ["--config-dir", "packages/launcher/examples", "--config-name", "local_basic"],
    ],
    ids=" ".join,
)
def test_an_example_is_found_from_any_folder(desk: Desk, words: list[str]) -> None:
    desk.type("run", *words, *desk.endpoint(), "--dry-run")


def test_a_file_that_is_not_there_but_shipped_gets_the_command_that_works(desk: Desk) -> None:
    desk.type("run", "--config", "configs/local_basic.yaml", *desk.endpoint(), code=2)
    assert desk.said.splitlines()[-1].endswith("evalyard run --config local_basic")
    desk.type("run", "--config", "local_basic", *desk.endpoint(), "--dry-run")


OWN = """
execution: {type: local, use_docker: false, output_dir: runs}
target: {api_endpoint: {url: URL, model_id: MODEL}}
evaluation:
  tasks:
    - smoke.arithmetic
    - {name: smoke.logic, nemo_evaluator_config: {config: {params: {limit_samples: 4}}}}
"""


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        (["-o", "+config.params.limit_samples=1"], {"smoke.arithmetic": 1, "smoke.logic": 1}),
        (["-o", "++config.params.limit_samples=1"], {"smoke.arithmetic": 1, "smoke.logic": 1}),
        (["-t", "smoke.logic"], {"smoke.logic": 4}),
        (["-t", "smoke.logic.0", "-o", "config.params={limit_samples: 2, parallelism: 2}"], {"smoke.logic": 2}),
        (["-o", "evaluation.tasks=[{name: smoke.json}]", "-o", ENOUGH], {"smoke.json": 2}),
        (
            ["-o", "evaluation.tasks.smoke.arithmetic.nemo_evaluator_config.config.params.limit_samples=3"],
            {"smoke.arithmetic": 3, "smoke.logic": 4},
        ),
        (["-o", "~evaluation.tasks[0]"], {"smoke.logic": 4}),
        (["-o", "evaluation.tasks[0]=smoke.strings", "-o", ENOUGH], {"smoke.strings": 2, "smoke.logic": 2}),
        (["-t", "smoke.logic", "-o", f"target.api_endpoint.model_id={MODEL}"], {"smoke.logic": 4}),
        (["-t", "smoke.logic", "-o", "~target.api_endpoint.model_id"], {"smoke.logic": 4}),
        (["-t", "smoke.logic", "-o", "target.api_endpoint.type='chat'"], {"smoke.logic": 4}),
        (
            ["-t", "smoke.logic", "-o", "deployment=demo", "-o", "~target.api_endpoint"],
            {"smoke.logic": 4},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_command_line_changes_what_is_run(desk: Desk, words: list[str], counts: dict[str, int]) -> None:
    rows = desk.run(OWN, *words)
    found = {row["task"]: row["n"] for row in rows if row["score"] == "accuracy"}
    assert found == counts


# --- forms of configurations ---------------------------------------------------------------------------------------

HEAD = """
execution: {type: local, use_docker: false, output_dir: runs}
target: {api_endpoint: {url: URL, model_id: MODEL}}
"""
LEAVE = """
harness:
  command: |
    printf '%s|%s|%s' "$A" "$B" "$C" >"$EVALYARD_OUTPUT_DIR/seen"
  results: null
"""

VARIABLES = {
    "sources": ("env_vars: {A: host:HERE, B: lit:two words, C: runtime:HERE}", "", "", "here|two words|here"),
    "older sources": ("env_vars: {A: $host:HERE, B: '$lit:b', C: HERE}", "", "", "here|b|here"),
    "levels": (
        "env_vars: {A: lit:top, B: lit:top, C: lit:top}",
        "env_vars: {B: lit:ev, C: lit:ev}",
        "env_vars: {C: lit:task}",
        "top|ev|task",
    ),
    "expressions": (
        "env_vars: {A: '${oc.env:HERE}', B: 'lit:${target.api_endpoint.model_id}', C: '${oc.env:GONE,lit:c}'}",
        "",
        "",
        f"here|{MODEL}|c",
    ),
    "first not null": (
        "env_vars: {A: 'lit:${select_not_null:deployment.path,/fallback}', B: 'lit:${oc.decode:\"1\"}', C: lit:}",
        "",
        "",
        "/fallback|1|",
    ),
    "numbers": ("env_vars: {A: 007, B: true, C: 1e3}", "", "", "007|true|1e3"),
    "a name of its own for the key": ("env_vars: {A: host:HERE, B: lit:, C: lit:}", "", "", "here||"),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_variables_reach_the_job(desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("HERE", "here")
    top, evaluation, task, seen = VARIABLES[name]
    text = f"{HEAD}{top}\nevaluation:\n  {evaluation}\n  tasks:\n    - name: own\n" + indent(f"{task}{LEAVE}", " " * 6)
    desk.type("run", "--config", desk.write(text), "--wait")
    assert desk.left("own", "seen") == seen


FORMS = {
    "older parameters": "evaluation: {overrides: {config.params.limit_samples: 3}, tasks: [smoke.logic]}",
    "older parameters of a task": """
        evaluation: {tasks: [{name: smoke.logic, overrides: {config.params.limit_samples: 3}}]}
        """,
    "a task's own parameters win": """
        evaluation:
          nemo_evaluator_config: {config: {params: {limit_samples: 1, temperature: 0}}}
          tasks: [{name: smoke.logic, nemo_evaluator_config: {config: {params: {limit_samples: 3}}}}]
        """,
    "anchors and merge keys": """
        evaluation:
          nemo_evaluator_config: &all {config: {params: &params {limit_samples: 3}}}
          tasks:
            - {name: smoke.logic, nemo_evaluator_config: {config: {params: {<<: *params, parallelism: 2}}}}
        """,
    "expressions for parameters": """
        extensions: {}
        evaluation:
          nemo_evaluator_config: {config: {params: {parallelism: 3}}}
          tasks:
            - name: smoke.logic
              nemo_evaluator_config:
                config: {params: {limit_samples: "${evaluation.nemo_evaluator_config.config.params.parallelism}"}}
        """,
}


@pytest.mark.parametrize("name", FORMS)
def test_parameters_reach_the_harness(desk: Desk, name: str) -> None:
    rows = desk.run(HEAD + dedent(FORMS[name]))
    assert {row["n"] for row in rows} == {3}


def test_groups_of_ones_own_are_laid_under_the_file(desk: Desk) -> None:
    desk.write("use_docker: false\noutput_dir: runs\ntype: local\nmode: sequential\n", "execution/base.yaml")
    desk.write("defaults: [base, _self_]\nmax_parallel: 1\n", "execution/here.yaml")
    desk.write("type: demo\nserved_model_name: rules\n", "deployment/rules.yaml")
    text = """
        defaults:
          - override execution: here
          - deployment: rules
          - _self_
        evaluation: {tasks: [smoke.logic]}
        """
    assert {row["task"] for row in desk.run(text, "-o", ENOUGH)} == {"smoke.logic"}
    resolved = desk.type("run", "--config", "mine.yaml", "--dry-run")
    assert "served_model_name: rules" in resolved
    assert "mode: sequential" in resolved


def test_older_spellings_are_told_in_one_line_and_migrate_rewrites_them(desk: Desk) -> None:
    text = """
        # mine
        execution: {type: local, use_docker: false, output_dir: runs, env_vars: {evaluation: {A: $lit:a}}}
        target: {api_endpoint: {url: URL, model_id: MODEL}}
        evaluation:
          overrides: {config.params.limit_samples: 2}   # a test
          tasks: [smoke.logic]
        """
    before = desk.run(text)
    desk.type("run", "--config", "mine.yaml", "--dry-run")
    assert desk.said == "note       3 older spellings; evalyard migrate mine.yaml rewrites them\n"
    assert "valid: 1 job" in desk.type("validate", "mine.yaml")
    assert desk.said == "note: 3 older spellings; evalyard migrate mine.yaml rewrites them\n"
    assert desk.type("migrate", "mine.yaml", "--stdout").count("# a test") == 1
    assert "overrides" in (desk.folder / "mine.yaml").read_text()
    assert desk.type("migrate", "mine.yaml") == "mine.yaml: 3 older spellings rewritten\n"
    assert desk.type("migrate", "mine.yaml") == "mine.yaml: nothing to rewrite\n"
    desk.type("run", "--config", "mine.yaml", "--wait")
    assert "note" not in desk.said
    assert [row["value"] for row in desk.rows()] == [row["value"] for row in before]


def test_a_server_beside_the_evaluation_runs_its_pre_cmd_once_that_is_trusted(desk: Desk) -> None:
    text = """
        execution: {type: local, use_docker: false, output_dir: runs}
        deployment: {type: demo, pre_cmd: echo prepared, env_vars: {A: lit:a}}
        evaluation: {tasks: [smoke.logic]}
        """
    name = desk.write(text)
    desk.type("run", "--config", name, "--wait", code=2)
    assert "deployment: pre_cmd and post_cmd run shell text" in desk.said
    assert desk.run(text, "--trust-pre-cmd", "-o", ENOUGH)
    assert "prepared" in desk.type("logs", "--role", "server", "latest")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "auxiliary_deployments: {judge: {type: vllm, served_model_name: j}}",
            "auxiliary_deployments.judge.checkpoint_path: type vllm needs a model",
        ),
        ("deployment: {type: vllm_ray, served_model_name: m}", "deployment.type: 'vllm_ray' is not in this version"),
        ("deployment: {type: vllm, served_model_name: m}", "deployment.checkpoint_path: type vllm needs a model"),
        (
            "deployment: {type: demo, lepton_config: {a: 1}}",
            "deployment.lepton_config: only executor lepton reads it; remove it (-o ~deployment.lepton_config)",
        ),
        (
            "deployment: {type: demo, multiple_instances: true}",
            "deployment.multiple_instances: type demo has one server for all",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_and_leaves_nothing_behind(desk: Desk, text: str, complaint: str) -> None:
    target = "" if text.startswith("deployment") else "target: {api_endpoint: {url: URL, model_id: MODEL}}\n"
    head = "execution: {type: local, use_docker: false, output_dir: runs}\n"
    desk.type("run", "--config", desk.write(f"{head}{target}{text}\nevaluation: {{tasks: [smoke]}}\n"), code=2)
    assert complaint in desk.said
    assert [path.name for path in desk.folder.iterdir()] == ["mine.yaml"]
