"""Older spellings: each means what its current form means, and `migrate` writes that form."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import attrs
import pytest
from attrs import frozen

from evalyard.config import load_run, load_text
from evalyard.config.migration import migrate
from evalyard.errors import ConfigError
from evalyard.specs import RunSpec, ValueSource

from .conftest import Load

LOCAL = "execution: {type: local, output_dir: /out}\n"
TARGET = "target: {api_endpoint: {url: http://h/v1}}\n"
TASKS = "evaluation: {tasks: [smoke]}\n"
SERVED = "deployment: {type: demo}\n"


@frozen
class Pair:
    """Two texts that mean the same."""

    old: str
    new: str


PAIRS = {
    "parameters of the evaluation": Pair(
        f"{LOCAL}{TARGET}evaluation: {{overrides: {{config.params.limit_samples: 10}}, tasks: [smoke]}}\n",
        f"{LOCAL}{TARGET}evaluation: {{nemo_evaluator_config: {{config: {{params: {{limit_samples: 10}}}}}}, "
        "tasks: [smoke]}\n",
    ),
    "parameters of a task": Pair(
        f"{LOCAL}{TARGET}evaluation: {{tasks: [{{name: a, "
        "overrides: {config.params.x: 1, config.params.e.y: 2}}]}\n",
        f"{LOCAL}{TARGET}evaluation: {{tasks: [{{name: a, nemo_evaluator_config: "
        "{config: {params: {x: 1, e: {y: 2}}}}}]}\n",
    ),
    "the endpoint of a task": Pair(
        f"{LOCAL}{TARGET}evaluation: {{tasks: [{{name: a, overrides: "
        "{target.api_endpoint.adapter_config.use_caching: true}}]}\n",
        f"{LOCAL}{TARGET}evaluation: {{tasks: [{{name: a, nemo_evaluator_config: "
        "{target: {api_endpoint: {adapter_config: {use_caching: true}}}}}]}\n",
    ),
    "both spellings, the newer one wins": Pair(
        f"{LOCAL}{TARGET}evaluation: {{tasks: [{{name: a, overrides: {{config.params.x: 1, config.params.y: 1}}, "
        "nemo_evaluator_config: {config: {params: {x: 2}}}}]}\n",
        f"{LOCAL}{TARGET}evaluation: {{tasks: [{{name: a, "
        "nemo_evaluator_config: {config: {params: {x: 2, y: 1}}}}]}\n",
    ),
    "empty overrides": Pair(
        f"{LOCAL}{TARGET}evaluation: {{overrides: {{}}, tasks: [{{name: a, overrides: }}]}}\n",
        f"{LOCAL}{TARGET}evaluation: {{tasks: [{{name: a}}]}}\n",
    ),
    "variables of the evaluation": Pair(
        f"execution: {{type: local, output_dir: /out, env_vars: {{evaluation: {{A: lit:1, B: lit:1}}}}}}\n{TARGET}"
        "evaluation: {env_vars: {B: lit:2}, tasks: [smoke]}\n",
        f"{LOCAL}{TARGET}evaluation: {{env_vars: {{B: lit:2, A: lit:1}}, tasks: [smoke]}}\n",
    ),
    "variables of the server": Pair(
        f"execution: {{type: local, output_dir: /out, env_vars: {{deployment: {{A: lit:1}}, evaluation: {{}}}}}}\n"
        f"{SERVED}{TASKS}",
        f"{LOCAL}deployment: {{type: demo, env_vars: {{A: lit:1}}}}\n{TASKS}",
    ),
    "variables of a server that is not asked for": Pair(
        f"execution: {{type: local, output_dir: /out, env_vars: {{deployment: {{A: lit:1}}}}}}\n{TARGET}{TASKS}",
        f"{LOCAL}{TARGET}{TASKS}",
    ),
    "variables of exporters": Pair(
        f"execution: {{type: local, output_dir: /out, env_vars: {{export: {{A: host:A}}}}}}\n{TARGET}{TASKS}",
        f"{LOCAL}{TARGET}{TASKS}export: {{env_vars: {{A: host:A}}}}\n",
    ),
    "a bare list of destinations": Pair(
        f"execution: {{type: local, output_dir: /out, auto_export: [mlflow, local]}}\n{TARGET}{TASKS}",
        "execution: {type: local, output_dir: /out, auto_export: {destinations: [mlflow, local]}}\n"
        f"{TARGET}{TASKS}",
    ),
    "a dollar before the source of a value": Pair(
        f"{LOCAL}{TARGET}{TASKS}env_vars: {{A: $host:X, B: $lit:a b, C: '$runtime:Y'}}\n",
        f"{LOCAL}{TARGET}{TASKS}env_vars: {{A: host:X, B: lit:a b, C: 'runtime:Y'}}\n",
    ),
    "the bare name of a variable": Pair(
        f"{LOCAL}{TARGET}evaluation: {{env_vars: {{A: X}}, tasks: [{{name: a, env_vars: {{B: Y}}}}]}}\n"
        "env_vars: {C: Z}\n",
        f"{LOCAL}{TARGET}evaluation: {{env_vars: {{A: host:X}}, tasks: [{{name: a, env_vars: {{B: host:Y}}}}]}}\n"
        "env_vars: {C: host:Z}\n",
    ),
    "older values at older places": Pair(
        f"execution: {{type: local, output_dir: /out, env_vars: {{evaluation: {{A: X}}}}}}\n{TARGET}{TASKS}",
        f"{LOCAL}{TARGET}evaluation: {{tasks: [smoke], env_vars: {{A: host:X}}}}\n",
    ),
    "the group slurm": Pair(
        f"defaults: [execution: slurm, deployment: none]\n{TARGET}{TASKS}",
        f"defaults: [execution: slurm/default, deployment: none]\n{TARGET}{TASKS}",
    ),
    "the group lepton, overriding": Pair(
        f"defaults: [override execution: lepton, _self_]\n{TARGET}{TASKS}",
        f"defaults: [override execution: lepton/default, _self_]\n{TARGET}{TASKS}",
    ),
}
"""Every older spelling that is read."""


def meaning(spec: RunSpec) -> Any:
    def keep(attribute: attrs.Attribute[Any], _: Any) -> bool:
        return attribute.name not in {"where", "places", "source", "deprecations", "resolved"}

    return attrs.asdict(spec, filter=keep)


@pytest.mark.parametrize("name", PAIRS)
def test_an_older_spelling_means_what_its_current_form_means(load: Load, name: str) -> None:
    old, new = load(PAIRS[name].old), load(PAIRS[name].new)
    assert meaning(old) == meaning(new)
    assert old.deprecations
    assert not new.deprecations
    assert load_text(old.resolved, "r").deprecations == ()


@pytest.mark.parametrize("name", PAIRS)
def test_migrate_writes_the_current_form(load: Load, tmp_path: Path, name: str) -> None:
    pair = PAIRS[name]
    migrated = migrate(pair.old, "f", tmp_path)
    assert meaning(load(migrated.text)) == meaning(load(pair.new))
    assert len(migrated.changes) >= len(load(pair.old).deprecations) >= 1
    again = migrate(migrated.text, "f", tmp_path)
    assert (again.text, again.changes) == (migrated.text, ())


def test_deprecations_say_old_and_new_but_no_value(load: Load, base: str) -> None:
    spec = load(f"{base}env_vars: {{A: $lit:sesame, B: $host:X, C: X}}\n")
    assert spec.deprecations == (
        "env_vars.A: $lit: -> lit:text",
        "env_vars.B: $host: -> host:NAME",
        "env_vars.C: a name alone -> host:NAME",
    )


def test_an_older_spelling_on_the_command_line_is_the_last_word_and_no_fault_of_the_file(load: Load, base: str) -> None:
    text = base.replace("tasks:", "nemo_evaluator_config: {config: {params: {x: 1}}}, tasks:")
    spec = load(text, "+evaluation.overrides={config.params.x: 2}", "+env_vars.A=$host:X")
    assert spec.tasks[0].params == {"x": 2}
    assert spec.tasks[0].env["A"].source is ValueSource.HOST
    assert spec.deprecations == ()


def test_a_newer_file_wins_over_an_older_one_whatever_the_spelling(tmp_path: Path, base: str) -> None:
    newer = base.replace("tasks:", "nemo_evaluator_config: {config: {params: {x: 1}}}, tasks:")
    (tmp_path / "base.yaml").write_text(newer)
    main = tmp_path / "main.yaml"
    main.write_text("defaults: [base, _self_]\nevaluation: {overrides: {config.params.x: 2}}\n")
    assert load_run(main).tasks[0].params == {"x": 2}


def test_a_group_of_ones_own_may_have_an_older_name(tmp_path: Path) -> None:
    (tmp_path / "execution").mkdir()
    (tmp_path / "execution" / "slurm.yaml").write_text("type: slurm\npartition: mine\n")
    main = tmp_path / "main.yaml"
    main.write_text(f"defaults: [execution: slurm]\n{TARGET}{TASKS}")
    spec = load_run(main)
    assert (spec.execution.data["partition"], spec.deprecations) == ("mine", ())
    assert migrate(main.read_text(), "f", tmp_path).changes == ()


def test_migrate_keeps_comments_order_quotes_and_layout(tmp_path: Path) -> None:
    old = dedent(
        """\
        # A run.
        execution:
            type: local   # here
            env_vars:     # of all jobs
                evaluation:
                    # a token
                    HF_TOKEN: "$host:HF_TOKEN"   # mine
        target: {api_endpoint: {url: 'http://h/v1'}}

        evaluation:
            tasks:
              - name: "b"   # first
                overrides:
                    config.params.x: 1.50   # one
              # last
              - a
            post_cmd: |
                echo  done
        """
    )
    new = migrate(old, "f", tmp_path).text
    # How far a comment stands off is no matter.
    assert [re.sub(r"(?<=\S) +#|^ +#", " #", line) for line in new.splitlines()] == [
        "# A run.",
        "# of all jobs",
        "execution:",
        "    type: local # here",
        "target: {api_endpoint: {url: 'http://h/v1'}}",
        "",
        "evaluation:",
        "    tasks:",
        '      - name: "b" # first',
        "        nemo_evaluator_config:",
        "            config:",
        "                params:",
        "                    x: 1.50 # one",
        " # last",
        "      - a",
        "    post_cmd: |",
        "        echo  done",
        "    env_vars:",
        " # a token",
        '        HF_TOKEN: "host:HF_TOKEN" # mine',
    ]


def test_migrate_changes_nothing_where_nothing_is_older(tmp_path: Path) -> None:
    text = "a:   1\nb:  [ 1,2 ]   # odd   spacing\n"
    assert migrate(text, "f", tmp_path).text == text


def test_migrate_changes_what_an_alias_names_once(load: Load, tmp_path: Path) -> None:
    text = f"{LOCAL}{TARGET}evaluation:\n  env_vars: &e {{A: X}}\n  tasks:\n    - {{name: a, env_vars: *e}}\n"
    new = migrate(text, "f", tmp_path).text
    assert "env_vars: *e" in new
    assert meaning(load(new)) == meaning(load(text))


def test_migrate_refuses_what_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="f:1:5"):
        migrate("a: {", "f", tmp_path)
